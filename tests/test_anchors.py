"""Anchors in texts whose recognition is built, errors and all, so that every true pair is known."""

import itertools

import numpy as np
import pytest

from recog.ctc.anchors import REACH, find_anchors, run_length


def misheard(text: list[int], share: float, seed: int) -> tuple[list[int], list[int]]:
    """A recognition with this share of symbols wrong, lost or added, and the place in the text of each (-1: none)."""
    rng = np.random.default_rng(seed)
    heard, places = [], []
    for place, symbol in enumerate(text):
        kind = rng.integers(3) if rng.random() < share else -1
        if kind == 1:
            continue
        heard.append(int(rng.integers(1, 27)) if kind == 0 else symbol)
        places.append(place)
        if kind == 2:
            heard.append(int(rng.integers(1, 27)))
            places.append(-1)
    return heard, places


def letters(count: int, seed: int) -> list[int]:
    """Symbols with the frequencies of a language: a few are common."""
    shares = 1 / np.arange(1, 27)
    return (1 + np.random.default_rng(seed).choice(26, count, p=shares / shares.sum())).tolist()


@pytest.mark.parametrize("share", [0.0, 0.3, 0.4])
def test_all_anchors_are_true_and_there_are_many(share: float) -> None:
    text = letters(4000, 1)
    heard, places = misheard(text, share, 2)
    anchors = find_anchors(text, heard)
    wrong = [anchor for anchor in anchors if abs(places[anchor.heard] - anchor.written) > 1]
    assert len(wrong) <= len(anchors) // 50
    covered = [0, *(anchor.written for anchor in anchors), len(text)]
    assert max(np.diff(covered)) < 500  # half a minute of speech


def test_what_was_not_read_and_not_written_gets_no_anchors() -> None:
    text, title, announcement = letters(2000, 3), letters(600, 4), letters(600, 5)
    first, _ = misheard(text[:1000], 0.3, 6)
    second, _ = misheard(text[1000:], 0.3, 7)
    # Written: title, text. Heard: half the text, an announcement, the other half.
    anchors = find_anchors([*title, *text], [*first, *announcement, *second])
    for anchor in anchors:
        assert anchor.written >= len(title) - 5
        assert not len(first) + 5 <= anchor.heard < len(first) + len(announcement) - 5
        assert (anchor.written < len(title) + 1000) == (anchor.heard < len(first) + 5)
    assert len(anchors) > 200


def test_another_text_altogether_gives_none() -> None:
    assert find_anchors(letters(3000, 8), letters(3000, 9)) == []


def test_they_ascend_and_tell_their_support() -> None:
    text = letters(1000, 10)
    anchors = find_anchors(text, text)
    assert all(one.written < two.written and one.heard < two.heard for one, two in itertools.pairwise(anchors))
    # Everything around an inner anchor is matched, but for runs that stand in the text too often.
    assert np.median([anchor.support for anchor in anchors if REACH < anchor.written < 1000 - REACH]) == 1.0


@pytest.mark.parametrize(
    ("count", "symbols", "expected"),
    [
        # 20 * 1000 / 10 ** n < 1 from n = 5 on
        (1000, 10, 5),
        # 20 * 100 / 100 ** n < 1 from n = 2 on, but 4 is the least
        (100, 100, 4),
        # 20 * 64 / 2 ** n < 1 from n = 11 on
        (64, 2, 11),
    ],
)
def test_runs_are_long_enough_to_be_rare(count: int, symbols: int, expected: int) -> None:
    assert run_length(np.arange(count) % symbols) == expected


@pytest.mark.parametrize(("text", "heard"), [([], []), ([1, 2], [1, 2]), ([], [1] * 50), ([1] * 50, [])])
def test_short_texts_have_none(text: list[int], heard: list[int]) -> None:
    assert find_anchors(text, heard) == []
