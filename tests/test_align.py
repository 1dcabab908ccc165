import itertools

import numpy as np
import oracles
import pytest

from recog.ctc.align import align, best_path, required_frames
from recog.errors import InputError


def spans_of(path: tuple[int, ...]) -> list[tuple[int, int]]:
    """The runs of a path that are not blank."""
    spans, step = [], 0
    for symbol, run in itertools.groupby(path):
        length = len(list(run))
        if symbol:
            spans.append((step, step + length))
        step += length
    return spans


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("steps", [1, 3, 5])
def test_best_of_all_alignments(steps: int, seed: int) -> None:
    log_probs = oracles.random_log_probs(steps, 3, seed)
    for labels in oracles.labellings(log_probs):
        _, path = oracles.best_alignment(log_probs, labels)
        found = align(log_probs, labels)
        assert [(span.start, span.end) for span in found] == spans_of(path)
        for span, label in zip(found, labels, strict=True):
            assert span.confidence == pytest.approx(float(np.exp(log_probs[span.start : span.end, label].max())))


def test_texts_of_more_than_63_labels() -> None:
    # One frame for each label leaves one alignment; its states go beyond what int8 holds.
    labels = tuple(1 + number % 2 for number in range(100))
    found = align(oracles.random_log_probs(100, 3, seed=0), labels)
    assert [(span.start, span.end) for span in found] == [(number, number + 1) for number in range(100)]


def test_a_repeat_is_parted_by_a_blank() -> None:
    log_probs = oracles.random_log_probs(4, 2, seed=0)
    first, second = align(log_probs, (1, 1))
    assert first.end < second.start


@pytest.mark.parametrize(
    ("labels", "frames"), [((), 0), ((1,), 1), ((1, 2), 2), ((1, 1), 3), ((1, 1, 1), 5), ((1, 2, 2, 1, 1), 7)]
)
def test_required_frames_is_labels_plus_repeats(labels: tuple[int, ...], frames: int) -> None:
    assert required_frames(labels) == frames
    if frames:
        assert labels in {oracles.collapse(path) for path in oracles.paths(frames, 3)}
        assert labels not in {oracles.collapse(path) for path in oracles.paths(frames - 1, 3)}


@pytest.mark.parametrize(("steps", "labels"), [(2, (1, 1)), (1, (1, 2)), (0, (1,)), (3, (1, 2, 1, 2))])
def test_labels_that_do_not_fit_are_refused(steps: int, labels: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match=f"^{len(labels)} labels do not fit into {steps} frames$"):
        align(oracles.random_log_probs(steps, 3, seed=0), labels)


def test_no_labels_have_no_spans() -> None:
    assert align(oracles.random_log_probs(3, 3, seed=0), ()) == ()


def test_labels_of_probability_zero_are_refused() -> None:
    with np.errstate(divide="ignore"):
        log_probs = np.log(np.array([[0.5, 0.5, 0.0]] * 3))
    with pytest.raises(InputError, match="these 1 labels has probability 0"):
        align(log_probs, (2,))


@pytest.mark.filterwarnings("error")
def test_plain_python_aligns_more_than_127_states_too() -> None:
    labels = [1 + number % 3 for number in range(90)]
    log_probs = oracles.random_log_probs(200, 5, 1)
    states = np.zeros(2 * len(labels) + 1, np.int64)
    states[1::2] = labels
    compiled, plain = np.zeros(200, np.int64), np.zeros(200, np.int64)
    assert best_path(log_probs, states, compiled)
    assert best_path.py_func(log_probs, states, plain)
    assert np.array_equal(compiled, plain)
