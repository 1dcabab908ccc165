"""Evolution with optimal linear outputs: readouts, foretelling and breeding against slow twins."""

import numpy as np
import pytest

from recog.errors import ConfigError
from recog.tasks import network, sines
from recog.tasks.evolution import EVEN, Evolution, Foreteller, Series, Start, assemble, breed, evolve, shape_of
from recog.tasks.learning import Learner
from recog.tasks.sequences import Sequences

CELLS = 3
SERIES = Series(sines.superimposed(2, 200), settle=20, fit=100, choose=40)


def drawn(seed: int) -> np.ndarray:
    genes = 4 * (1 + CELLS + 1)
    return np.random.default_rng(seed).normal(0, 0.5, size=(CELLS, genes))


def lessons(values: np.ndarray) -> Sequences:
    x = values.astype(np.float32)[None, :, None]
    return Sequences(x, np.zeros_like(x), np.zeros(x.shape[:2], np.float32), np.array([x.shape[1]]))


def test_a_cell_brings_its_own_rows_and_no_others() -> None:
    shape, genes = shape_of(CELLS), drawn(0)
    other = genes.copy()
    other[1] += 1
    moved = assemble(other, shape) - assemble(genes, shape)
    rows = network.rows_of(shape)
    changed = moved[: rows * (1 + CELLS + 1)].reshape(-1, rows)
    assert set(np.nonzero(changed)[1]) == {1, CELLS + 1, 2 * CELLS + 1, 3 * CELLS + 1}  # gates i, f, o and the cell
    np.testing.assert_allclose(changed[:, [1, CELLS + 1, 2 * CELLS + 1, 3 * CELLS + 1]], 1)
    assert sorted(assemble(genes, shape)[: rows * (2 + CELLS)]) == sorted(genes.ravel())


def test_the_readout_is_the_least_squares_one() -> None:
    shape = shape_of(CELLS)
    weights = assemble(drawn(1), shape)
    Foreteller(SERIES, shape).fit(weights)
    # Slow twin: hidden states read off one by one, by answers that are each cell in turn.
    learner, states = Learner(shape, 0), []
    for cell in range(CELLS):
        learner.weights[:] = weights
        learner.weights[-(CELLS + 1) :] = np.eye(CELLS + 1)[cell]
        states.append(learner.answers(lessons(SERIES.values))[0, 20:120, 0])
    wanted = SERIES.values[21:121]
    best, *_ = np.linalg.lstsq(np.stack([*states, np.ones(100)], axis=1), wanted, rcond=None)
    np.testing.assert_allclose(weights[-(CELLS + 1) :], best, rtol=1e-4)


def test_networks_are_chosen_by_both_errors_of_a_fitted_one() -> None:
    shape = shape_of(CELLS)
    weights = assemble(drawn(5), shape)
    chosen = Foreteller(SERIES, shape).chosen_error(weights)
    # Slow twin: fitted, each step from the true ones, and left to itself, one walk each.
    again, fitted = Foreteller(SERIES, shape), assemble(drawn(5), shape)
    again.fit(fitted)
    np.testing.assert_allclose(weights, fitted, rtol=1e-9)
    learner = Learner(shape, 0)
    learner.weights[:] = fitted
    told = learner.answers(lessons(SERIES.values[:160]))[0, 120:159, 0]
    stepwise = np.mean((told - SERIES.values[121:160]) ** 2)
    assert chosen == pytest.approx(np.sqrt(stepwise * again.error(fitted, 120, 40)), rel=1e-6)


def test_what_is_foretold_is_fed_back_step_by_step() -> None:
    shape = shape_of(CELLS)
    weights = assemble(drawn(2), shape)
    foreteller = Foreteller(SERIES, shape)
    foreteller.fit(weights)
    learner, states = Learner(shape, 0), np.zeros((1, 2, CELLS))
    learner.weights[:] = weights
    value, told = learner.read(lessons(SERIES.values[:150]), states)[0, -1, 0], []
    for _ in range(30):
        told.append(value)
        value = learner.read(lessons(np.array([value])), states)[0, 0, 0]
    error = np.mean((np.array(told) - SERIES.values[150:180]) ** 2)
    assert foreteller.error(weights, 150, 30) == pytest.approx(error, rel=1e-9)


def test_breeding_keeps_the_better_half_in_order() -> None:
    rng = np.random.default_rng(0)
    pools, fitness = rng.normal(size=(2, 12, 5)), rng.random((2, 12))
    before, evolution = pools.copy(), Evolution(cells=2, population=12)
    noise = np.array([0.02, 0.02, 0.02, 0.02, 0.0])
    breed(pools, fitness, noise, evolution, rng)
    for pool, old, errors in zip(pools, before, fitness, strict=True):
        assert (pool[:6] == old[np.argsort(errors)[:6]]).all()
        parents = old[np.argsort(errors)[:3]]
        # A gene is a parent's unless it mutated, which one in five does.
        inherited = (pool[6:, None] == parents).any(axis=1)
        assert 0.5 < inherited[:, :4].mean() < 1
        assert inherited[:, 4].all()  # what has no spread does not mutate


def test_first_weights_are_spread_as_told_where_they_belong() -> None:
    shape, rng = shape_of(CELLS), np.random.default_rng(1)
    start = Start(inputs=1.0, back=2.0, gates=3.0, biases=4.0, keep=(50.0, 60.0))
    pools = start.drawn(rng, shape, 3000)
    # As a network reads them: sources (the input, three cells, the bias) by rows (i, f, o and the cells themselves).
    rows = network.rows_of(shape)
    read = np.stack([assemble(pools[:, number], shape)[: 5 * rows] for number in range(3000)]).reshape(-1, 5, 4, CELLS)
    spread = read.std(axis=(0, 3))
    expected = [[3, 3, 3, 1], *[[3, 3, 3, 2]] * 3, [4, 10 / 12**0.5, 4, 4]]
    np.testing.assert_allclose(spread, expected, rtol=0.05)
    assert read[:, 4, 1].min() >= 50 and read[:, 4, 1].max() <= 60
    assert (EVEN.spreads(shape) == 0.1).all()


def test_evolution_repeats_itself_and_never_gets_worse() -> None:
    evolution = Evolution(cells=CELLS, population=8, trials=16, generations=4, patience=1)
    one, again = evolve(SERIES, evolution, 3), evolve(SERIES, evolution, 3)
    assert (one.weights == again.weights).all() and one.errors == again.errors
    assert list(one.errors) == sorted(one.errors, reverse=True)
    assert Foreteller(SERIES, shape_of(CELLS)).chosen_error(one.weights.copy()) == pytest.approx(
        one.errors[-1], rel=1e-6
    )


def test_a_short_series_is_refused() -> None:
    with pytest.raises(ConfigError, match="shorter than the steps"):
        Foreteller(Series(np.zeros(10), 5, 5, 5), shape_of(2))
