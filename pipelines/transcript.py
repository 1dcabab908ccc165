"""What the pipelines give: text, and where each word stands, in seconds of the recording or pixels of the picture."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recog.ctc.timing import Timing, place_words
from recog.recognizer import Recognition
from recog.restorer import Piece

# Between the pages of a text, as pdftotext and printers have it.
PAGE_BREAK = "\f"
# A channel that is silent for so long may have ended its turn.
TURN_PAUSE_SECONDS = 1.0


@dataclass(frozen=True)
class SpokenWord:
    """A word and when it was said, in seconds from the start of the recording."""

    text: str
    start: float
    end: float
    # 0 to 1: how likely it is right, where the transcript is calibrated.
    confidence: float
    # The words that were said, where it is a figure; else empty.
    spoken: str = ""


@dataclass(frozen=True)
class Turn:
    """What one channel says before another does."""

    # Counted from 1.
    channel: int
    words: tuple[SpokenWord, ...]

    @property
    def text(self) -> str:
        """The words in one line."""
        return " ".join(word.text for word in self.words)


def turns_of(channels: Sequence[Sequence[SpokenWord]]) -> tuple[Turn, ...]:
    """The words of each channel, in order -> turns in the order they begin.

    A pause of a second in a channel is where another may have its turn; without one in between, the turn goes on.
    """
    phrases: list[Turn] = []
    for channel, words in enumerate(channels, 1):
        phrase: list[SpokenWord] = []
        for word in words:
            if phrase and word.start - phrase[-1].end >= TURN_PAUSE_SECONDS:
                phrases.append(Turn(channel, tuple(phrase)))
                phrase = []
            phrase.append(word)
        if phrase:
            phrases.append(Turn(channel, tuple(phrase)))
    phrases.sort(key=lambda turn: (turn.words[0].start, turn.channel))
    return tuple(
        Turn(channel, tuple(word for turn in group for word in turn.words))
        for channel, group in itertools.groupby(phrases, lambda turn: turn.channel)
    )


def rewritten(words: Sequence[SpokenWord], pieces: Sequence[Piece]) -> tuple[SpokenWord, ...]:
    """Words as people write them; a figure lasts as long as its words, and is as sure as the least sure of them."""
    found = []
    for piece in pieces:
        own = words[piece.first : piece.last]
        sure = min(word.confidence for word in own)
        said = " ".join(word.text for word in own) if any(letter.isdecimal() for letter in piece.text) else ""
        found.append(SpokenWord(piece.text, own[0].start, own[-1].end, sure, said))
    return tuple(found)


@dataclass(frozen=True)
class WrittenWord:
    """A word and where it stands: left, top, right, bottom in pixels of the picture as it was given."""

    text: str
    box: tuple[int, int, int, int]
    confidence: float


@dataclass(frozen=True)
class WrittenLine:
    """A line of writing in reading order and where it stands on the picture."""

    text: str
    box: tuple[int, int, int, int]
    words: tuple[WrittenWord, ...]
    # The line that the letters stand on, in reading direction, and the outline of the writing, in pixels (x, y).
    baseline: tuple[tuple[int, int], ...] = ()
    polygon: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True)
class SpeechTranscript:
    """What a recording says."""

    text: str
    words: tuple[SpokenWord, ...]
    # Length of the recording in seconds.
    duration: float
    # Of 100 words with confidence 0.8, about 80 are right. False: confidences are what network and beam say, raw.
    calibrated: bool = False
    # Who speaks when, where each channel was listened to alone; else none.
    turns: tuple["Turn", ...] = ()
    # What of the recording could not be read, in words; empty where it is whole.
    damage: tuple[str, ...] = ()
    # Whether no sample rises above digital silence.
    silent: bool = False
    # The words as they were recognised, where text and words are written as people write; else empty.
    spoken: str = ""

    def as_json(self) -> dict[str, Any]:
        """Plain values: `text`, `words` (text, start, end, confidence; of a figure also what was `spoken`), `duration`,
        `calibrated`; `turns`, `damage` and `spoken` if there are.
        """
        plain = asdict(self)
        del plain["silent"]
        for word in (*plain["words"], *(word for turn in plain["turns"] for word in turn["words"])):
            if not word["spoken"]:
                del word["spoken"]
        for name in ("turns", "damage", "spoken"):
            if not plain[name]:
                del plain[name]
        return plain

    def warning(self, name: str) -> str:
        """What a user must know of the recording, called `name`, in one sentence; "" where all is well."""
        if self.damage:
            more = f"; and {len(self.damage) - 2} more" if len(self.damage) > 2 else ""
            return (
                f"{name} is damaged or cut off ({'; '.join(self.damage[:2])}{more}); "
                f"the text is that of the {self.duration:.2f} s that could be read"
            )
        if self.silent:
            return f"{name} is silent: nothing in its {self.duration:.2f} s rises above -80 dB of full scale"
        return "" if self.text else f"no speech was found in {name}"


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

    def warning(self, name: str) -> str:
        """What a user must know of the picture, called `name`, in one sentence; "" where all is well."""
        return "" if self.text else f"no writing was found in {name} ({self.width} x {self.height} pixels)"


@dataclass(frozen=True)
class DocumentPage:
    """One page of a document: what it says, or why nobody knows."""

    # From 1.
    number: int
    transcript: PageTranscript | None
    # One sentence; "" where all went well.
    failure: str = ""


@dataclass(frozen=True)
class DocumentTranscript:
    """What a document of several pages says."""

    pages: tuple[DocumentPage, ...]

    @property
    def text(self) -> str:
        """The text of the pages, each on a sheet of its own (a form feed between)."""
        return f"\n{PAGE_BREAK}".join(page.transcript.text if page.transcript else "" for page in self.pages)

    @property
    def words(self) -> tuple[WrittenWord, ...]:
        """The words of all pages; their boxes are each on its own page."""
        return tuple(word for page in self.pages if page.transcript for word in page.transcript.words)

    def as_json(self) -> dict[str, Any]:
        """Plain values: `text`, `pages` (each with its `number`, and what PageTranscript gives, or its `failure`)."""
        pages = [
            {"number": page.number, **(page.transcript.as_json() if page.transcript else {"failure": page.failure})}
            for page in self.pages
        ]
        return {"text": self.text, "pages": pages}

    def warning(self, name: str) -> str:
        """What a user must know of the document, called `name`, in one sentence; "" where all is well."""
        failed = [page for page in self.pages if page.failure]
        if failed:
            told = "; ".join(page.failure for page in failed[:3])
            more = f"; and {len(failed) - 3} more" if len(failed) > 3 else ""
            numbers = ", ".join(str(page.number) for page in failed)
            return f"{name}: {len(failed)} of {len(self.pages)} pages failed ({numbers}): {told}{more}"
        return "" if self.text.strip() else f"no writing was found in {name} ({len(self.pages)} pages)"


Written = PageTranscript | DocumentTranscript
Transcript = SpeechTranscript | Written


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
