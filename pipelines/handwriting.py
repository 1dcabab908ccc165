"""A picture of a line or a page -> its transcript."""

from pathlib import Path

from PIL import Image
from torch import Tensor

from pipelines.transcript import PageTranscript, WrittenLine, WrittenWord, words_of
from recog import checkpoint, image
from recog.activity import ink
from recog.checkpoint import Bundle
from recog.errors import ConfigError
from recog.image import HandwritingFrontend
from recog.layout.projection import LinePicture, find_lines
from recog.recognizer import DecodingOptions, Recognition, Recognizer


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

    def __call__(self, source: str | Path | bytes | Image.Image) -> PageTranscript:
        """A file, its bytes (png, jpg, webp, tiff, bmp) or an open picture -> transcript. A page without writing gives an empty one."""
        page = image.read(source)
        cuts = find_lines(page)
        fitted = [image.fit_height(cut.picture, self.frontend) for cut in cuts]
        features = [image.features(line, self.frontend) for line in fitted]
        recognitions = self.recognizer.recognise(features)
        lines = [self._line(*found) for found in zip(cuts, features, recognitions, strict=True)]
        lines = [line for line in lines if line.text]
        text = "\n".join(line.text for line in lines)
        return PageTranscript(text, tuple(lines), page.width, page.height, self.recognizer.calibrated)

    def _line(self, cut: LinePicture, features: Tensor, recognition: Recognition) -> WrittenLine:
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
