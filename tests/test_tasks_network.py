"""The compiled small network against the library's own cells: the same answers, the same gradients, the same learning."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional

from recog.models.cells import family
from recog.models.cells.cell import Cell
from recog.tasks import network
from recog.tasks.learning import Learner, Recipe, learn, pool
from recog.tasks.network import Shape
from recog.tasks.sequences import Sequences

F, H, OUT = 3, 4, 2
# Our switches beside the library's cell with its options.
TWINS = {
    "elman": (Shape(F, H, OUT, plain=1), "elman", {}),
    "lstm": (Shape(F, H, OUT), "lstm", {}),
    "lstm-1997": (Shape(F, H, OUT, block=2, forget=0, half=1), "lstm-1997", {"block": 2}),
    "truncated": (
        Shape(F, H, OUT, block=2, forget=0, half=1, truncated=1),
        "lstm-1997",
        {"block": 2, "truncated": True},
    ),
    "gates see gates": (
        Shape(F, H, OUT, block=2, forget=0, half=1, gated=1),
        "lstm-1997",
        {"block": 2, "gated": True},
    ),
    "gates see gates, truncated": (
        Shape(F, H, OUT, block=2, forget=0, half=1, truncated=1, gated=1),
        "lstm-1997",
        {"block": 2, "truncated": True, "gated": True},
    ),
    "peephole": (Shape(F, H, OUT, peephole=1), "peephole", {}),
    "peephole-2002": (Shape(F, H, OUT, peephole=1, straight=1), "peephole", {"squash": "identity"}),
}


def twin(learner: Learner, name: str, options: dict[str, object]) -> tuple[Cell, nn.Linear]:
    """The library's cell and a linear map with the learner's weights: gates i, f, o, g there, i, f, g, o here."""
    shape = learner.shape
    cell = family[name](F, H, **options).double()
    rows = network.rows_of(shape)
    first, second, _ = network.parts_of(shape)
    into = torch.from_numpy(learner.weights[:first].reshape(-1, rows).copy()).T
    if name in ("lstm", "peephole"):
        into = torch.cat([into[: 2 * H], into[3 * H :], into[2 * H : 3 * H]])
    out = torch.from_numpy(learner.weights[first + second :].reshape(H + 1, OUT).copy()).T
    linear = nn.Linear(H, OUT).double()
    with torch.no_grad():
        cell.weight_ih.copy_(into[:, :F])
        cell.weight_hh.copy_(into[:, F:-1])
        cell.bias.copy_(into[:, -1])
        if second:
            cell.peepholes.copy_(torch.from_numpy(learner.weights[first : first + second].reshape(3, H)))
        linear.weight.copy_(out[:, :H])
        linear.bias.copy_(out[:, H])
    return cell, linear


def gradient_of(cell: Cell, linear: nn.Linear, name: str) -> NDArray[np.float64]:
    into = torch.cat([cell.weight_ih.grad, cell.weight_hh.grad, cell.bias.grad[:, None]], dim=1)
    if name in ("lstm", "peephole"):
        into = torch.cat([into[: 2 * H], into[3 * H :], into[2 * H : 3 * H]])
    out = torch.cat([linear.weight.grad, linear.bias.grad[:, None]], dim=1)
    see = [cell.peepholes.grad.flatten()] if name == "peephole" else []
    return torch.cat([into.T.flatten(), *see, out.T.flatten()]).numpy()


def lessons(rng: np.random.Generator, count: int = 3, steps: int = 6) -> Sequences:
    lengths = rng.integers(2, steps, size=count, endpoint=True)
    lengths[0] = steps
    alive = np.arange(steps) < lengths[:, None]
    inputs = (rng.normal(size=(count, steps, F)) * alive[:, :, None]).astype(np.float32)
    targets = np.eye(OUT, dtype=np.float32)[rng.integers(OUT, size=(count, steps))]
    asked = ((rng.random((count, steps)) < 0.7) & alive).astype(np.float32)
    asked[0, -1] = 1
    return Sequences(inputs, targets, asked, lengths)


LOSSES = {
    "squared": lambda answers, targets: (torch.sigmoid(answers) - targets).square().sum(-1),
    "straight": lambda answers, targets: (answers - targets).square().sum(-1),
    "classes": lambda answers, targets: -(functional.log_softmax(answers, -1) * targets).sum(-1),
    "several": lambda answers, targets: functional.binary_cross_entropy_with_logits(
        answers, targets, reduction="none"
    ).sum(-1),
}


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("kind", TWINS)
def test_answers_and_gradients_are_those_of_the_cells(kind: str, loss: str) -> None:
    shape, name, options = TWINS[kind]
    learner = Learner(shape, seed=5, input_bias=0.2, output_bias=-0.3)
    batch = lessons(np.random.default_rng(7))
    cell, linear = twin(learner, name, options)
    state, outputs = cell.initial(len(batch.lengths)), []
    for x in torch.from_numpy(batch.inputs).double().unbind(1):
        if kind == "elman" and shape.truncated:
            state = (state[0].detach(),)
        y, state = cell.step(x, state)
        outputs.append(linear(y))
    answers, asked = torch.stack(outputs, 1), torch.from_numpy(batch.asked).double()
    alive = np.arange(answers.shape[1]) < batch.lengths[:, None]
    np.testing.assert_allclose(learner.answers(batch), answers.detach().numpy() * alive[:, :, None], atol=1e-12)
    ((LOSSES[loss](answers, torch.from_numpy(batch.targets).double()) * asked).sum() / asked.sum()).backward()
    np.testing.assert_allclose(learner.gradient(batch, loss), gradient_of(cell, linear, name), atol=1e-12)


def test_peepholes_begin_as_other_weights_do_times_their_sight() -> None:
    drawn, blind = (Learner(Shape(F, H, OUT, peephole=1), seed=2, sight=sight).weights for sight in (1.0, 0.0))
    first, second, _ = network.parts_of(Shape(F, H, OUT, peephole=1))
    assert (drawn[first : first + second] != 0).all()
    np.testing.assert_array_equal(np.flatnonzero(drawn != blind), np.arange(first, first + second))
    assert not blind[first : first + second].any()


def test_an_elman_network_of_one_step_knows_no_step_before() -> None:
    # Elman 1990: the gradient is that of each step with its state given.
    learner = Learner(Shape(F, H, OUT, plain=1, truncated=1), seed=3)
    batch = lessons(np.random.default_rng(4), count=1)
    cell, linear = twin(learner, "elman", {})
    (state,), loss = cell.initial(1), torch.zeros((), dtype=torch.float64)
    for t, x in enumerate(torch.from_numpy(batch.inputs).double().unbind(1)):
        state, _ = cell.step(x, (state.detach(),))
        target = torch.from_numpy(batch.targets[:, t]).double()
        loss = loss + LOSSES["classes"](linear(state), target)[0] * float(batch.asked[0, t])
    (loss / float(batch.asked.sum())).backward()
    np.testing.assert_allclose(learner.gradient(batch, "classes"), gradient_of(cell, linear, "elman"), atol=1e-12)


@pytest.mark.parametrize("optimiser", ["adam", "sgd"])
def test_changes_of_the_weights_are_pytorchs(optimiser: str) -> None:
    batch = lessons(np.random.default_rng(1), count=8)
    learner = Learner(Shape(F, H, OUT), seed=2)
    weights = torch.nn.Parameter(torch.from_numpy(learner.weights.copy()))
    kind = {"adam": torch.optim.Adam, "sgd": torch.optim.SGD}[optimiser]
    steps = kind([weights], lr=0.1)
    for start in range(0, 8, 2):
        other = Learner(learner.shape, seed=2)
        other.weights[:] = weights.detach().numpy()
        weights.grad = torch.from_numpy(other.gradient(batch.take(np.arange(start, start + 2)), "classes"))
        nn.utils.clip_grad_norm_([weights], 0.2)
        steps.step()
    recipe = Recipe("classes", 0.1, most=8, check=8, batch=2, optimiser=optimiser, clip=0.2)
    learner.train(batch, recipe, 0.1)
    np.testing.assert_allclose(learner.weights, weights.detach().numpy(), atol=1e-6)


def test_a_stream_goes_on_where_it_ended() -> None:
    batch = lessons(np.random.default_rng(1), count=1, steps=8)
    learner = Learner(Shape(F, H, OUT, peephole=1), seed=2)
    states = np.zeros((1, 2, H))
    halves = [
        learner.read(Sequences(batch.inputs[:, a:b], batch.targets[:, a:b], batch.asked[:, a:b], np.array([4])), states)
        for a, b in ((0, 4), (4, 8))
    ]
    np.testing.assert_allclose(np.concatenate(halves, axis=1), learner.answers(batch), atol=1e-12)


def test_learning_stops_when_it_is_done_and_counts() -> None:
    # The answer is whether the first number is positive: the loss falls, and the count is that of the sequences drawn.
    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(64, 3, F)).astype(np.float32)
    targets = np.zeros((64, 3, OUT), dtype=np.float32)
    targets[np.arange(64), 2, (inputs[:, 0, 0] > 0).astype(int)] = 1
    asked = np.tile(np.array([0, 0, 1], dtype=np.float32), (64, 1))
    data = Sequences(inputs, targets, asked, np.full(64, 3))
    learner, drawn = Learner(Shape(F, H, OUT), seed=1), []

    def draw(generator: np.random.Generator, count: int) -> Sequences:
        drawn.append(count)
        return pool(data)(generator, count)

    def solved(one: Learner) -> bool:
        return bool((one.answers(data)[:, 2].argmax(1) == targets[:, 2].argmax(1)).mean() > 0.9)

    took = learn(learner, draw, solved, Recipe("classes", 0.02, most=4000, check=100))
    assert took == sum(drawn) < 4000
    assert learn(Learner(Shape(F, H, OUT), 1), draw, lambda _: False, Recipe("classes", 0.02, 200, 100)) is None
