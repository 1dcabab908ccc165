"""A picture of a line or a page -> its transcript."""

from pathlib import Path

from pipelines.transcript import PageTranscript, WrittenLine, WrittenWord, words_of
from recog import checkpoint, image
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

    def __call__(self, source: str | Path | bytes) -> PageTranscript:
        """A file or its bytes (png, jpg, webp, tiff, bmp) -> transcript. A page without writing gives an empty one."""
        page = image.read(source)
        cuts = find_lines(page)
        fitted = [image.fit_height(cut.picture, self.frontend) for cut in cuts]
        recognitions = self.recognizer.recognise([image.features(line, self.frontend) for line in fitted])
        lines = [self._line(cut, recognition) for cut, recognition in zip(cuts, recognitions, strict=True)]
        lines = [line for line in lines if line.text]
        return PageTranscript("\n".join(line.text for line in lines), tuple(lines), page.width, page.height)

    def _line(self, cut: LinePicture, recognition: Recognition) -> WrittenLine:
        """Output frames -> columns of the scaled line -> pixels of the cut -> the box on the page."""
        width, height = cut.picture.size
        frame_px = self.recognizer.step_size * height / self.frontend.height_px
        words = tuple(
            WrittenWord(
                word.text,
                cut.box(min(word.start * frame_px, width), 0, min(word.end * frame_px, width), height),
                word.confidence,
            )
            for word in words_of(recognition)
        )
        return WrittenLine(" ".join(word.text for word in words), cut.box(0, 0, width, height), words)
