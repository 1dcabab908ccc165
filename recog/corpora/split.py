"""Training rows and dev rows: a split that hangs on names alone, so that every machine cuts the same way."""

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from recog.corpora.found import Sample

# One row in twenty is for dev; with fewer than twenty there is none to spare.
ONE_IN = 20
# Whole voices or hands may push dev up to one row in five, not further.
AT_MOST_ONE_IN = 5


@dataclass(frozen=True)
class Split:
    """Rows for training, and rows for dev with a `part`."""

    train: list[dict[str, Any]]
    dev: list[dict[str, Any]]


def split(samples: Sequence[Sample]) -> Split:
    """About 5 % of the samples for dev, at least one of 20 or more; whole groups, those with the smallest hashes.

    Where every group is larger than a fifth of all samples (one or two voices), single samples are drawn instead:
    then the same voice is on both sides. Order is kept.
    """
    wanted = len(samples) // ONE_IN
    dev = _draw([sample.group for sample in samples], wanted, len(samples) // AT_MOST_ONE_IN)
    if wanted and not dev:
        dev = _draw([f"{sample.group} {number}" for number, sample in enumerate(samples)], wanted, wanted)
    return Split(
        [sample.row for number, sample in enumerate(samples) if number not in dev],
        in_parts([sample.row for number, sample in enumerate(samples) if number in dev]),
    )


def _draw(groups: Sequence[str], wanted: int, at_most: int) -> set[int]:
    members: dict[str, list[int]] = defaultdict(list)
    for number, group in enumerate(groups):
        members[group].append(number)
    drawn: set[int] = set()
    for group in sorted(members, key=_hash):
        if len(drawn) < wanted and len(drawn) + len(members[group]) <= at_most:
            drawn.update(members[group])
    return drawn


def _hash(group: str) -> bytes:
    return hashlib.blake2b(group.encode(), digest_size=16).digest()


def in_parts(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Dev rows, in turn for tuning and for reporting: what chose a model must not also praise it."""
    return [{**row, "part": ("tune", "report")[number % 2]} for number, row in enumerate(rows)]
