"""What the pipelines give: text, and where each word stands, in seconds of the recording or pixels of the picture."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from typing import Any

from recog.recognizer import Recognition


@dataclass(frozen=True)
class SpokenWord:
    """A word and when it was said, in seconds from the start of the recording."""

    text: str
    start: float
    end: float
    # 0 to 1: the least sure of its characters.
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

    def as_json(self) -> dict[str, Any]:
        """Plain values: `text`, `words` (text, start, end, confidence), `duration`."""
        return asdict(self)


@dataclass(frozen=True)
class PageTranscript:
    """What a page or a line says, one line of text for each line of writing."""

    text: str
    lines: tuple[WrittenLine, ...]
    # Size of the picture in pixels, upright.
    width: int
    height: int

    @property
    def words(self) -> tuple[WrittenWord, ...]:
        """The words of all lines in reading order."""
        return tuple(word for line in self.lines for word in line.words)

    def as_json(self) -> dict[str, Any]:
        """Plain values: `text`, `words` (text, box, confidence), `lines`, `width`, `height`."""
        return {**asdict(self), "words": [asdict(word) for word in self.words]}


Transcript = SpeechTranscript | PageTranscript


@dataclass(frozen=True)
class WordSpan:
    """A word of a recognition and the output frames it covers, the last not included."""

    text: str
    start: int
    end: int
    confidence: float


def words_of(recognition: Recognition) -> Iterator[WordSpan]:
    """The words of a recognition: the decoder's, with its confidences, or those between spaces, as sure as their least
    sure character.
    """
    spans = recognition.hypothesis.spans
    for word in recognition.hypothesis.words:
        yield WordSpan(word.text, spans[word.first].start, spans[word.last - 1].end, round(word.confidence, 4))
    if recognition.hypothesis.words:
        return
    placed: Sequence[Any] = list(zip(recognition.text, spans, strict=True))
    for blank, group in groupby(placed, key=lambda item: item[0].isspace()):
        if not blank:
            members = list(group)
            text = "".join(character for character, _ in members)
            first, last = members[0][1], members[-1][1]
            yield WordSpan(text, first.start, last.end, round(min(span.confidence for _, span in members), 4))
