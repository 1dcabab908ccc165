"""A recording -> its transcript, however long it is."""

import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pipelines.hearing import WINDOWS, Stretch, hear
from pipelines.transcript import SpeechTranscript, SpokenWord, rewritten, turns_of, words_of
from recog import audio, checkpoint, memory
from recog.activity import loudness
from recog.audio import SpeechFrontend, Waveform
from recog.checkpoint import Bundle
from recog.errors import ConfigError
from recog.recognizer import DecodingOptions, Recognition, Recognizer
from recog.segments import Cutting
from recog.voice import DETECTORS

# Memory that was freed is given back whenever so much of a long recording was heard: else 200 MB more were held after 3.6 hours.
TRIM_SECONDS = 300.0
# Told of seconds done, and of how many there are, where the file says so.
Progress = Callable[[float, float | None], None]


@dataclass(frozen=True)
class Passage:
    """The words of a stretch of a recording, and how far it has been heard by then."""

    words: tuple[SpokenWord, ...]
    # Seconds from the start of the recording.
    end: float
    # Whether no sample of it rises above digital silence.
    silent: bool = False


@dataclass(frozen=True)
class Listening:
    """How a recording is listened to."""

    # Each channel alone, for one microphone a speaker; else all channels together.
    by_channel: bool = False
    # What tells speech from silence in recordings that are cut: one of recog.voice.DETECTORS.
    voice: str = "auto"
    cutting: Cutting = field(default_factory=Cutting)
    # Text as people write it, where the bundle can restore it: sentences, case, points, figures. False: words as spoken.
    written: bool = True

    def __post_init__(self) -> None:
        if self.voice not in DETECTORS:
            raise ConfigError(f"voice detector is {self.voice!r}; choose one of {', '.join(DETECTORS)}")


class SpeechPipeline:
    """Reads a recording, cuts it at pauses, recognises the pieces together. Load once, call often."""

    def __init__(
        self, bundle: Bundle, options: DecodingOptions | None = None, listening: Listening | None = None
    ) -> None:
        if not isinstance(bundle.frontend, SpeechFrontend):
            raise ConfigError(f"bundle {bundle.name} reads {bundle.kind}; a speech pipeline needs a speech bundle")
        self.frontend = bundle.frontend
        self.recognizer = Recognizer(bundle, options)
        self.listening = listening or Listening()
        self.restorer = bundle.restorer if self.listening.written else None

    @classmethod
    def load(
        cls,
        name_or_path: str | Path = "speech-en",
        options: DecodingOptions | None = None,
        listening: Listening | None = None,
    ) -> "SpeechPipeline":
        """The pipeline of a bundle, by the name of one that comes with recog or by its folder."""
        return cls(checkpoint.load(name_or_path), options, listening)

    def __call__(
        self, source: str | Path | bytes, progress: Progress | None = None, limit_seconds: float = math.inf
    ) -> SpeechTranscript:
        """A file or its bytes, in any format FFmpeg reads -> transcript. Silence gives an empty one.

        Recordings of more than 24 s are cut at pauses while they are read, and never in memory as a whole. What can be
        read of one that is cut off or damaged is transcribed; `damage` of the transcript says what is missing. Refuses
        what holds no sound, and what is longer than the limit.
        """
        told, damage = audio.describe(source), list[str]()
        if not self.listening.by_channel:
            passages = self.passages(source, None, None, limit_seconds, damage)
            return self.join(_reporting(passages, progress, told.seconds), damage)
        total = None if told.seconds is None else told.seconds * told.channels
        heard: list[SpeechTranscript] = []
        before = 0.0
        for channel in range(told.channels):
            passages = self.passages(source, None, channel, limit_seconds, damage if channel == 0 else None)
            heard.append(self.join(_reporting(passages, progress, total, before), damage))
            before += heard[-1].duration
        turns = turns_of([one.words for one in heard])
        return SpeechTranscript(
            "\n".join(turn.text for turn in turns),
            tuple(word for turn in turns for word in turn.words),
            max(one.duration for one in heard),
            self.recognizer.calibrated,
            turns,
            tuple(damage),
            all(one.silent for one in heard),
            "\n".join(one.spoken for one in heard if one.spoken),
        )

    def passages(
        self,
        source: str | Path | bytes,
        together: int | None = None,
        channel: int | None = None,
        limit_seconds: float = math.inf,
        damage: list[str] | None = None,
    ) -> Iterator[Passage]:
        """A recording stretch after stretch, as it is cut at pauses while it is read: memory does not grow with it.

        `together` stretches are recognised at a time (None: as many as go through the network well), so that the first
        words come early; the words are the same ones whatever it is. The other arguments are those of
        `recog.audio.stream`.
        """
        blocks = audio.stream(source, self.frontend.rate_hz, limit_seconds, damage, channel)
        return self._passages(blocks, together or WINDOWS)

    def join(self, passages: Iterable[Passage], damage: Sequence[str] = ()) -> SpeechTranscript:
        """The transcript of a recording from all its passages; `damage` is looked at when these have ended."""
        words, end, silent = list[SpokenWord](), 0.0, True
        for passage in passages:
            words += passage.words
            end, silent = passage.end, silent and passage.silent
        text, spoken = " ".join(word.text for word in words), ""
        if self.restorer is not None and words:
            pieces = self.restorer.restore([word.text for word in words])
            words, spoken = list(rewritten(words, pieces)), text
            text = " ".join(word.text for word in words)
        calibrated = self.recognizer.calibrated
        return SpeechTranscript(text, tuple(words), round(end, 3), calibrated, (), tuple(damage), silent, spoken)

    def transcript(self, waveform: Waveform) -> SpeechTranscript:
        """A waveform (n,) at the frontend's rate, as `recog.audio.read` gives it -> transcript."""
        return self.join(self._passages([waveform], WINDOWS))

    def _passages(self, blocks: Iterable[Waveform], together: int) -> Iterator[Passage]:
        heard = hear(self.recognizer, blocks, self.listening.cutting, self.listening.voice, together)
        trimmed = 0.0
        while group := list(itertools.islice(heard, together)):
            recognitions = iter(self.recognizer.read([one.looks for one in group if one.heard]))
            for stretch in group:
                words = self._place(stretch, next(recognitions)) if stretch.heard else ()
                end = (stretch.start + stretch.waveform.size) / self.frontend.rate_hz
                yield Passage(tuple(words), end, not stretch.heard and audio.is_silent(stretch.waveform))
            if end - trimmed > TRIM_SECONDS:
                memory.give_back()
                trimmed = end

    def _place(self, stretch: Stretch, recognition: Recognition) -> list[SpokenWord]:
        """The words of one stretch, in seconds of the whole recording."""
        rate_hz, hop = self.frontend.rate_hz, self.frontend.hop_seconds
        activity = loudness(stretch.waveform, self.frontend)
        begin, end = stretch.start / rate_hz, (stretch.start + stretch.waveform.size) / rate_hz
        placed = []
        for word in words_of(recognition, activity, self.recognizer.shortening, self.recognizer.timing):
            first, last = (round(min(begin + step * hop, end), 3) for step in (word.start, word.end))
            placed.append(SpokenWord(word.text, first, last, word.confidence))
        return placed


def _reporting(
    passages: Iterable[Passage], progress: Progress | None, total: float | None, before: float = 0.0
) -> Iterator[Passage]:
    """The same passages; how far they are is told on the way."""
    for passage in passages:
        yield passage
        if progress:
            progress(before + passage.end, total)
