import math

import numpy as np
import oracles
import pytest
import torch

from recog.ctc.loss import ctc_loss
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
