"""Praat's TextGrid: tiers of intervals that cover a recording without a gap (Boersma & Weenink, manual, TextGrid file formats).

Written in the long text form, UTF-8; read in the long and the short one, in UTF-8 and UTF-16.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from recog.errors import InputError
from recog.formats.timed import Timed, check_order

# A string in double quotes (a quote in it is doubled), a flag, or a number that stands alone.
_VALUE = re.compile(r'"((?:[^"]|"")*)"|<(exists|absent)>|(?<![^\s])([-+]?\d[\d.eE+-]*)(?![^\s])')
# Comments, and the indices of the long form, hold numbers that are no values.
_NO_VALUE = re.compile(r'("(?:[^"]|"")*")|![^\n]*|\[[^\]\n"]*\]')


@dataclass(frozen=True)
class Tier:
    """One row of labelled intervals, in order; where none is, nothing is said. A point is an interval without length."""

    name: str
    pieces: tuple[Timed, ...]


@dataclass(frozen=True)
class TextGrid:
    """The tiers of one recording of so many seconds."""

    duration: float
    tiers: tuple[Tier, ...]


def dumps(grid: TextGrid) -> str:
    """A grid -> the text of a file. Gaps become empty intervals, as Praat wants it, and confidences are not kept.

    Praat knows no interval without length: the text of such a piece joins that of the one before, or else of the next.
    Refuses pieces that overlap or end after the recording.
    """
    lines = [
        'File type = "ooTextFile"',
        'Object class = "TextGrid"',
        "",
        "xmin = 0",
        f"xmax = {_number(grid.duration)}",
    ]
    lines += ["tiers? <exists>", f"size = {len(grid.tiers)}", "item []:"]
    for number, tier in enumerate(grid.tiers, 1):
        check_order(tier.pieces, f"tier {tier.name!r}")
        if tier.pieces and tier.pieces[-1].end > grid.duration + 1e-6:
            raise InputError(
                f"tier {tier.name!r} ends at {tier.pieces[-1].end} s, after the recording ({grid.duration} s)"
            )
        intervals = list(_covering(_with_length(tier.pieces), grid.duration))
        lines += [f"    item [{number}]:", '        class = "IntervalTier"', f"        name = {_quoted(tier.name)}"]
        lines += [
            "        xmin = 0",
            f"        xmax = {_number(grid.duration)}",
            f"        intervals: size = {len(intervals)}",
        ]
        for place, interval in enumerate(intervals, 1):
            lines += [f"        intervals [{place}]:", f"            xmin = {_number(interval.start)}"]
            lines += [f"            xmax = {_number(interval.end)}", f"            text = {_quoted(interval.text)}"]
    return "\n".join(lines) + "\n"


def _with_length(pieces: Sequence[Timed]) -> list[Timed]:
    """The pieces that last, with the texts of those that do not."""
    lasting: list[Timed] = []
    waiting = ""
    for piece in pieces:
        if piece.end - piece.start > 1e-6:
            lasting.append(replace(piece, text=f"{waiting} {piece.text}".strip()))
            waiting = ""
        elif lasting:
            lasting[-1] = replace(lasting[-1], text=f"{lasting[-1].text} {piece.text}".strip())
        else:
            waiting = f"{waiting} {piece.text}".strip()
    return lasting


def _covering(pieces: Sequence[Timed], duration: float) -> Iterator[Timed]:
    """The pieces and empty intervals between them, from 0 to the end."""
    end = 0.0
    for piece in pieces:
        if piece.start - end > 1e-6:
            yield Timed("", end, piece.start)
        yield replace(piece, start=end if piece.start - end <= 1e-6 else piece.start)
        end = piece.end
    if duration - end > 1e-6 or end == 0:
        yield Timed("", end, duration)


def loads(content: str, name: str = "the TextGrid") -> TextGrid:
    """The text of a file -> its grid; empty intervals are the gaps they stand for and do not come back.

    Refuses what is no TextGrid, and one that breaks off.
    """
    # Read as Praat does: only strings, flags and free-standing numbers count, whatever words stand between them.
    bare = _NO_VALUE.sub(lambda match: match.group(1) or " ", content.removeprefix("\ufeff"))
    values = [string if flag == number == "" else flag or number for string, flag, number in _VALUE.findall(bare)]
    values = [value.replace('""', '"') for value in values]
    if values[:2] != ["ooTextFile", "TextGrid"]:
        raise InputError(f"{name} is no TextGrid in Praat's text form; it should begin with ooTextFile and TextGrid")
    remaining = iter(values[2:])
    try:
        _, duration = float(next(remaining)), float(next(remaining))
        count = int(next(remaining)) if next(remaining) == "exists" else 0
        return TextGrid(duration, tuple(_tier(remaining, name) for _ in range(count)))
    except (StopIteration, RuntimeError, ValueError) as error:
        raise InputError(f"{name} breaks off, or holds something else where a number should be ({error})") from error


def _tier(values: Iterator[str], name: str) -> Tier:
    kind, title = next(values), next(values)
    if kind not in ("IntervalTier", "TextTier"):
        raise InputError(f"{name}: tier {title!r} is a {kind}; expected an IntervalTier or a TextTier")
    _, _, count = float(next(values)), float(next(values)), int(next(values))
    pieces = []
    for _ in range(count):
        start = float(next(values))
        end = float(next(values)) if kind == "IntervalTier" else start
        pieces.append(Timed(next(values), start, end))
    return Tier(title, tuple(piece for piece in pieces if piece.text))


def read(path: Path) -> TextGrid:
    """The grid of a file in UTF-8, or in UTF-16 with its byte order mark. Refuses what cannot be read or is no TextGrid."""
    try:
        content = path.read_bytes()
        encoding = "utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
        return loads(content.decode(encoding), str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read as a TextGrid: {error}") from error


def _number(seconds: float) -> str:
    """To the microsecond, without needless zeros."""
    return f"{seconds:.6f}".rstrip("0").rstrip(".")


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'
