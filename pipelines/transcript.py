"""What the pipelines give: text, and where each word stands, in seconds of the recording or pixels of the picture."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recog.ctc.timing import Timing, place_words
from recog.recognizer import Recognition


@dataclass(frozen=True)
class SpokenWord:
    """A word and when it was said, in seconds from the start of the recording."""

    text: str
    start: float
    end: float
    # 0 to 1: how likely it is right, where the transcript is calibrated.
    confidence: float


@dataclass(frozen=True)
class WrittenWord:
    """A word and where it stands: left, top, right, bottom in pixels of the picture as it was given."""

    text: str
    box: tuple[int, int, int, int]
    confidence: float


@dataclass(frozen=True)
class WrittenLine:
    """A line of writing in reading order and its box on the picture."""

    text: str
    box: tuple[int, int, int, int]
    words: tuple[WrittenWord, ...]


@dataclass(frozen=True)
class SpeechTranscript:
    """What a recording says."""

    text: str
    words: tuple[SpokenWord, ...]
    # Length of the recording in seconds.
    duration: float
    # Of 100 words with confidence 0.8, about 80 are right. False: confidences are what network and beam say, raw.
    calibrated: bool = False

    def as_json(self) -> dict[str, Any]:
        """Plain values: `text`, `words` (text, start, end, confidence), `duration`, `calibrated`."""
        return asdict(self)


@dataclass(frozen=True)
class PageTranscript:
    """What a page or a line says, one line of text for each line of writing."""

    text: str
    lines: tuple[WrittenLine, ...]
    # Size of the picture in pixels, upright.
    width: int
    height: int
    # As in SpeechTranscript.
    calibrated: bool = False

    @property
    def words(self) -> tuple[WrittenWord, ...]:
        """The words of all lines in reading order."""
        return tuple(word for line in self.lines for word in line.words)

    def as_json(self) -> dict[str, Any]:
        """Plain values: `text`, `words` (text, box, confidence), `lines`, `width`, `height`, `calibrated`."""
        return {**asdict(self), "words": [asdict(word) for word in self.words]}


Transcript = SpeechTranscript | PageTranscript


@dataclass(frozen=True)
class PlacedWord:
    """A word of a recognition and where it stands, in steps of the features."""

    text: str
    start: float
    end: float
    confidence: float


def words_of(
    recognition: Recognition, activity: NDArray[np.floating], shortening: int, timing: Timing
) -> Iterator[PlacedWord]:
    """The words of a recognition in order; `activity` (T,) of the features it was read from (recog.activity),
    `shortening` of them to an output frame.
    """
    spans, words = recognition.hypothesis.spans, recognition.hypothesis.words
    frames = [(spans[word.first].start, spans[word.last - 1].end) for word in words]
    for word, extent in zip(words, place_words(frames, activity, shortening, timing), strict=True):
        yield PlacedWord(word.text, extent.start, extent.end, round(word.confidence, 4))
