"""What comes from the microphones of open pages: each kept as one recording, and read while it comes."""

import base64
import binascii
import secrets
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
import soundfile

from pipelines.live import LiveText
from pipelines.speech import SpeechPipeline
from pipelines.web.limits import Limits
from recog.audio import Waveform
from recog.dictation import Dictation
from recog.errors import InputError
from recog.recognizer import Recognizer

SCRIPT = (Path(__file__).parent / "assets" / "microphone.js").read_text(encoding="utf-8")
NAME = "spoken.wav"
# Open at the same time; whoever comes later takes the place of who began first.
MOST = 32
PAGE = (
    '<div class="microphone"><button type="button" aria-pressed="false">Speak</button><div class="live" role="region" '
    'aria-label="Text so far" hidden><span class="settled" aria-live="polite"></span> <span class="open"></span> '
    '<span class="more hint" role="status"></span></div></div>'
)


class Microphone:
    """One stretch of speaking. It is read quickly, without a search; the careful reading comes at its end."""

    def __init__(self, pipeline: SpeechPipeline, folder: Path, limits: Limits) -> None:
        quick = replace(pipeline.recognizer.options, beam=0, hotwords=())
        self._live = LiveText(Recognizer(pipeline.recognizer.bundle, quick))
        self._dictation, self._settled, self._heard = Dictation(pipeline.restorer), list[str](), 0
        self.path, self._limits = folder / NAME, limits
        self._file: soundfile.SoundFile | None = None
        self._samples = 0
        self._lock = threading.Lock()

    def hear(self, samples: Waveform, rate_hz: int) -> dict[str, str]:
        """The next samples (n,) in -1..1 -> what has settled of the text, what may still change, what else to know."""
        with self._lock:
            if self._file is None:
                self._file = soundfile.SoundFile(self.path, "w", rate_hz, 1, "PCM_16")
            room = round(self._limits.seconds * rate_hz) - self._samples
            samples = samples[: max(0, room)]
            self._file.write(samples)
            self._samples += len(samples)
            text = self._live.hear(samples, rate_hz)
            settled = self._live.settled.split()
            self._settled += [one.text for one in self._dictation.hear(settled[self._heard :])]
            self._heard = len(settled)
            rest = [one.text for one in self._dictation.open(self._live.open.split())]
        full = f"The limit of {self._limits.minutes:g} minutes is reached." if room <= len(samples) else ""
        more = full or ("" if text else "Listening …")
        return {"settled": " ".join(self._settled), "open": " ".join(rest), "more": more}

    def close(self) -> Path:
        """The recording of all that was said. Refuses where nothing came."""
        with self._lock:
            if self._file is None:
                raise InputError("nothing came from the microphone; allow the page to use it, and speak again")
            self._file.close()
        return self.path


class Microphones:
    """The open ones, each under a word that only its page knows."""

    def __init__(self, begin: Callable[[], Microphone]) -> None:
        self._begin = begin
        self._open: OrderedDict[str, Microphone] = OrderedDict()
        self._lock = threading.Lock()

    def draw(self) -> gr.HTML:
        """Places the button inside a Blocks context; its `submit` tells the word of one that has ended."""

        # Gradio marks what it calls, and a method cannot be marked.
        def hear(data: Any) -> dict[str, str]:
            return self.hear(data)

        return gr.HTML(PAGE, js_on_load=SCRIPT, server_functions=[hear])

    def hear(self, data: Any) -> dict[str, str]:
        """What a page sends: nothing, and it is told a word; or its word, a rate, and sound in 16 bits, as base64.

        What goes wrong is told in a sentence, in the place of what else there is to know.
        """
        sent = data[0] if isinstance(data, list) and data else data
        try:
            if not isinstance(sent, dict) or "token" not in sent:
                return {"token": self.open(), "settled": "", "open": "", "more": ""}
            return self._of(sent["token"]).hear(*_sound(sent))
        except (InputError, gr.Error) as error:
            return {"settled": "", "open": "", "more": str(getattr(error, "message", error))}

    def open(self) -> str:
        """A new one, and its word."""
        microphone, token = self._begin(), secrets.token_urlsafe(18)
        with self._lock:
            self._open[token] = microphone
            while len(self._open) > MOST:
                self._open.popitem(last=False)
        return token

    def take(self, token: Any) -> Microphone:
        """The one of that word, which is then forgotten. Refuses an unknown word."""
        microphone = self._of(token)
        with self._lock:
            self._open.pop(token, None)
        return microphone

    def _of(self, token: Any) -> Microphone:
        with self._lock:
            microphone = self._open.get(token) if isinstance(token, str) else None
        if microphone is None:
            raise InputError("the server does not know this microphone any more; speak again")
        return microphone


def _sound(sent: dict[str, Any]) -> tuple[Waveform, int]:
    """Samples in -1..1, and how many make a second. Refuses what no browser sends."""
    rate_hz, sound = sent.get("rate"), sent.get("sound")
    if not isinstance(rate_hz, int) or not 8000 <= rate_hz <= 192_000 or not isinstance(sound, str):
        raise InputError("the microphone sent no sound in 16 bits with 8000 to 192000 samples a second")
    try:
        content = base64.b64decode(sound, validate=True)
    except (binascii.Error, ValueError) as error:
        raise InputError("the microphone sent no base64") from error
    if len(content) % 2 or len(content) > 2 * 60 * rate_hz:
        raise InputError("the microphone sent half a sample, or more than a minute at once")
    return np.frombuffer(content, "<i2").astype(np.float32) / np.float32(32768), rate_hz
