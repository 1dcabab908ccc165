"""A picture of a line or a page -> its transcript."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image
from torch import Tensor

from pipelines.transcript import PageTranscript, WrittenLine, WrittenWord, words_of
from pipelines.written import sure, width, written
from recog import checkpoint, image
from recog.activity import ink
from recog.checkpoint import Bundle
from recog.errors import ConfigError
from recog.image import HandwritingFrontend
from recog.recognizer import DecodingOptions, Recognition, Recognizer

if TYPE_CHECKING:
    from recog.layout.cut import LinePicture

# A page less likely read than this is tried upside down, so many of its longest lines first, which must be so many times
# as likely.
DOUBTFUL, FEW, CLEARLY = 0.35, 5, 2.0
# Where somebody is told how far a page is, so many of its lines are read together: few, so that it moves, but enough for
# the network; finding them takes about this share of the time.
TOGETHER, FINDING = 10, 0.25

# Told of the share of a page that is done, 0 to 1.
Progress = Callable[[float], None]


class HandwritingPipeline:
    """Finds the lines of a page, recognises them together. Load once, call often."""

    def __init__(self, bundle: Bundle, options: DecodingOptions | None = None) -> None:
        if not isinstance(bundle.frontend, HandwritingFrontend):
            raise ConfigError(
                f"bundle {bundle.name} reads {bundle.kind}; a handwriting pipeline needs a handwriting bundle"
            )
        self.frontend = bundle.frontend
        self.recognizer = Recognizer(bundle, options)

    @classmethod
    def load(
        cls, name_or_path: str | Path = "handwriting-latin", options: DecodingOptions | None = None
    ) -> "HandwritingPipeline":
        """The pipeline of a bundle, by the name of one that comes with recog or by its folder."""
        return cls(checkpoint.load(name_or_path), options)

    def __call__(self, source: str | Path | bytes | Image.Image, progress: Progress | None = None) -> PageTranscript:
        """A file, its bytes (png, jpg, webp, tiff, bmp) or an open picture -> transcript. A page without writing gives an empty one."""
        from recog.layout.lines import find_lines  # brings parts of SciPy that take a while: sound does without

        page = image.read(source)
        cuts = find_lines(page)
        lines = self._read(cuts) if progress is None else self._read_in_parts(cuts, progress)
        alone = len(cuts) == 1 and cuts[0].picture is page
        if lines and not alone and sure(lines) < DOUBTFUL:
            turned = find_lines(page, upside_down=True)
            few = sorted(turned, key=lambda cut: cut.picture.width, reverse=True)[:FEW]
            if sure(self._read(few)) > CLEARLY * sure(sorted(lines, key=width, reverse=True)[:FEW]):
                lines = self._read(turned)
        lines = lines if alone else written(lines)
        text = "\n".join(line.text for line in lines)
        return PageTranscript(text, tuple(lines), page.width, page.height, self.recognizer.calibrated)

    def _read_in_parts(self, cuts: Sequence["LinePicture"], progress: Progress) -> list[WrittenLine]:
        """The same, ten lines at a time."""
        lines: list[WrittenLine] = []
        for first in range(0, len(cuts), TOGETHER):
            progress(FINDING + (1 - FINDING) * first / len(cuts))
            lines += self._read(cuts[first : first + TOGETHER])
        return lines

    def _read(self, cuts: Sequence["LinePicture"]) -> list[WrittenLine]:
        """What the lines say, without those that say nothing."""
        fitted = [image.fit_height(cut.picture, self.frontend) for cut in cuts]
        features = [image.features(line, self.frontend) for line in fitted]
        recognitions = self.recognizer.recognise(features, ["page"] * len(features))
        lines = [self._line(*found) for found in zip(cuts, features, recognitions, strict=True)]
        return [line for line in lines if line.text]

    def _line(self, cut: "LinePicture", features: Tensor, recognition: Recognition) -> WrittenLine:
        """Columns of the scaled line -> pixels of the cut -> the box on the page."""
        width, height = cut.picture.size
        column_px = height / self.frontend.height_px
        words = tuple(
            WrittenWord(
                word.text,
                cut.box(min(word.start * column_px, width), 0, min(word.end * column_px, width), height),
                word.confidence,
            )
            for word in words_of(recognition, ink(features), self.recognizer.shortening, self.recognizer.timing)
        )
        text = " ".join(word.text for word in words)
        return WrittenLine(text, cut.box(0, 0, width, height), words, cut.baseline, cut.polygon)
