"""What a user drops -> pairs of reference and hypothesis: two columns of text, a table, a report, or files that are
read now. No file that a manifest names is opened, only those that were dropped.
"""

import csv
import io
import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recog import manifest
from recog.errors import InputError, RecogError
from recog.evaluation import Pair
from recog.manifest import Row

PICTURES = {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff"}
TABLES = {".csv", ".tsv", ".json"}
# Ends of a text file beside a sample; the longer one first.
_BESIDE = (".gt.txt", ".txt")
# The columns of a table, by the names in its first row.
_REFERENCE, _HYPOTHESIS, _NAME = "reference", "hypothesis", ("id", "name")


@dataclass(frozen=True)
class Paired:
    """Pairs, and what of the files dropped had to be left out, in words."""

    pairs: tuple[Pair, ...]
    left_out: tuple[str, ...] = ()


def columns(references: str, hypotheses: str) -> Paired:
    """Two texts with one sample a line. Refuses texts of different numbers of lines, and empty ones."""
    said, read = _lines(references), hypotheses.replace("\r\n", "\n").split("\n")
    if len(read) > len(said) and read[-1] == "":
        del read[-1]  # it was the end of the last line, not an empty hypothesis
    if not any(said):
        raise InputError("there is no reference text; write what is right, one sample a line")
    if len(said) != len(read):
        raise InputError(
            f"{len(said)} lines of references and {len(read)} of hypotheses came; expected one line of each for a sample"
        )
    return Paired(tuple(_pair(f"line {number}", *both) for number, both in enumerate(zip(said, read, strict=True), 1)))


def files(
    paths: Sequence[Path],
    recognise: Callable[[Path, str], str],
    progress: Callable[[int, int], object] | None = None,
) -> Paired:
    """A table or report alone, or samples with their texts: beside them (a.wav and a.txt, b.png and b.gt.txt) or in a
    manifest that names them.

    `recognise` reads a file that is "audio" or "image"; what it refuses becomes a pair with that failure. `progress` is
    told how many of how many are done. Refuses texts and samples none of which belong together.
    """
    tables = [path for path in paths if path.suffix.lower() in TABLES]
    if tables:
        if len(paths) > 1:
            raise InputError(f"{tables[0].name} is a table or report and comes alone; {len(paths)} files came")
        return report(tables[0]) if tables[0].suffix.lower() == ".json" else table(tables[0])
    rows, left_out = _rows(paths)
    if not rows:
        raise InputError(
            f"none of the {len(paths)} files has its text: add a text file beside each (a.wav and a.txt), or the manifest"
        )
    pairs = []
    for number, row in enumerate(rows):
        if progress:
            progress(number, len(rows))
        try:
            pairs.append(Pair(row, recognise(row.path, row.media)))
        except InputError as error:
            pairs.append(Pair(row, "", str(error).replace(str(row.path), row.id)))
    return Paired(tuple(pairs), tuple(left_out))


def table(path: Path) -> Paired:
    """A table (commas, semicolons or tabs): columns `reference` and `hypothesis`, perhaps `id` and `speaker`, by the
    names in its first row; without names, the first two columns.
    """
    content = _text(path)
    first = content.split("\n", 1)[0]
    delimiter = max("\t;,", key=first.count)
    try:
        rows = [row for row in csv.reader(io.StringIO(content), delimiter=delimiter) if any(row)]
    except csv.Error as error:
        raise InputError(f"{path.name} is no table that can be read: {error}") from error
    names = [name.strip().lower() for name in rows[0]] if rows else []
    if _REFERENCE in names and _HYPOTHESIS in names:
        said, read, rows = names.index(_REFERENCE), names.index(_HYPOTHESIS), rows[1:]
    else:
        said, read, names = 0, 1, []
    pairs = []
    for number, row in enumerate(rows, 1):
        if len(row) <= max(said, read):
            raise InputError(
                f"row {number} of {path.name} has {len(row)} columns; expected a reference and a hypothesis"
            )
        told = dict(zip(names, row, strict=False))
        name = next((told[key] for key in _NAME if told.get(key)), f"row {number}")
        pairs.append(_pair(name, row[said], row[read], {"speaker": told["speaker"]} if told.get("speaker") else {}))
    return Paired(tuple(pairs))


def report(path: Path) -> Paired:
    """What `recog evaluate --json` wrote: `pairs` with id, reference and hypothesis."""
    try:
        told = json.loads(_text(path))["pairs"]
        pairs = [
            (str(one["id"]), str(one["reference"]), str(one["hypothesis"]), str(one.get("failure", ""))) for one in told
        ]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise InputError(
            f"{path.name} is no report of `recog evaluate --json`: expected 'pairs' with id, reference and hypothesis"
        ) from error
    return Paired(tuple(_pair(name, said, read, {}, failure) for name, said, read, failure in pairs))


def _rows(paths: Sequence[Path]) -> tuple[list[Row], list[str]]:
    """The samples dropped, with their texts, and what has no partner."""
    twice = [name for name, count in Counter(path.name for path in paths).items() if count > 1]
    if twice:
        raise InputError(f"two files are called {twice[0]}; give each its own name")
    manifests = [path for path in paths if path.suffix.lower() == ".jsonl"]
    texts = {path.name: path for path in paths if path.suffix.lower() == ".txt"}
    samples = {path.name: path for path in paths if path not in manifests and path.name not in texts}
    rows, left_out = [], []
    for listed in manifests:
        missing = 0
        for row in _listed(listed):
            sample = samples.pop(Path(row.id.replace("\\", "/")).name, None)
            if sample is None:
                missing += 1
            else:
                rows.append(Row(sample.name, sample, _media(sample), row.text, row.duration, row.fields, row.line))
        if missing:
            left_out.append(f"{missing} row{'s' * (missing != 1)} of {listed.name}, without a file that came")
    for name, sample in samples.items():
        beside = next((texts.pop(sample.stem + end) for end in _BESIDE if sample.stem + end in texts), None)
        if beside is None:
            left_out.append(f"{name}, which has no text")
        else:
            rows.append(Row(name, sample, _media(sample), " ".join(_text(beside).split())))
    return rows, [*left_out, *(f"{name}, which belongs to no file" for name in texts)]


def _listed(path: Path) -> list[Row]:
    try:
        return manifest.read(path)
    except RecogError as error:
        raise InputError(str(error).replace(str(path), path.name)) from error


def _media(path: Path) -> str:
    return "image" if path.suffix.lower() in PICTURES else "audio"


def _pair(name: str, reference: str, hypothesis: str, fields: dict[str, Any] | None = None, failure: str = "") -> Pair:
    # There is no file to open.
    return Pair(Row(name, Path(), "text", reference, None, fields or {}), hypothesis, failure)


def _lines(content: str) -> list[str]:
    # Whether the last line is ended or not.
    lines = content.replace("\r\n", "\n").split("\n")
    return lines[:-1] if lines[-1] == "" else lines


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path.name} cannot be read as UTF-8 text; save it as UTF-8") from error
