"""The loop that learns a task, sequence by sequence, as the papers counted: a learner with its seed, a recipe, a count."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from recog.compile import compiled
from recog.tasks import network
from recog.tasks.network import Doubles, Shape, Trace
from recog.tasks.sequences import Sequences

KINDS = {
    "squared": network.SQUARED,
    "straight": network.STRAIGHT,
    "classes": network.CLASSES,
    "several": network.SEVERAL,
}
# Adam (Kingma & Ba 2015) with its usual constants.
_BETA1, _BETA2, _TINY = 0.9, 0.999, 1e-8


@dataclass(frozen=True)
class Recipe:
    """How a task is learnt."""

    loss: Literal["squared", "straight", "classes", "several"]
    rate: float
    # Sequences after which a seed that has not solved the task has failed.
    most: int
    # Sequences between two looks at whether it is solved.
    check: int
    # Sequences between two changes of the weights.
    batch: int = 1
    optimiser: Literal["adam", "sgd"] = "adam"
    # Largest norm of a gradient; 0: as it is.
    clip: float = 1.0
    # Whether a sequence goes on where the one before it ended (no error goes back into that one).
    stream: bool = False
    # Whether the rate falls to nothing, linearly, over `most` sequences.
    falling: bool = False


class Learner:
    """A network with its weights, its generator and what its optimiser remembers."""

    def __init__(
        self,
        shape: Shape,
        seed: int,
        spread: float = 0.0,
        forget_bias: float = 1.0,
        input_bias: float = 0.0,
        output_bias: float = 0.0,
        sight: float = 1.0,
    ) -> None:
        """Weights uniform within `spread`, or, where it is 0, within 1 / sqrt(H); biases 0, but for those named.

        `output_bias` is that of the first block's output gate; each further block's is as much more: -1, -2, -3 brought
        the blocks of 1997 into use one by one. Peepholes are drawn as all weights, times `sight`: where h = o c, a memory
        that counts to 50 would else hold gates open or shut before anything is learnt.
        """
        self.shape, self.rng = shape, np.random.default_rng(seed)
        spread = spread or 1 / np.sqrt(shape.hidden)
        self.weights = self.rng.uniform(-spread, spread, size=sum(network.parts_of(shape)))
        before, peepholes, _ = network.parts_of(shape)
        self.weights[before : before + peepholes] *= sight
        biases = self.biases
        biases[:] = 0
        if not shape.plain:
            blocks = shape.hidden // shape.block
            biases[blocks : (1 + shape.forget) * blocks] = forget_bias
            biases[:blocks] = input_bias
            biases[(1 + shape.forget) * blocks : (2 + shape.forget) * blocks] = output_bias * np.arange(1, blocks + 1)
        self.moments = np.zeros((2, len(self.weights)))
        self.changes = np.zeros(1, dtype=np.int64)
        self.state = np.zeros((2, shape.hidden))

    @property
    def biases(self) -> Doubles:
        """(rows,), a view: of input, forget and output gates and cells; of an Elman network: of its units."""
        rows, before = network.rows_of(self.shape), network.seen_of(self.shape)
        return self.weights[before * rows : (before + 1) * rows]

    def train(self, lessons: Sequences, recipe: Recipe, rate: float) -> float:
        """One pass over the sequences in their order; the mean loss of what was asked."""
        steps = lessons.asked.shape[1]
        walk = network.trace(self.shape, steps)
        settings = (KINDS[recipe.loss], recipe.batch, int(recipe.optimiser == "adam"), int(recipe.stream))
        data = (lessons.inputs, lessons.targets, lessons.asked, lessons.lengths)
        memory = (self.weights, self.moments, self.changes, self.state)
        return _train(self.shape, memory, data, walk, settings, (rate, recipe.clip))

    def gradient(self, lessons: Sequences, loss: str) -> Doubles:
        """The gradient of the mean loss of what is asked of these sequences, one number for each weight."""
        total = np.zeros_like(self.weights)
        walk = network.trace(self.shape, lessons.asked.shape[1])
        data = (lessons.inputs, lessons.targets, lessons.asked, lessons.lengths)
        _gradient(self.shape, self.weights, data, walk, KINDS[loss], total, self.state, 0)
        return total

    def answers(self, lessons: Sequences) -> NDArray[np.float64]:
        """(B, T, O), before any squashing; each sequence from an empty state. Past a length: zero."""
        return self.read(lessons, np.zeros((len(lessons.lengths), 2, self.shape.hidden)))

    def read(self, lessons: Sequences, states: Doubles) -> NDArray[np.float64]:
        """(B, T, O) from the states (B, 2, H), h and c, which are set to those after each sequence's last step."""
        walk = network.trace(self.shape, lessons.asked.shape[1])
        answers = np.zeros((*lessons.asked.shape, self.shape.outputs))
        _answers(self.shape, self.weights, lessons.inputs, lessons.lengths, walk, states, answers)
        return answers


def learn(
    learner: Learner,
    draw: Callable[[np.random.Generator, int], Sequences],
    solved: Callable[[Learner], bool],
    recipe: Recipe,
) -> int | None:
    """Trains until the task is solved or the sequences are used up; the sequences it took, None where it was not solved.

    `draw` gives the next lessons, so many, from the learner's own generator.
    """
    for seen in range(0, recipe.most, recipe.check):
        rate = recipe.rate * (1 - seen / recipe.most) if recipe.falling else recipe.rate
        learner.train(draw(learner.rng, recipe.check), recipe, rate)
        if solved(learner):
            return seen + recipe.check
    return None


def passes(learner: Learner, lessons: Sequences, judge: Callable[[Doubles, Sequences], bool], few: int = 16) -> bool:
    """Whether the judge, who wants every sequence right, accepts the answers; `few` are tried first, which saves time."""
    for part in (lessons.take(np.arange(min(few, len(lessons.lengths)))), lessons):
        if not judge(learner.answers(part), part):
            return False
    return True


def pool(lessons: Sequences) -> Callable[[np.random.Generator, int], Sequences]:
    """Lessons drawn at random, with return, from a given set."""
    return lambda rng, count: lessons.take(rng.integers(len(lessons.lengths), size=count))


def right(answers: Doubles, lessons: Sequences, least: float) -> float:
    """Share of the sequences of which every answer asked for is off by less than `least`, the answer being sigma(.)."""
    off = np.abs(0.5 + 0.5 * np.tanh(answers / 2) - lessons.targets).max(axis=2) * lessons.asked
    return float((off.max(axis=1) < least).mean())


def chosen(answers: Doubles, lessons: Sequences) -> float:
    """Share of the sequences of which the largest answer is the right class wherever it is asked for."""
    hit = answers.argmax(axis=2) == lessons.targets.argmax(axis=2)
    return float((hit | (lessons.asked == 0)).all(axis=1).mean())


Data = tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32], NDArray[np.int64]]


@compiled
def _gradient(
    shape: Shape, weights: Doubles, data: Data, walk: Trace, kind: int, gradient: Doubles, state: Doubles, stream: int
) -> float:
    """Adds up the gradient of the mean loss over what is asked; gives that loss. With `stream` the state goes on."""
    inputs, targets, asked, lengths = data
    number = 0.0
    for row in range(len(lengths)):
        for t in range(lengths[row]):
            number += asked[row, t] != 0
    errors = np.zeros((asked.shape[1], shape.outputs))
    loss = 0.0
    for row in range(len(lengths)):
        steps = lengths[row]
        for j in range(shape.hidden):
            walk.output[0, j] = state[0, j] * stream
            walk.memory[0, j] = state[1, j] * stream
        network.forward(shape, weights, inputs[row], steps, walk)
        for t in range(steps):
            for k in range(shape.outputs):
                errors[t, k] = 0
            if asked[row, t] != 0:
                weight = asked[row, t] / number
                loss += network.mistake(kind, walk.answers[t], targets[row, t], weight, errors[t])
        network.backward(shape, weights, inputs[row], steps, walk, errors, gradient)
        for j in range(shape.hidden):
            state[0, j], state[1, j] = walk.output[steps, j], walk.memory[steps, j]
    return loss


@compiled
def _train(
    shape: Shape,
    memory: tuple[Doubles, Doubles, NDArray[np.int64], Doubles],
    data: Data,
    walk: Trace,
    settings: tuple[int, int, int, int],
    pace: tuple[float, float],
) -> float:
    """Changes the weights after every batch; the mean of the batches' losses."""
    weights, moments, changes, state = memory
    inputs, targets, asked, lengths = data
    kind, batch, adam, stream = settings
    rate, clip = pace
    gradient = np.zeros_like(weights)
    total, batches = 0.0, 0
    for start in range(0, len(lengths), batch):
        end = min(start + batch, len(lengths))
        part = (inputs[start:end], targets[start:end], asked[start:end], lengths[start:end])
        for k in range(len(weights)):
            gradient[k] = 0
        total += _gradient(shape, weights, part, walk, kind, gradient, state, stream)
        batches += 1
        norm = 0.0
        for k in range(len(weights)):
            norm += gradient[k] * gradient[k]
        scale = clip / math.sqrt(norm) if 0 < clip * clip < norm else 1.0
        changes[0] += 1
        debt1, debt2 = 1 - _BETA1 ** changes[0], math.sqrt(1 - _BETA2 ** changes[0])
        for k in range(len(weights)):
            g = scale * gradient[k]
            if adam:
                moments[0, k] += (1 - _BETA1) * (g - moments[0, k])
                moments[1, k] += (1 - _BETA2) * (g * g - moments[1, k])
                weights[k] -= rate / debt1 * moments[0, k] / (math.sqrt(moments[1, k]) / debt2 + _TINY)
            else:
                weights[k] -= rate * g
    return total / batches


@compiled
def _answers(
    shape: Shape,
    weights: Doubles,
    inputs: NDArray[np.float32],
    lengths: NDArray[np.int64],
    walk: Trace,
    states: Doubles,
    answers: Doubles,
) -> None:
    for row in range(len(lengths)):
        steps = lengths[row]
        for j in range(shape.hidden):
            walk.output[0, j], walk.memory[0, j] = states[row, 0, j], states[row, 1, j]
        network.forward(shape, weights, inputs[row], steps, walk)
        for t in range(steps):
            for k in range(shape.outputs):
                answers[row, t, k] = walk.answers[t, k]
        for j in range(shape.hidden):
            states[row, 0, j], states[row, 1, j] = walk.output[steps, j], walk.memory[steps, j]
