"""A recording -> its transcript, however long it is."""

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pipelines.hearing import WINDOWS, Stretch, hear
from pipelines.transcript import SpeechTranscript, SpokenWord, turns_of, words_of
from recog import audio, checkpoint
from recog.activity import loudness
from recog.audio import SpeechFrontend, Waveform
from recog.checkpoint import Bundle
from recog.errors import ConfigError
from recog.recognizer import DecodingOptions, Recognition, Recognizer
from recog.segments import Cutting
from recog.voice import DETECTORS

# Told of seconds done, and of how many there are, where the file says so.
Progress = Callable[[float, float | None], None]


@dataclass(frozen=True)
class Listening:
    """How a recording is listened to."""

    # Each channel alone, for one microphone a speaker; else all channels together.
    by_channel: bool = False
    # What tells speech from silence in recordings that are cut: one of recog.voice.DETECTORS.
    voice: str = "auto"
    cutting: Cutting = field(default_factory=Cutting)

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

    @classmethod
    def load(
        cls,
        name_or_path: str | Path = "speech-en",
        options: DecodingOptions | None = None,
        listening: Listening | None = None,
    ) -> "SpeechPipeline":
        """The pipeline of a bundle, by the name of one that comes with recog or by its folder."""
        return cls(checkpoint.load(name_or_path), options, listening)

    def __call__(self, source: str | Path | bytes, progress: Progress | None = None) -> SpeechTranscript:
        """A file or its bytes, in any format FFmpeg reads -> transcript. Silence gives an empty one.

        Recordings of more than 24 s are cut at pauses while they are read, and never in memory as a whole.
        """
        told = audio.describe(source)
        if not self.listening.by_channel:
            words, seconds = self._read(source, None, progress, told.seconds)
            return self._transcript(words, seconds)
        total = None if told.seconds is None else told.seconds * told.channels
        found: list[list[SpokenWord]] = []
        seconds = before = 0.0
        for channel in range(told.channels):
            words, length = self._read(source, channel, progress, total, before)
            found.append(words)
            before, seconds = before + length, max(seconds, length)
        turns = turns_of(found)
        return SpeechTranscript(
            "\n".join(turn.text for turn in turns),
            tuple(word for turn in turns for word in turn.words),
            round(seconds, 3),
            self.recognizer.calibrated,
            turns,
        )

    def _read(
        self,
        source: str | Path | bytes,
        channel: int | None,
        progress: Progress | None,
        total: float | None,
        before: float = 0.0,
    ) -> tuple[list[SpokenWord], float]:
        """The words of one channel, or of all together, and the seconds of the recording."""
        rate_hz, samples, words = self.frontend.rate_hz, 0, list[SpokenWord]()
        blocks = audio.stream(source, rate_hz, channel=channel)
        for stretch, found in self._recognised(blocks, WINDOWS):
            words += found
            samples = stretch.start + stretch.waveform.size
            if progress:
                progress(before + samples / rate_hz, total)
        return words, samples / rate_hz

    def transcript(self, waveform: Waveform) -> SpeechTranscript:
        """A waveform (n,) at the frontend's rate, as `recog.audio.read` gives it -> transcript."""
        return self.join(waveform, [word for words in self.words(waveform) for word in words])

    def join(self, waveform: Waveform, words: Sequence[SpokenWord]) -> SpeechTranscript:
        """The transcript of a waveform whose words are known from `words`."""
        return self._transcript(words, len(waveform) / self.frontend.rate_hz)

    def _transcript(self, words: Sequence[SpokenWord], seconds: float) -> SpeechTranscript:
        text = " ".join(word.text for word in words)
        return SpeechTranscript(text, tuple(words), round(seconds, 3), self.recognizer.calibrated)

    def words(self, waveform: Waveform, together: int | None = None) -> Iterator[list[SpokenWord]]:
        """The words of a waveform (n,), piece after piece as it was cut at pauses.

        `together` pieces are recognised at a time (None: as many as go through the network well), so that the first
        words come early; the words are the same ones whatever it is.
        """
        for stretch, found in self._recognised([waveform], together or WINDOWS):
            if stretch.heard:
                yield found

    def _recognised(self, blocks: Iterable[Waveform], together: int) -> Iterator[tuple[Stretch, list[SpokenWord]]]:
        heard = hear(self.recognizer, blocks, self.listening.cutting, self.listening.voice, together)
        while group := list(itertools.islice(heard, together)):
            recognitions = iter(self.recognizer.read([one.log_probs for one in group if one.heard]))
            for stretch in group:
                yield stretch, self._place(stretch, next(recognitions)) if stretch.heard else []

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
