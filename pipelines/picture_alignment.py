"""A picture of a line or page and its text -> boxes of the words and characters of the text."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from pipelines.placing import Ruler, Stretch, place
from recog import checkpoint, image, letter_size
from recog.activity import ink
from recog.checkpoint import Bundle
from recog.ctc.align import required_frames
from recog.ctc.gapped import Gaps, align_with_gaps
from recog.ctc.timing import place_words
from recog.errors import ConfigError, InputError
from recog.image import HandwritingFrontend
from recog.layout.cut import LinePicture
from recog.layout.lines import find_lines
from recog.recognizer import DecodingOptions, Recognizer
from recog.wording import wording

Box = tuple[int, int, int, int]


@dataclass(frozen=True)
class BoxedCharacter:
    """A character as written: left, top, right, bottom in pixels of the picture as it was given."""

    text: str
    box: Box
    # 0 to 1.
    confidence: float | None


@dataclass(frozen=True)
class BoxedWord:
    """A word as written and its box."""

    text: str
    box: Box
    # 0 to 1; None for a word that the bundle cannot spell: its box lies between its neighbours'.
    confidence: float | None
    # Those of its characters that the bundle can spell.
    characters: tuple[BoxedCharacter, ...]


@dataclass(frozen=True)
class BoxedLine:
    """A line of text as written and its box."""

    text: str
    box: Box
    words: tuple[BoxedWord, ...]


@dataclass(frozen=True)
class PageAlignment:
    """Where each word of a text stands on a picture of so many pixels."""

    lines: tuple[BoxedLine, ...]
    width: int
    height: int

    def as_json(self) -> dict[str, Any]:
        """Plain values: `lines` (text, box, words (text, box, confidence, characters)), `width`, `height`."""
        return asdict(self)


class PictureAligner:
    """Aligns texts with pictures of writing. Load once, call often."""

    def __init__(self, bundle: Bundle, options: DecodingOptions | None = None) -> None:
        if not isinstance(bundle.frontend, HandwritingFrontend):
            raise ConfigError(
                f"bundle {bundle.name} reads {bundle.kind}; alignment of pictures needs a handwriting bundle"
            )
        self.frontend = bundle.frontend
        self.recognizer = Recognizer(bundle, options or DecodingOptions(beam=0))

    @classmethod
    def load(
        cls, name_or_path: str | Path = "handwriting-latin", options: DecodingOptions | None = None
    ) -> "PictureAligner":
        """The aligner of a bundle, by the name of one that comes with recog or by its folder."""
        return cls(checkpoint.load(name_or_path), options)

    def __call__(self, source: str | Path | bytes, text: str) -> PageAlignment:
        """A picture (file or bytes) and its text, one line of text for each line of writing -> boxes.

        Refuses an empty text, a page on which another number of lines is found, and a line that is too short for its
        text or has none that the bundle can spell.
        """
        texts = [" ".join(line.split()) for line in text.splitlines() if line.strip()]
        if not texts:
            raise InputError("the text is empty; expected one line of text for each line of writing")
        page = image.read(source)
        cuts = find_lines(page)
        if len(texts) == 1 and len(cuts) != 1 and page.width >= 2 * page.height:
            # A line of writing that came as a picture of its own, whatever strokes of its neighbours are on it.
            cuts = [LinePicture.whole(page)]
        if len(cuts) != len(texts):
            raise InputError(
                f"the page shows {len(cuts)} lines of writing, but its text has {len(texts)}; "
                "give one line of text for each line found, in reading order"
            )
        fitted = [self._features(cut, text) for cut, text in zip(cuts, texts, strict=True)]
        heard = dict(self.recognizer.log_probs(fitted))
        lines = [
            self._line(number, cuts[number - 1], fitted[number - 1], heard[number - 1], text)
            for number, text in enumerate(texts, 1)
        ]
        return PageAlignment(tuple(lines), page.width, page.height)

    def _features(self, cut: LinePicture, text: str) -> Tensor:
        """Of a line, its letters as large as the network is used to."""
        features = image.features(image.fit_height(cut.picture, self.frontend), self.frontend)
        return letter_size.sized(features, len(text), self.frontend.letter_columns)

    def _line(
        self, number: int, cut: LinePicture, features: Tensor, log_probs: np.ndarray[Any, Any], text: str
    ) -> BoxedLine:
        bundle = self.recognizer.bundle
        words = wording(text, bundle.text_rule, bundle.alphabet)
        if not words.labels:
            raise InputError(
                f"line {number} of the text, {text[:40]!r}, holds nothing that bundle {bundle.name} can spell"
            )
        sounds = tuple(sorted({word.first for word in words.unspelled}))
        found = align_with_gaps(log_probs, words.labels, Gaps(sounds))
        if found is None:
            raise InputError(
                f"line {number} of the text is too long for its picture: {len(words.labels)} characters need "
                f"{required_frames(words.labels)} frames, the line has {len(log_probs)}"
            )
        activity, steps = ink(features), self.recognizer.shortening

        def extents(frames: Sequence[tuple[int, int]]) -> list[tuple[float, float]]:
            placed = place_words(frames, activity, steps, self.recognizer.timing)
            return [(extent.start, extent.end) for extent in placed]

        # An average letter is half as wide as its line is high.
        ruler = Ruler(extents, lambda frame: frame * steps, 0.5 * self.frontend.height_px)
        placement = place(words, found, [(0, len(words.words))], ruler)
        width, height = cut.picture.size
        pixels = width / len(features)
        boxed = tuple(self._boxed(cut, word, pixels) for word in placement.words if word is not None)
        return BoxedLine(text, cut.box(0, 0, width, height), boxed)

    def _boxed(self, cut: LinePicture, word: Stretch, pixels: float) -> BoxedWord:
        characters = tuple(
            BoxedCharacter(one.text, self._box(cut, one, pixels), one.confidence) for one in word.characters
        )
        return BoxedWord(word.text, self._box(cut, word, pixels), word.confidence, characters)

    def _box(self, cut: LinePicture, stretch: Stretch, pixels: float) -> Box:
        """Columns of the scaled line, each so many pixels of the cut -> the box on the page."""
        width, height = cut.picture.size
        return cut.box(min(stretch.start * pixels, width), 0, min(stretch.end * pixels, width), height)
