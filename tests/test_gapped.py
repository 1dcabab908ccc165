"""Alignment with gaps against all paths enumerated, and without gaps against the plain one."""

import itertools
from collections.abc import Iterator

import numpy as np
import oracles
import pytest
from numpy.typing import NDArray

from recog.ctc.align import align
from recog.ctc.gapped import Aligned, Gaps, align_with_gaps
from recog.errors import InputError

FILLER = -1


def readings(labels: tuple[int, ...], gaps: Gaps) -> Iterator[tuple[tuple[int, ...], int]]:
    """Every sequence of labels and fillers that the gaps allow, and how many stretches it leaves out."""
    units = list(itertools.pairwise(gaps.borders))
    for omitted in itertools.product([False, True], repeat=len(units)):
        gone = {place for unit, out in zip(units, omitted, strict=True) if out for place in range(*unit)}
        touched = {border for unit, out in zip(units, omitted, strict=True) if out for border in unit}
        inside = {place for place in gaps.sounds if place in gone and place not in gaps.borders}
        places = [place for place in gaps.sounds if place not in inside]
        for chosen in itertools.product([False, True], repeat=len(places)):
            filled = {place for place, used in zip(places, chosen, strict=True) if used}
            # A stretch can only be left out by way of a filler at one of its ends.
            runs = [unit for unit, out in zip(units, omitted, strict=True) if out]
            if runs and not joined(runs, filled):
                continue
            sequence: list[int] = []
            for place in range(len(labels) + 1):
                if place in filled and not (sequence[-1:] == [FILLER] and place in touched):
                    sequence.append(FILLER)
                if place < len(labels) and place not in gone:
                    sequence.append(labels[place])
            yield tuple(sequence), sum(omitted)


def joined(runs: list[tuple[int, int]], filled: set[int]) -> bool:
    """Whether each row of neighbouring stretches has a filler at one of its borders."""
    rows: list[set[int]] = []
    for first, last in runs:
        if rows and first in rows[-1]:
            rows[-1].add(last)
        else:
            rows.append({first, last})
    return all(row & filled for row in rows)


def best_score(log_probs: NDArray[np.float32], labels: tuple[int, ...], gaps: Gaps) -> float:
    """The best of all paths, one after another."""
    filler = np.maximum(log_probs.max(axis=1) - gaps.filler_cost, log_probs[:, 0])
    wide = np.column_stack([log_probs, filler])  # the filler as one symbol more, the last
    symbol = wide.shape[1] - 1
    best = -np.inf
    wanted: dict[tuple[int, ...], float] = {}
    for sequence, omitted in readings(labels, gaps):
        key = tuple(symbol if item == FILLER else item for item in sequence)
        wanted[key] = max(wanted.get(key, -np.inf), -gaps.omission_cost * omitted)
    for path in oracles.paths(len(wide), wide.shape[1]):
        cost = wanted.get(oracles.collapse(path))
        if cost is not None:
            best = max(best, oracles.path_score(wide, path) + cost)
    return best


def score_of(found: Aligned, log_probs: NDArray[np.float32], labels: tuple[int, ...], gaps: Gaps) -> float:
    """The score that an alignment claims, taken together from what it tells."""
    omitted = sum(found.spans[first] is None for first, _ in itertools.pairwise(gaps.borders))
    return float(log_probs.max(axis=1).sum() - found.losses.sum() - gaps.omission_cost * omitted)


CASES = [
    ((1,), Gaps()),
    ((1,), Gaps((0, 1), (0, 1))),
    ((1, 2), Gaps((1,))),
    ((1, 1), Gaps((1,))),
    ((1, 2, 1), Gaps((0, 2, 3), (0, 2, 3))),
    ((1, 2), Gaps((0, 1, 2), (0, 1, 2))),
    ((2, 1, 2), Gaps((1, 2, 3), (2, 3))),
    ((1, 2, 2), Gaps((0, 1, 3), (0, 3), 0.5, 0.2)),
]


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(("labels", "gaps"), CASES)
def test_best_of_all_paths(labels: tuple[int, ...], gaps: Gaps, seed: int) -> None:
    for steps in (1, 3, 5):
        log_probs = oracles.random_log_probs(steps, 3, seed, sharpness=3.0)
        expected = best_score(log_probs, labels, gaps)
        found = align_with_gaps(log_probs, labels, gaps)
        if expected == -np.inf:
            assert found is None
        else:
            assert found is not None
            assert score_of(found, log_probs, labels, gaps) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("seed", range(5))
def test_without_gaps_it_is_plain_alignment(seed: int) -> None:
    labels = tuple(np.random.default_rng(seed).integers(1, 5, 30).tolist())
    log_probs = oracles.random_log_probs(80, 5, seed)
    found = align_with_gaps(log_probs, labels, Gaps())
    assert found is not None
    assert found.spans == align(log_probs, labels)


def spikes(text: str, symbols: str = "abc?", certainty: float = 0.97) -> NDArray[np.float32]:
    """One frame a character: a letter is heard as itself, - as blank, ? as a letter that no text holds."""
    rest = (1 - certainty) / len(symbols)
    probabilities = np.full((len(text), len(symbols) + 1), rest)
    for frame, character in enumerate(text):
        probabilities[frame, symbols.find(character) + 1] = certainty
    return np.log(probabilities).astype(np.float32)


def test_foreign_sound_goes_into_the_filler_and_spoils_no_neighbour() -> None:
    # Frames:          0123456789...
    log_probs = spikes("-a-b-?-?-?-?-c-a-")
    found = align_with_gaps(log_probs, (1, 2, 3, 1), Gaps((0, 2, 4), (0, 2, 4)))
    assert found is not None
    assert [span and span.start for span in found.spans] == [1, 3, 13, 15]
    # A filler may hold silence too, which costs it no more than blank.
    assert all(found.losses[start:end].max() < 0.1 for place, (start, end) in found.fillers.items() if place != 2)
    start, end = found.fillers[2]
    assert start <= 5 and end >= 12


def test_a_stretch_that_is_not_spoken_is_left_out() -> None:
    # The text is "ab cc ca"; "cc" is not spoken, and there is a pause of one frame for it.
    found = align_with_gaps(spikes("-ab-ca-"), (1, 2, 3, 3, 3, 1), Gaps((0, 2, 4, 6), (0, 2, 4, 6)))
    assert found is not None
    assert [span and span.start for span in found.spans] == [1, 2, None, None, 4, 5]


def test_no_sound_at_all() -> None:
    empty = np.zeros((0, 3), np.float32)
    assert align_with_gaps(empty, (1, 2), Gaps()) is None
    found = align_with_gaps(empty, (1, 2), Gaps((0, 2), (0, 2)))
    assert found is not None and found.spans == (None, None)


def test_impossible_gaps_are_refused() -> None:
    with pytest.raises(InputError, match="must ascend"):
        Gaps((2, 1))
    with pytest.raises(InputError, match="every border"):
        Gaps((1,), (0, 1))
