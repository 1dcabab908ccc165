"""Many files -> a transcript of each, by the kind of bundle; one bad file never costs the others."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipelines.handwriting import HandwritingPipeline
from pipelines.speech import SpeechPipeline
from pipelines.transcript import Transcript
from recog import checkpoint
from recog.errors import RecogError
from recog.recognizer import DecodingOptions

IMAGE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp", ".gif"})

Pipeline = SpeechPipeline | HandwritingPipeline


@dataclass(frozen=True)
class Outcome:
    """A file with its transcript, or with the reason why there is none."""

    path: Path
    transcript: Transcript | None
    failure: str = ""


def load(name_or_path: str | Path, options: DecodingOptions | None = None) -> Pipeline:
    """The pipeline that fits a bundle."""
    bundle = checkpoint.load(name_or_path)
    kind = SpeechPipeline if bundle.kind == "speech" else HandwritingPipeline
    return kind(bundle, options)


def default_bundle(path: Path) -> str:
    """The bundle for a file when none is named: by its suffix, pictures to handwriting, all else to speech."""
    return "handwriting-latin" if path.suffix.lower() in IMAGE_SUFFIXES else "speech-en"


def transcribe(
    paths: Sequence[Path], bundle: str | Path | None = None, options: DecodingOptions | None = None
) -> Iterator[Outcome]:
    """Transcribes file after file; each bundle that is needed is loaded once, and a missing one ends the run at once."""
    names = [str(bundle) if bundle else default_bundle(path) for path in paths]
    pipelines = {name: load(name, options) for name in dict.fromkeys(names)}
    for path, name in zip(paths, names, strict=True):
        try:
            yield Outcome(path, pipelines[name](path))
        except RecogError as error:
            yield Outcome(path, None, str(error))
