import math

import numpy as np
import oracles
import pytest
import torch

from recog.ctc.loss import ctc_loss, path_entropy, uniformity
from recog.errors import TrainingError


def loss_of(log_probs: np.ndarray, target: tuple[int, ...]) -> float:
    batch = torch.from_numpy(log_probs)[None]
    return float(ctc_loss(batch, torch.tensor([len(log_probs)]), [target], ["sample"]))


@pytest.mark.parametrize("steps", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("symbols", [2, 3, 4])
def test_loss_is_minus_log_of_the_sum_over_all_alignments(steps: int, symbols: int) -> None:
    log_probs = oracles.random_log_probs(steps, symbols, seed=10 * steps + symbols)
    truth = oracles.labellings(log_probs)
    assert math.isclose(sum(math.exp(score) for score in truth.values()), 1, rel_tol=1e-5)
    for labels, score in truth.items():
        assert loss_of(log_probs, labels) == pytest.approx(-score, abs=1e-5)


def test_a_padded_batch_gives_each_target_its_own_loss() -> None:
    lengths, targets = [5, 2, 4, 3], [(1, 2), (2,), (1, 1), ()]
    matrices = [oracles.random_log_probs(length, 3, seed=length) for length in lengths]
    batch = torch.full((4, 5, 3), float("nan"))  # what lies past a length is never read
    for row, matrix in enumerate(matrices):
        batch[row, : len(matrix)] = torch.from_numpy(matrix)
    losses = ctc_loss(batch, torch.tensor(lengths), targets, list("abcd"))
    alone = [-oracles.labellings(matrix)[target] for matrix, target in zip(matrices, targets, strict=True)]
    assert losses.tolist() == pytest.approx(alone, abs=1e-5)


def test_gradient_is_right() -> None:
    scores = torch.randn(2, 6, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0), requires_grad=True)

    def loss(scores: torch.Tensor) -> torch.Tensor:
        return ctc_loss(scores.log_softmax(2), torch.tensor([6, 4]), [(1, 1, 3), (2, 3)], ["a", "b"])

    assert torch.autograd.gradcheck(loss, (scores,))


def test_targets_that_do_not_fit_are_refused_and_named() -> None:
    log_probs = torch.zeros(3, 4, 3).log_softmax(2)
    with pytest.raises(TrainingError, match=r"^1 targets .* second \(2 frames, 3 needed\)$"):
        ctc_loss(log_probs, torch.tensor([4, 2, 4]), [(1, 2), (1, 1), (1, 2, 1, 2)], ["first", "second", "third"])


@pytest.mark.parametrize("target", [(0,), (3,), (1, -1)])
def test_labels_outside_the_symbols_are_refused(target: tuple[int, ...]) -> None:
    # PyTorch would read memory beyond the matrix, or count blank as a letter.
    with pytest.raises(TrainingError, match=r"^the target of sample holds label (0|3|-1); expected labels in 1\.\.2$"):
        loss_of(oracles.random_log_probs(4, 3, seed=0), target)


def test_uniformity_is_the_divergence_from_all_symbols_alike() -> None:
    # Two symbols: KL(U || (1/4, 3/4)) = 1/2 log (1/2 / 1/4) + 1/2 log (1/2 / 3/4) = 1/2 log(4/3) a frame.
    frame = torch.tensor([0.25, 0.75]).log()
    log_probs = torch.full((2, 3, 2), float("nan"))
    log_probs[0, :2] = frame
    log_probs[1] = torch.tensor([0.5, 0.5]).log()
    found = uniformity(log_probs, torch.tensor([2, 3]))
    assert found.tolist() == pytest.approx([2 * 0.5 * math.log(4 / 3), 0.0], abs=1e-6)


@pytest.mark.parametrize("steps", [1, 2, 3, 4, 5])
def test_path_entropy_is_that_of_the_enumerated_alignments(steps: int) -> None:
    log_probs = oracles.random_log_probs(steps, 3, seed=steps)
    alignments: dict[tuple[int, ...], list[float]] = {}
    for path in oracles.paths(steps, 3):
        alignments.setdefault(oracles.collapse(path), []).append(oracles.path_score(log_probs, path))
    for target, scores in alignments.items():
        whole = oracles.log_sum(scores)
        truth = -sum(math.exp(score - whole) * (score - whole) for score in scores)
        found = float(path_entropy(torch.from_numpy(log_probs)[None], torch.tensor([steps]), [target]))
        assert found == pytest.approx(truth, abs=1e-5), target


def test_path_entropy_of_a_padded_batch_is_each_ones_own() -> None:
    lengths, targets = [5, 2, 4, 3], [(1, 2), (2,), (1, 1), ()]
    matrices = [torch.from_numpy(oracles.random_log_probs(length, 3, seed=length)) for length in lengths]
    batch = torch.full((4, 5, 3), float("nan"))
    for row, matrix in enumerate(matrices):
        batch[row, : len(matrix)] = matrix
    together = path_entropy(batch, torch.tensor(lengths), targets)
    alone = [
        float(path_entropy(matrix[None], torch.tensor([len(matrix)]), [target]))
        for matrix, target in zip(matrices, targets, strict=True)
    ]
    assert together.tolist() == pytest.approx(alone, abs=1e-6)


@pytest.mark.parametrize("term", ["uniformity", "path entropy"])
def test_gradient_of_the_regularisers_is_right(term: str) -> None:
    scores = torch.randn(2, 6, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0), requires_grad=True)
    lengths = torch.tensor([6, 4])

    def value(scores: torch.Tensor) -> torch.Tensor:
        log_probs = scores.log_softmax(2)
        if term == "uniformity":
            return uniformity(log_probs, lengths)
        return path_entropy(log_probs, lengths, [(1, 1, 3), (2, 3)])

    assert torch.autograd.gradcheck(value, (scores,))
