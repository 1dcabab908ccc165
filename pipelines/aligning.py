"""Many files with their texts -> alignments as text in a format, or sentence rows; one bad file never costs the others."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pipelines.alignment import SpeechAligner, SpeechAlignment
from pipelines.picture_alignment import PictureAligner
from pipelines.sentences import CutOptions, cut_sentences
from pipelines.transcription import default_bundle
from recog import checkpoint, manifest
from recog.errors import ConfigError, InputError, RecogError
from recog.formats import ctm, srt, textgrid
from recog.formats.cues import cues
from recog.formats.textgrid import TextGrid, Tier
from recog.recognizer import DecodingOptions

Aligner = SpeechAligner | PictureAligner
# Of so many sentences that were left out the beginning is told.
TOLD = 5


@dataclass(frozen=True)
class Outcome:
    """A file with what is to be written about it, or with the reason why there is nothing."""

    path: Path
    content: str = ""
    failure: str = ""
    # What a user should know though nothing failed.
    notes: tuple[str, ...] = ()


def load(name_or_path: str | Path, options: DecodingOptions | None = None) -> Aligner:
    """The aligner that fits a bundle."""
    bundle = checkpoint.load(name_or_path)
    return SpeechAligner(bundle, options) if bundle.kind == "speech" else PictureAligner(bundle, options)


def align_files(
    paths: Sequence[Path],
    text: Path | None = None,
    form: str = "json",
    bundle: str | Path | None = None,
    options: DecodingOptions | None = None,
    every_word: bool = False,
) -> Iterator[Outcome]:
    """Aligns file after file with `text`, or with the text beside each; `form` is json, ctm, srt or textgrid.

    Refuses one text for several files, and a missing bundle, before anything is done.
    """
    for path, aligner in _jobs(paths, text, bundle, options):
        try:
            words = text_of(path, text)
            if isinstance(aligner, PictureAligner):
                if form != "json":
                    raise InputError(f"a picture has boxes, which format {form} cannot hold; use json")
                boxes = aligner(path, words)
                yield Outcome(path, json.dumps({"file": str(path), **boxes.as_json()}, ensure_ascii=False) + "\n")
            else:
                alignment = aligner(path, words, every_word)
                yield Outcome(path, formatted(alignment, path, form), notes=_notes(alignment, path))
        except RecogError as error:
            yield Outcome(path, failure=_told(path, error))


def cut_files(
    paths: Sequence[Path],
    text: Path | None,
    folder: Path,
    bundle: str | Path | None = None,
    options: DecodingOptions | None = None,
    choice: CutOptions | None = None,
) -> Iterator[Outcome]:
    """Cuts recording after recording into sentences below `folder`; the manifests tell of those done so far.

    Refuses pictures, and recordings of the same name, whose clips would lie in one place.
    """
    if len({path.stem for path in paths}) < len(paths):
        raise ConfigError(
            "two recordings have the same name without its ending; their clips would overwrite each other"
        )
    kept: list[dict[str, Any]] = []
    left_out: list[dict[str, Any]] = []
    for path, aligner in _jobs(paths, text, bundle, options):
        try:
            if not isinstance(aligner, SpeechAligner):
                raise InputError(f"{path} is a picture; only recordings are cut into sentences")
            rows, missing = cut_sentences(aligner, path, text_of(path, text), folder, choice)
            folder.mkdir(parents=True, exist_ok=True)
            manifest.write(folder / "manifest.jsonl", kept := [*kept, *rows])
            left_out += [{"recording": path.name, **asdict(one)} for one in missing]
            manifest.write(folder / "left_out.jsonl", left_out)
        except OSError as error:
            yield Outcome(path, failure=f"{error.filename or folder} cannot be written: {error.strerror}")
            continue
        except RecogError as error:
            yield Outcome(path, failure=_told(path, error))
            continue
        minutes = sum(row["duration"] for row in rows) / 60
        notes = [f"{path}: left out: {one.text[:60]!r}: {one.reason}" for one in missing]
        told = (*notes[:TOLD], *([f"... {len(notes) - TOLD} more in left_out.jsonl"] if len(notes) > TOLD else []))
        yield Outcome(path, f"{path}: {len(rows)} rows, {minutes:.1f} min; {len(missing)} left out\n", notes=told)


def _jobs(
    paths: Sequence[Path], text: Path | None, bundle: str | Path | None, options: DecodingOptions | None
) -> Iterator[tuple[Path, Aligner]]:
    if text is not None and len(paths) > 1:
        raise ConfigError(f"--text {text} is the text of one file, but {len(paths)} came; put NAME.txt beside each")
    names = [str(bundle) if bundle else default_bundle(path) for path in paths]
    aligners = {name: load(name, options) for name in dict.fromkeys(names)}
    return ((path, aligners[name]) for path, name in zip(paths, names, strict=True))


def text_of(path: Path, given: Path | None = None) -> str:
    """The text of a file: of `given`, or of NAME.txt or NAME.gt.txt beside it. Refuses one that is not there or not UTF-8."""
    beside = [path.with_suffix(".txt"), path.with_suffix(".gt.txt")]
    found = given or next((one for one in beside if one.is_file()), None)
    if found is None:
        raise InputError(f"{path} has no text: expected {beside[0].name} or {beside[1].name} beside it, or --text")
    try:
        return found.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"the text {found} cannot be read as UTF-8: {error}") from error


def formatted(alignment: SpeechAlignment, path: Path, form: str) -> str:
    """An alignment as the text of a file."""
    placed = alignment.placed
    if form == "ctm":
        return ctm.dumps([ctm.CtmRecording(path.stem, placed)])
    if form == "srt":
        return srt.dumps(cues(placed))
    if form == "textgrid":
        characters = tuple(one for word in placed for one in word.characters)
        tiers = (Tier("words", placed), Tier("characters", characters))
        return textgrid.dumps(TextGrid(alignment.duration, tiers))
    return json.dumps({"file": str(path), **alignment.as_json()}, ensure_ascii=False) + "\n"


def written(outcome: Outcome, folder: Path, form: str) -> Path:
    """Writes an outcome to NAME.form in a folder, whole or not at all; gives the path. Refuses where it cannot write."""
    target = folder / f"{outcome.path.stem}.{'TextGrid' if form == 'textgrid' else form}"
    partial = target.with_name(target.name + ".partial")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        partial.write_text(outcome.content, encoding="utf-8")
        partial.replace(target)
    except OSError as error:
        raise InputError(f"{target} cannot be written: {error.strerror}") from error
    return target


def _notes(alignment: SpeechAlignment, path: Path) -> tuple[str, ...]:
    notes = [f"{path}: not heard: {text[:60]!r}" for text in alignment.left_out]
    return (*notes[:TOLD], *([f"{path}: ... and {len(notes) - TOLD} more"] if len(notes) > TOLD else []))


def _told(path: Path, error: RecogError) -> str:
    return str(error) if str(path) in str(error) else f"{path}: {error}"
