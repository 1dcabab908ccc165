"""What comes from the microphone of a page: kept as one recording, and read while it comes."""

import html
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import soundfile

from pipelines.live import LiveText
from pipelines.speech import SpeechPipeline
from pipelines.web.limits import Limits
from recog.errors import InputError
from recog.recognizer import Recognizer

NAME = "spoken.wav"


class Microphone:
    """One stretch of speaking. It is read quickly, without a search; the careful reading comes at its end."""

    def __init__(self, pipeline: SpeechPipeline, folder: Path, limits: Limits) -> None:
        quick = replace(pipeline.recognizer.options, beam=0, hotwords=())
        self._live = LiveText(Recognizer(pipeline.recognizer.bundle, quick))
        self.path, self._limits = folder / NAME, limits
        self._file: soundfile.SoundFile | None = None
        self._seconds = self._lag = 0.0
        self._lock = threading.Lock()

    def __deepcopy__(self, memo: dict[int, object]) -> "Microphone":
        return self  # there is one file, whatever holds this

    def hear(self, chunk: Path) -> str:
        """A piece of sound as the browser sends it -> the text so far, as HTML."""
        samples, rate_hz = soundfile.read(chunk, dtype="float32", always_2d=True)
        with self._lock:
            if self._file is None:
                self._file = soundfile.SoundFile(self.path, "w", rate_hz, 1, "PCM_16")
            mono = samples.mean(axis=1, dtype=np.float32)
            room = self._limits.seconds - self._seconds
            mono = mono[: max(0, int(room * rate_hz))]
            self._file.write(mono)
            seconds = len(mono) / rate_hz
            self._seconds += seconds
            # Where reading takes longer than speaking, every second piece or fewer are read at once.
            self._lag = max(0.0, self._lag - seconds)
            began = time.perf_counter()
            read = self._lag < seconds
            self._live.hear(mono, rate_hz, read)
            if read:
                self._lag += time.perf_counter() - began
            return self._shown(room <= seconds)

    def close(self) -> Path:
        """The recording of all that was said. Refuses where nothing came."""
        with self._lock:
            if self._file is None:
                raise InputError("nothing came from the microphone; allow the page to use it, and speak again")
            self._file.close()
        return self.path

    def _shown(self, full: bool) -> str:
        more = f" The limit of {self._limits.minutes:g} minutes is reached." if full else ""
        return live(self._live.settled, self._live.open, more)


def live(settled: str = "", open_: str = "", more: str = "") -> str:
    """The growing text as HTML: what may still change is paler. Read aloud only when a part of it has settled."""
    said = "" if settled or open_ else '<span class="hint">Listening …</span>'
    return (
        f'<div class="live" role="region" aria-label="Text so far"><span aria-live="polite">{html.escape(settled)}</span> '
        f'<span class="open">{html.escape(open_)}</span>{said}{html.escape(more)}</div>'
    )
