"""Manifests: JSON lines, one sample a line.

    {"audio": "a/b.opus", "text": "HELLO", "duration": 1.2, "speaker": "s1", "language": "en", "source": "x", "part": "tune"}

`audio` or `image` is a path, absolute or relative to the manifest's folder. Keys that recog does not know are kept.
A path may run into an uncompressed tar file as if that were a folder: "shards/train-03.tar/a/b.opus". The recording is
then read in place; nothing is unpacked.

Where `words` tells where the words stand (`recog align --manifest` finds out), training may cut a row at them: as
transcripts do, in seconds for sound, {"text": "hello", "start": 0.1, "end": 0.4}, and in pixels of the picture for
writing, {"text": "hello", "box": [left, top, right, bottom]}.
"""

import json
import math
import re
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from recog.errors import ManifestError

MEDIA = ("audio", "image")


@dataclass(frozen=True)
class Row:
    """One sample: where it lies, what it says, and whatever else its line tells."""

    # Path as written in the manifest: the sample's name everywhere.
    id: str
    # Path to open.
    path: Path
    # "audio" or "image".
    media: str
    # Raw transcript, before any text rule.
    text: str
    # Seconds, where the manifest tells it.
    duration: float | None = None
    # The whole object of the line.
    fields: dict[str, Any] = field(default_factory=dict, compare=False)
    # Where it stands in its manifest, counted from 1; 0 for a row that comes from elsewhere.
    line: int = field(default=0, compare=False)

    @property
    def document(self) -> tuple[str, str] | None:
        """The source and the page that it is a line of; None where its line of the manifest tells no `page`."""
        page = self.fields.get("page")
        return None if page is None else (str(self.fields.get("source", "")), str(page))


def read(path: str | Path, part: str | None = None) -> list[Row]:
    """All rows of a manifest, or those whose `part` is the given one. A malformed line is refused by its number."""
    rows = []
    for row in scan(path):
        if isinstance(row, Malformed):
            raise ManifestError(row.reason)
        rows.append(row)
    rows = [row for row in rows if part is None or row.fields.get("part") == part]
    if not rows:
        raise ManifestError(f"manifest {path} holds no row{f' with part {part!r}' if part else ''}")
    return rows


def pages(rows: Sequence[Row]) -> list[list[int]]:
    """The numbers of the rows of each page, in the order of their names, figures in them by their value; rows of no page alone."""
    found: dict[Hashable, list[int]] = {}
    for number, row in enumerate(rows):
        found.setdefault(row.document or number, []).append(number)
    return [sorted(numbers, key=lambda number: natural(rows[number].id)) for numbers in found.values()]


def natural(name: str) -> list[tuple[str, int]]:
    """What sorts names by the figures in them: "l2" before "l10"."""
    parts = re.split(r"([0-9]+)", name)
    return [(text, int(figures or 0)) for text, figures in zip(parts[::2], [*parts[1::2], ""], strict=True)]


@dataclass(frozen=True)
class Malformed:
    """A line that is no row, and why."""

    line: int
    reason: str


def scan(path: str | Path) -> Iterator[Row | Malformed]:
    """The rows of a manifest in order, and in their place the lines that are none. Refuses a file that is no text."""
    path = Path(path)
    try:
        # A text may hold U+2028 or U+0085, at which splitlines would cut its row in two.
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise ManifestError(f"manifest {path} cannot be read as UTF-8 text: {error}") from error
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                yield _parse(line, number, path)
            except ManifestError as error:
                yield Malformed(number, str(error))


def _parse(line: str, number: int, path: Path) -> Row:
    where = f"line {number} of {path}"
    try:
        fields = json.loads(line)
    except json.JSONDecodeError as error:
        raise ManifestError(f"{where} is not JSON: {error.msg} at column {error.colno}") from error
    if not isinstance(fields, dict):
        raise ManifestError(
            f"{where} is a {type(fields).__name__}; expected an object with 'audio' or 'image' and 'text'"
        )
    media = [key for key in MEDIA if key in fields]
    if len(media) != 1:
        raise ManifestError(f"{where} has {len(media)} of the keys 'audio' and 'image'; expected exactly one")
    name, text, duration = fields[media[0]], fields.get("text"), fields.get("duration")
    if not isinstance(name, str) or not name:
        raise ManifestError(f"{where}: {media[0]!r} is {name!r}; expected a path")
    if not isinstance(text, str):
        raise ManifestError(f"{where}: 'text' is {text!r}; expected a string")
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise ManifestError(f"{where}: 'text' holds half a surrogate pair, which is no character; write it whole")
    if duration is not None and not _is_seconds(duration):
        raise ManifestError(f"{where}: 'duration' is {duration!r}; expected seconds")
    return Row(name, path.parent / name, media[0], text, duration, fields, number)


def _is_seconds(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < math.inf


def write(path: str | Path, rows: Iterable[dict[str, Any]]) -> int:
    """Writes objects as a manifest, whole or not at all; gives the number of rows."""
    path = Path(path)
    lines = [json.dumps(row, ensure_ascii=False) + "\n" for row in rows]
    partial = path.with_name(path.name + ".partial")
    partial.write_text("".join(lines), encoding="utf-8")
    partial.replace(path)
    return len(lines)
