import numpy as np
import oracles
import pytest

from recog.ctc.greedy import greedy
from recog.ctc.hypothesis import Span
from recog.errors import InputError


def one_hot(path: list[int], symbols: int, sure: float = 0.9) -> np.ndarray:
    probs = np.full((len(path), symbols), (1 - sure) / (symbols - 1), np.float32)
    probs[np.arange(len(path)), path] = sure
    return np.log(probs)


@pytest.mark.parametrize(
    ("path", "labels", "spans"),
    [
        ([0, 0, 0], (), []),
        ([1], (1,), [(0, 1)]),
        ([1, 1, 2], (1, 2), [(0, 2), (2, 3)]),
        ([1, 0, 1], (1, 1), [(0, 1), (2, 3)]),
        ([0, 2, 2, 0, 0, 1, 3, 3], (2, 1, 3), [(1, 3), (5, 6), (6, 8)]),
    ],
)
def test_built_paths(path: list[int], labels: tuple[int, ...], spans: list[tuple[int, int]]) -> None:
    found = greedy(one_hot(path, 4))
    assert found.labels == labels
    assert [(span.start, span.end) for span in found.spans] == spans
    assert found.score == pytest.approx(len(path) * np.log(0.9), abs=1e-5)
    assert all(span.confidence == pytest.approx(0.9, abs=1e-6) for span in found.spans)


@pytest.mark.parametrize("seed", range(20))
def test_best_of_all_paths(seed: int) -> None:
    log_probs = oracles.random_log_probs(5, 4, seed)
    score, path = max((oracles.path_score(log_probs, path), path) for path in oracles.paths(5, 4))
    found = greedy(log_probs)
    assert found.labels == oracles.collapse(path)
    assert found.score == pytest.approx(score, abs=1e-5)


def test_confidence_is_the_surest_frame_of_the_label() -> None:
    log_probs = np.log(np.array([[0.4, 0.6], [0.2, 0.8], [0.9, 0.1]], np.float32))
    assert greedy(log_probs).spans == (Span(0, 2, pytest.approx(0.8)),)


def test_no_frames_hold_no_labels() -> None:
    found = greedy(np.zeros((0, 3), np.float32))
    assert (found.labels, found.spans, found.score) == ((), (), 0.0)


@pytest.mark.parametrize(
    ("matrix", "sentence"),
    [
        (np.zeros((4, 3)), r"row 0 .* sums to 3\.0000 instead of 1; apply log_softmax"),
        (np.full((4, 3), np.nan), "row 0 .* sums to nan"),
        (np.full((4, 2), 0.5), "row 0"),
        (np.zeros(3), r"shape \(T, S\)"),
        (np.zeros((4, 1)), "S >= 2"),
    ],
)
def test_anything_but_log_probabilities_is_refused(matrix: np.ndarray, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        greedy(matrix)
