"""Texts with times, as subtitle and alignment formats share them. All times are seconds from the start of the recording."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from recog.errors import InputError


@dataclass(frozen=True)
class Timed:
    """A piece of text and when it is said: start <= end, in seconds."""

    text: str
    start: float
    end: float
    # 0 to 1; None where nobody knows, as for a word whose time was only interpolated.
    confidence: float | None = None


@dataclass(frozen=True)
class TimedWord(Timed):
    """A word, and its characters with their own times, as far as these are known."""

    characters: tuple[Timed, ...] = ()


def check_order(pieces: Sequence[Timed], name: str) -> None:
    """Refuses pieces that end before they start, or that start before the one before has ended (by over a microsecond)."""
    for piece in pieces:
        if not 0 <= piece.start <= piece.end:
            raise InputError(
                f"{name}: {piece.text!r} lasts from {piece.start} to {piece.end} s; expected 0 <= start <= end"
            )
    for one, two in itertools.pairwise(pieces):
        if one.end > two.start + 1e-6:
            raise InputError(
                f"{name}: {two.text!r} starts at {two.start} s, before {one.text!r} has ended at {one.end} s"
            )
