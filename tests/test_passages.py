"""Long alignments, cut at anchors, against the alignment of the whole."""

import itertools

import numpy as np
import pytest
from numpy.typing import NDArray
from test_anchors import letters, misheard

from recog.ctc import passages
from recog.ctc.gapped import Gaps, align_with_gaps
from recog.ctc.passages import Cut, align_passages, find_cuts, trellis_states


def sound(heard: list[int], seed: int, symbols: int = 27) -> NDArray[np.float32]:
    """(T, S): each symbol for one frame, then two frames of blank; all blurred by noise."""
    scores = np.random.default_rng(seed).normal(0, 1, (3 * len(heard), symbols))
    scores[::3][np.arange(len(heard)), heard] += 6
    scores[1::3, 0] += 6
    scores[2::3, 0] += 6
    return (scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))).astype(np.float32)


def long_case() -> tuple[NDArray[np.float32], list[int], Gaps]:
    """A text in sentences of 50 labels, of which two are not spoken, and a sound with a stretch that is not written."""
    text, foreign = letters(900, 1), letters(120, 2)
    first, _ = misheard(text[:300], 0.25, 3)
    second, _ = misheard(text[400:], 0.25, 4)
    borders = tuple(range(0, 901, 50))
    return sound([*first, *foreign, *second], 5), text, Gaps(borders, borders)


def test_windows_give_what_the_whole_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passages, "WINDOW_FRAMES", 100)
    log_probs, labels, gaps = long_case()
    whole = align_with_gaps(log_probs, labels, gaps)
    found = align_passages(log_probs, labels, gaps)
    assert whole is not None and len(find_cuts(log_probs, labels)) > 8
    assert found.spans == whole.spans
    assert found.losses == pytest.approx(whole.losses)
    assert all(span is None for span in found.spans[310:390])
    assert sum(span is None for span in found.spans) == 100


def test_memory_is_bounded_and_what_is_too_large_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passages, "WINDOW_FRAMES", 100)
    log_probs, labels, gaps = long_case()
    cuts = [Cut(0, 0), *find_cuts(log_probs, labels), Cut(len(labels), len(log_probs))]
    sizes = [
        trellis_states(
            two.frame - one.frame, two.place - one.place, sum(one.place <= b <= two.place for b in gaps.sounds)
        )
        for one, two in itertools.pairwise(cuts)
    ]
    largest = int(np.argmax(sizes))  # the window with the foreign sound and the unread text
    assert cuts[largest].place < 300 and cuts[largest + 1].place > 400
    found = align_passages(log_probs, labels, gaps, most_states=sizes[largest] - 1)
    expected = align_passages(log_probs, labels, gaps)
    for place, (span, other) in enumerate(zip(found.spans, expected.spans, strict=True)):
        assert span == (None if cuts[largest].place <= place < cuts[largest + 1].place else other)


def test_a_cut_that_leaves_no_room_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    log_probs, labels, _ = long_case()
    log_probs, labels = log_probs[:600], labels[:150]
    # Forty labels in ten frames cannot be; the windows on both sides are joined.
    monkeypatch.setattr(passages, "find_cuts", lambda *_: [Cut(50, 160), Cut(90, 170)])
    found = align_passages(log_probs, labels, Gaps())
    whole = align_with_gaps(log_probs[160:], labels[50:], Gaps())
    assert whole is not None
    assert [span and span.start for span in found.spans[50:]] == [span and span.start + 160 for span in whole.spans]


def test_a_text_that_cannot_fit_is_left_out() -> None:
    log_probs, labels, _ = long_case()
    found = align_passages(log_probs[:10], labels[:50], Gaps())
    assert found.spans == (None,) * 50


def test_the_space_takes_no_part_in_anchors() -> None:
    text = letters(400, 1)
    spaced = [symbol for pair in zip(text, [27] * 400, strict=True) for symbol in pair]  # a space after every letter
    assert find_cuts(sound(text, 2, 28), spaced, space=27)
    assert not find_cuts(sound(text, 2, 28), spaced)
