"""Evolino: networks whose inside is evolved and whose readout is computed foretell superimposed sines.

python scripts/experiments/evolino.py [--quick] [--seeds 5] [--json FILE] [--plot FILE.svg] [--journal FILE]

Schmidhuber, Wierstra & Gomez 2005. After 100 steps the readout is fitted to 300; the next 100 choose the network; then
300 steps that nothing has seen are foretold by the network that reads its own answers, and reported. The
same number of networks drawn at random, the best taken, says what evolution adds; a network taught by its gradient
(next step, 400 steps, 3,000 times over) says what doing without costs.
"""

import statistics
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from recog import plot
from recog.tasks import report, sines
from recog.tasks.evolution import Evolution, Foreteller, Series, assemble, evolve, shape_of
from recog.tasks.journal import Journal
from recog.tasks.learning import Learner, Recipe
from recog.tasks.sequences import Sequences as Lessons

AT, STEPS = 500, 300


def random_search(series: Series, evolution: Evolution, seed: int) -> np.ndarray:
    """The best of as many networks as evolution tries."""
    rng, shape = np.random.default_rng([seed, 2]), shape_of(evolution.cells)
    foreteller, best, least = Foreteller(series, shape, evolution.ridge), np.empty(0), float("inf")
    for _ in range(evolution.trials * evolution.generations):
        drawn = rng.normal(0, evolution.spread, size=(evolution.cells, 4 * (evolution.cells + 2)))
        weights = assemble(drawn, shape)
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


def main(argv: Sequence[str] | None = None) -> int:
    """Prints the table and the claims."""
    arguments = report.parser(__doc__, seeds=5).parse_args(argv)
    seeds, journal = 2 if arguments.quick else arguments.seeds, Journal(arguments.journal)
    rows, lines, medians = report.Rows(), [], {}
    for count in (2,) if arguments.quick else (2, 3, 4):
        # With three sines and more a readout that is hardly regularised has weights in the thousands, and runs away.
        full = Evolution(cells=5 + 5 * (count - 1), ridge=1e-12 if count == 2 else 1e-9)
        evolution = Evolution(cells=10, generations=12) if arguments.quick else full
        series = Series(sines.superimposed(count, AT + STEPS), settle=100, fit=300, choose=100)
        foreteller = Foreteller(series, shape_of(evolution.cells), evolution.ridge)
        power, curves = float(np.var(series.values)), []
        for way in ("evolved", "drawn") if arguments.quick else ("evolved", "drawn", "taught"):

            def once(
                seed: int,
                way: str = way,
                evolution: Evolution = evolution,
                series: Series = series,
                foreteller: Foreteller = foreteller,
            ) -> list[float]:
                curve: tuple[float, ...] = ()
                if way == "evolved":
                    result = evolve(series, evolution, seed)
                    weights, curve = result.weights, result.errors
                elif way == "drawn":
                    weights = random_search(series, evolution, seed)
                else:
                    weights = taught(series, evolution.cells, seed)
                return [foreteller.error(weights, AT, STEPS), *curve]

            kept = journal.figures(f"{count} sines, {way}, {evolution}", seeds, once)
            shares = [values[0] / power for values in kept.values]
            curves = curves or [values[1:] for values in kept.values]
            medians[count, way] = statistics.median(shares)
            ours = f"{medians[count, way]:.1e} ({min(shares):.1e} to {max(shares):.1e}) of the variance"
            name = {"evolved": "evolved", "drawn": "best of as many at random", "taught": "taught by gradient"}[way]
            paper = "foretells 2 to 5 sines (2005)" if way == "evolved" else "worse (2005)" if way == "taught" else "-"
            rows.append(report.Row(f"{count} sines, {evolution.cells} cells, {name}", paper, ours, seeds, kept.minutes))
        middle = [statistics.median(values) / power for values in zip(*curves, strict=True)]
        points = tuple((float(k + 1), float(np.log10(max(value, 1e-12)))) for k, value in enumerate(middle))
        lines.append(plot.Line(f"{count} sines", points, report.COLOURS[count - 2]))
    claims = [
        report.Claim(
            "evolved networks foretell two sines, 300 steps ahead, to 10 % of the variance", medians[2, "evolved"] < 0.1
        ),
        report.Claim("evolution finds better ones than chance", medians[2, "evolved"] < medians[2, "drawn"]),
    ]
    if not arguments.quick:
        claims += [
            report.Claim(
                f"on {count} sines it beats the network taught by its gradient",
                medians[count, "evolved"] < medians[count, "taught"],
            )
            for count in (2, 3, 4)
        ]
    panels = [plot.Panel("error that chooses, log10 of the share of the variance", tuple(lines))]
    return report.finish(arguments, rows, claims, panels, "generations")


if __name__ == "__main__":
    sys.exit(main())
