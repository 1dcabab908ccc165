"""Error counts first, rates second. Counts are jiwer's; the text policy is the caller's and is named with the result."""

from collections.abc import Sequence
from dataclasses import dataclass

import jiwer
import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Counts:
    """Edits between references and hypotheses. Sums of counts are the counts of the whole."""

    substitutions: int = 0
    deletions: int = 0
    insertions: int = 0
    # Units (characters or words) in the references.
    units: int = 0

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(
            self.substitutions + other.substitutions,
            self.deletions + other.deletions,
            self.insertions + other.insertions,
            self.units + other.units,
        )

    @property
    def edits(self) -> int:
        """Substitutions, deletions and insertions together."""
        return self.substitutions + self.deletions + self.insertions

    @property
    def rate(self) -> float:
        """Edits over reference units; may pass 1. Without reference units: 0 for no edits, else infinite."""
        if self.units:
            return self.edits / self.units
        return float("inf") if self.edits else 0.0


def character_counts(reference: str, hypothesis: str) -> Counts:
    """Counts over characters, spaces included."""
    return _counts(list(reference), list(hypothesis))


def word_counts(reference: str, hypothesis: str) -> Counts:
    """Counts over words parted by white space."""
    return _counts(reference.split(), hypothesis.split())


def _counts(reference: list[str], hypothesis: list[str]) -> Counts:
    if not reference or not hypothesis:  # jiwer refuses empty references
        return Counts(0, len(reference), len(hypothesis), len(reference))
    # jiwer splits on spaces, so units travel as numbers.
    numbers = {unit: str(number) for number, unit in enumerate({*reference, *hypothesis})}
    aligned = jiwer.process_words(" ".join(numbers[u] for u in reference), " ".join(numbers[u] for u in hypothesis))
    return Counts(aligned.substitutions, aligned.deletions, aligned.insertions, len(reference))


def total(counts: Sequence[Counts]) -> Counts:
    """The counts of a corpus."""
    return sum(counts, Counts())


def interval(counts: Sequence[Counts], groups: Sequence[str], seed: int = 0, draws: int = 1000) -> tuple[float, float]:
    """95 % bootstrap interval of the corpus rate, drawing whole groups (speakers, writers) with replacement.

    Rows of one speaker are alike, so drawing rows alone would give intervals that are too narrow (Bisani & Ney 2004).
    Nothing at all gives 0 to 0.
    """
    if not counts:
        return 0.0, 0.0
    edits, units = _by_group(counts, groups)
    drawn = np.random.default_rng(seed).integers(0, len(edits), (draws, len(edits)))
    low, high = np.percentile(_rates(edits, units, drawn), [2.5, 97.5])
    return float(low), float(high)


def difference_interval(
    counts: Sequence[Counts], base: Sequence[Counts], groups: Sequence[str], seed: int = 0, draws: int = 1000
) -> tuple[float, float]:
    """95 % bootstrap interval of how much higher the corpus rate of `counts` is than that of `base`, on the same rows.

    Both are drawn together (Bisani & Ney 2004, section 3): what is hard for both falls out, so that it is narrower than
    their two intervals lead one to think. Nothing at all gives 0 to 0.
    """
    if not counts:
        return 0.0, 0.0
    drawn = np.random.default_rng(seed).integers(0, len(set(groups)), (draws, len(set(groups))))
    rates = [_rates(*_by_group(one, groups), drawn) for one in (counts, base)]
    low, high = np.percentile(rates[0] - rates[1], [2.5, 97.5])
    return float(low), float(high)


def _by_group(counts: Sequence[Counts], groups: Sequence[str]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Edits and units of each group, in the order in which groups first come."""
    names = {name: number for number, name in enumerate(dict.fromkeys(groups))}
    edits, units = np.zeros(len(names)), np.zeros(len(names))
    for count, group in zip(counts, groups, strict=True):
        edits[names[group]] += count.edits
        units[names[group]] += count.units
    return edits, units


def _rates(edits: NDArray[np.float64], units: NDArray[np.float64], drawn: NDArray[np.int64]) -> NDArray[np.float64]:
    """The corpus rate of each draw (draws, groups)."""
    rates: NDArray[np.float64] = edits[drawn].sum(axis=1) / np.maximum(units[drawn].sum(axis=1), 1)
    return rates
