"""Evolino: networks whose inside is evolved and whose readout is computed foretell superimposed sines.

python scripts/experiments/evolino.py [--quick] [--seeds 5] [--json FILE] [--plot FILE.svg] [--journal FILE]

Schmidhuber, Wierstra & Gomez 2005. After 100 steps the readout is fitted to 300; the next 100 choose the network; then
300 steps that nothing has seen are foretold by the network that reads its own answers, and reported. The
same number of networks drawn at random, the best taken, says what evolution adds; a network taught by its gradient
(next step, 400 steps, 3,000 times over) says what doing without costs. "Alike": all first weights are drawn from
one distribution; "nearly linear": small where cells would bend (`recog.tasks.evolution.NEARLY_LINEAR`).
"""

import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from recog import plot
from recog.tasks import report, sines
from recog.tasks.evolution import NEARLY_LINEAR, Evolution, Foreteller, Series, assemble, evolve, shape_of
from recog.tasks.journal import Journal
from recog.tasks.learning import Learner, Recipe
from recog.tasks.sequences import Sequences as Lessons

AT, STEPS = 500, 300
WAYS = {"evolved": "evolved", "drawn": "best of as many at random", "taught": "taught by gradient"}
PAPERS = {"evolved": "foretells 2 to 5 sines (2005)", "drawn": "-", "taught": "worse (2005)"}


@dataclass(frozen=True)
class Trial:
    """A series, how networks for it begin and are looked for, and what else is tried on it."""

    sines: int
    begin: str
    evolution: Evolution
    ways: tuple[str, ...]


# The more sines, the smaller what tells them apart, and the less may regularise the readout.
TRIALS = (
    Trial(2, "alike", Evolution(cells=10), ("evolved", "drawn", "taught")),
    Trial(3, "alike", Evolution(cells=15, ridge=1e-9), ("evolved",)),
    *(
        Trial(
            sines,
            "nearly linear",
            Evolution(cells=cells, generations=generations, ridge=1e-15, start=NEARLY_LINEAR),
            ("evolved", "drawn", "taught") if sines == 3 else ("evolved", "drawn"),
        )
        for sines, cells, generations in ((3, 15, 6), (4, 20, 8), (5, 20, 12))
    ),
)
QUICK = (
    Trial(2, "alike", Evolution(cells=10, generations=12), ("evolved", "drawn")),
    Trial(3, "nearly linear", Evolution(cells=15, generations=2, ridge=1e-15, start=NEARLY_LINEAR), ("evolved",)),
)


def random_search(series: Series, evolution: Evolution, seed: int) -> np.ndarray:
    """The best of as many networks as evolution tries."""
    rng, shape = np.random.default_rng([seed, 2]), shape_of(evolution.cells)
    foreteller, best, least = Foreteller(series, shape, evolution.ridge), np.empty(0), float("inf")
    for _ in range(evolution.trials * evolution.generations):
        weights = assemble(evolution.start.drawn(rng, shape, 1)[:, 0], shape)
        error = foreteller.chosen_error(weights)
        if error < least:
            best, least = weights, error
    return best


def taught(series: Series, cells: int, seed: int) -> np.ndarray:
    """A network of the same cells that learnt the next step by its gradient."""
    learner, end = Learner(shape_of(cells), seed), series.settle + series.fit
    values = series.values[: end + 1].astype(np.float32)
    asked = np.ones((1, end), dtype=np.float32)
    asked[:, : series.settle] = 0
    lessons = Lessons(values[None, :-1, None], values[None, 1:, None], asked, np.array([end]))
    for times in range(3000):
        learner.train(lessons, Recipe("straight", 0.01, 1, 1), 0.01 * (1 - times / 3000))
    return learner.weights


def told(trial: Trial, way: str, seed: int) -> list[float]:
    """The share of the variance that one network errs by, then, of evolution, the error that chose in each generation."""
    evolution = trial.evolution
    curve: tuple[float, ...] = ()
    series = Series(sines.superimposed(trial.sines, AT + STEPS), settle=100, fit=300, choose=100)
    if way == "evolved":
        result = evolve(series, evolution, seed)
        weights, curve = result.weights, result.errors
    elif way == "drawn":
        weights = random_search(series, evolution, seed)
    else:
        weights = taught(series, evolution.cells, seed)
    power = float(np.var(series.values))
    error = Foreteller(series, shape_of(evolution.cells), evolution.ridge).error(weights, AT, STEPS)
    return [error / power, *(one / power for one in curve)]


def main(argv: Sequence[str] | None = None) -> int:
    """Prints the table and the claims."""
    arguments = report.parser(__doc__, seeds=5).parse_args(argv)
    seeds, journal = 2 if arguments.quick else arguments.seeds, Journal(arguments.journal)
    rows = report.Rows()
    lines: list[plot.Line] = []
    medians: dict[tuple[int, str, str], float] = {}
    for trial in QUICK if arguments.quick else TRIALS:
        what = f"{trial.sines} sines, {trial.evolution.cells} cells, {trial.begin}"
        for way in trial.ways:
            kept = journal.figures(f"{what}, {way}, {trial.evolution}", seeds, partial(told, trial, way))
            shares = [values[0] for values in kept.values]
            medians[trial.sines, trial.begin, way] = statistics.median(shares)
            ours = f"{statistics.median(shares):.1e} ({min(shares):.1e} to {max(shares):.1e}) of the variance"
            rows.append(report.Row(f"{what}, {WAYS[way]}", PAPERS[way], ours, seeds, kept.minutes))
            if way == "evolved":
                middle = [statistics.median(values) for values in zip(*(one[1:] for one in kept.values), strict=True)]
                points = tuple((float(k + 1), float(np.log10(max(value, 1e-12)))) for k, value in enumerate(middle))
                lines.append(plot.Line(f"{trial.sines}, {trial.begin}", points, report.COLOURS[len(lines)]))
    panels = [plot.Panel("error that chooses, log10 of the share of the variance", tuple(lines))]
    return report.finish(arguments, rows, claims(medians), panels, "generations")


def claims(medians: dict[tuple[int, str, str], float]) -> list[report.Claim]:
    """What was said of evolution, asked of the medians over seeds."""
    found = []
    for (count, begin, way), median in medians.items():
        if way == "evolved" and (count, begin) != (3, "alike"):
            text = f"evolved networks foretell {count} sines ({begin}), 300 steps ahead, to 10 % of the variance"
            found.append(report.Claim(text, median < 0.1))
        elif way == "drawn":
            better = medians[count, begin, "evolved"] < median
            found.append(report.Claim(f"evolution finds better ones than chance for {count} sines ({begin})", better))
        elif way == "taught":
            better = medians[count, begin, "evolved"] < median
            found.append(report.Claim(f"on {count} sines it beats the network taught by its gradient", better))
    return found


if __name__ == "__main__":
    sys.exit(main())
