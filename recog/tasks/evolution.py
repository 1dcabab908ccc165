"""Evolution of recurrent networks with optimal linear outputs: training without gradients (Evolino).

Schmidhuber, Wierstra & Gomez 2005: what is inside the network is evolved, cell by cell in subpopulations of their own
(Gomez & Miikkulainen 1999); what its outputs mean is computed in one step, by the pseudo-inverse.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recog.compile import compiled
from recog.errors import ConfigError
from recog.tasks import network
from recog.tasks.network import Doubles, Shape, Trace


@dataclass(frozen=True)
class Series:
    """A line of numbers to be foretold, and which of its steps are for what."""

    values: Doubles
    # Steps read before answers count; steps the readout is fitted to; steps foretold to choose a network.
    settle: int
    fit: int
    choose: int


@dataclass(frozen=True)
class Start:
    """How widely the first weights are spread, normally around 0."""

    # What a cell reads of the input; what it reads of all cells; what gates read of both; biases.
    inputs: float = 0.1
    back: float = 0.1
    gates: float = 0.1
    biases: float = 0.1
    # Where biases of forget gates lie, evenly spread: memories of several lifetimes. Without it they are as other biases.
    keep: tuple[float, float] | None = None

    def spreads(self, shape: Shape) -> Doubles:
        """(genes,) of one cell's chromosome."""
        found = np.full((shape.features + shape.hidden + 1, 4), self.gates)
        found[: shape.features, 3] = self.inputs
        found[shape.features : -1, 3] = self.back
        found[-1] = self.biases
        return found.reshape(-1)

    def drawn(self, rng: np.random.Generator, shape: Shape, count: int) -> Doubles:
        """(cells, count, genes): so many chromosomes of each cell."""
        spreads = self.spreads(shape)
        found = rng.normal(0, spreads, size=(shape.hidden, count, len(spreads)))
        if self.keep is not None:
            found[..., -3] = rng.uniform(*self.keep, size=found.shape[:2])
        return found


EVEN = Start()
# Cells as good as linear, since gates hardly move and what cells hold is small: a rotation that a linear readout keeps
# going exactly, where the bent cells of `EVEN` lose three phases and more.
NEARLY_LINEAR = Start(inputs=0.001, back=0.8, gates=0.0002, keep=(-0.5, 2.0))


@dataclass(frozen=True)
class Evolution:
    """How to look for a network."""

    cells: int
    # Chromosomes of each cell, networks tried a generation, generations.
    population: int = 40
    trials: int = 120
    generations: int = 60
    # How the first weights are drawn; scale of the Cauchy noise of a mutation, in spreads of these; share of weights that mutate.
    start: Start = EVEN
    noise: float = 0.2
    share: float = 0.2
    # Generations without progress after which all cells begin anew around the best (burst mutation).
    patience: int = 15
    # What is added to the readout's equations, a share of the steps fitted: more of it, smaller weights and steadier answers.
    ridge: float = 1e-12


@dataclass(frozen=True)
class Evolved:
    """The best network, and the least error, as `chosen_error` has it, after each generation."""

    weights: Doubles
    errors: tuple[float, ...]


def shape_of(cells: int) -> Shape:
    """One number in, one out, LSTM cells with forget gates between."""
    return Shape(1, cells, 1)


@compiled
def foretell(shape: Shape, weights: Doubles, walk: Trace, at: int, one: Trace, values: Doubles) -> None:
    """Fills `values` with what the network says when it reads its own answers, from step `at` of its walk onwards."""
    x = np.zeros((1, 1), dtype=np.float32)
    for j in range(shape.hidden):
        one.output[0, j], one.memory[0, j] = walk.output[at, j], walk.memory[at, j]
    value = walk.answers[at - 1, 0]
    for t in range(len(values)):
        values[t] = value
        x[0, 0] = value
        network.forward(shape, weights, x, 1, one)
        value = one.answers[0, 0]
        for j in range(shape.hidden):
            one.output[0, j], one.memory[0, j] = one.output[1, j], one.memory[1, j]


class Foreteller:
    """A network over a series: fitted, then left to itself."""

    def __init__(self, series: Series, shape: Shape, ridge: float = 1e-12) -> None:
        if series.settle + series.fit + series.choose > len(series.values):
            raise ConfigError(f"a series of {len(series.values)} values is shorter than the steps asked of it")
        self.series, self.shape, self.ridge = series, shape, ridge
        self.x = series.values.astype(np.float32)[:, None]
        self.walk, self.one = network.trace(shape, len(series.values)), network.trace(shape, 1)

    def fit(self, weights: Doubles) -> None:
        """Sets the weights of the answer to those that foretell the fitting steps best (`solve`)."""
        network.forward(self.shape, weights, self.x, self.series.settle + self.series.fit, self.walk)
        self.solve(weights)

    def solve(self, weights: Doubles) -> None:
        """The readout by the pseudo-inverse, hardly regularised, from a walk over the fitting steps."""
        settle, fit = self.series.settle, self.series.fit
        states = np.ones((fit, self.shape.hidden + 1))
        states[:, :-1] = self.walk.output[settle + 1 : settle + fit + 1]
        wanted = self.series.values[settle + 1 : settle + fit + 1]
        weights[-(self.shape.hidden + 1) :] = np.linalg.solve(
            states.T @ states + self.ridge * fit * np.eye(states.shape[1]), states.T @ wanted
        )

    def error(self, weights: Doubles, at: int, steps: int) -> float:
        """Mean squared error over `steps` foretold from step `at`, the series having been read up to there."""
        network.forward(self.shape, weights, self.x, at, self.walk)
        return self.alone(weights, at, steps)

    def alone(self, weights: Doubles, at: int, steps: int) -> float:
        """`error` after a walk to step `at` or further."""
        told: NDArray[np.float64] = np.zeros(steps)
        foretell(self.shape, weights, self.walk, at, self.one, told)
        error = float(np.mean((told - self.series.values[at : at + steps]) ** 2))
        return error if np.isfinite(error) else float("inf")

    def chosen_error(self, weights: Doubles) -> float:
        """Fits, and gives the error over the steps that choose: the geometric mean of two mean squared ones.

        One is of each step from the true ones before it, the other of the network left to itself. The second is what is
        wanted; but a network that is a little wrong soon errs as much as one that is quite wrong, and only the first
        tells the better of two bad ones. What lies within does not know the readout: one walk serves all three.
        """
        start, steps = self.series.settle + self.series.fit, self.series.choose
        network.forward(self.shape, weights, self.x, start + steps, self.walk)
        self.solve(weights)
        readout = weights[-(self.shape.hidden + 1) :]
        self.walk.answers[: start + steps, 0] = self.walk.output[1 : start + steps + 1] @ readout[:-1] + readout[-1]
        alone = self.alone(weights, start, steps)
        told, true = self.walk.answers[start : start + steps - 1, 0], self.series.values[start + 1 : start + steps]
        return float(np.sqrt(np.mean((told - true) ** 2) * alone))


def evolve(series: Series, evolution: Evolution, seed: int) -> Evolved:
    """Looks for the network that foretells best, cell by cell."""
    rng, shape = np.random.default_rng(seed), shape_of(evolution.cells)
    foreteller = Foreteller(series, shape, evolution.ridge)
    # (cells, population, genes): a cell's genes are all weights into its three gates and itself.
    pools = evolution.start.drawn(rng, shape, evolution.population)
    noise = evolution.noise * evolution.start.spreads(shape)
    best, best_error, since = np.empty(0), float("inf"), 0
    best_genes = pools[:, 0].copy()
    errors = []
    for _ in range(evolution.generations):
        fitness = np.full((evolution.cells, evolution.population), np.inf)
        since += 1
        for trial in range(evolution.trials):
            # Every chromosome is tried, as often as all others, beside others drawn at random.
            if trial % evolution.population == 0:
                teams = np.stack([rng.permutation(evolution.population) for _ in range(evolution.cells)])
            team = teams[:, trial % evolution.population]
            cells = np.arange(evolution.cells)
            weights = assemble(pools[cells, team], shape)
            error = foreteller.chosen_error(weights)
            fitness[cells, team] = np.minimum(fitness[cells, team], error)
            if error < best_error:
                best, best_error, best_genes, since = weights, error, pools[cells, team].copy(), 0
        errors.append(best_error)
        if since > evolution.patience:
            pools = best_genes[:, None] + noise * rng.standard_cauchy(pools.shape)
            since = 0
        else:
            breed(pools, fitness, noise, evolution, rng)
    return Evolved(best, tuple(errors))


def assemble(chromosomes: Doubles, shape: Shape) -> Doubles:
    """(cells, genes) -> the weights of the network; those of its answer are zero."""
    weights = np.zeros(sum(network.parts_of(shape)))
    rows = network.rows_of(shape)
    into = weights[: (shape.features + shape.hidden + 1) * rows].reshape(-1, 4, shape.hidden)
    into[:] = chromosomes.reshape(shape.hidden, -1, 4).transpose(1, 2, 0)
    return weights


def breed(pools: Doubles, fitness: Doubles, noise: Doubles, evolution: Evolution, rng: np.random.Generator) -> None:
    """The worse half of each cell's chromosomes gives way to mutated mixtures of pairs from the best quarter."""
    count = evolution.population
    for pool, errors in zip(pools, fitness, strict=True):
        pool[:] = pool[np.argsort(errors)]
        parents = rng.integers(count // 4, size=(count - count // 2, 2))
        mixed = rng.random((len(parents), pool.shape[1])) < 0.5
        children = np.where(mixed, pool[parents[:, 0]], pool[parents[:, 1]])
        mutated = rng.random(children.shape) < evolution.share
        pool[count // 2 :] = children + mutated * noise * rng.standard_cauchy(children.shape)
