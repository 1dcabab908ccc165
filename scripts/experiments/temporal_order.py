"""Temporal order: which of two rare symbols came first, and second, and third, far apart among distractors.

python scripts/experiments/temporal_order.py [--quick] [--seeds 20] [--json FILE] [--plot FILE.svg] [--journal FILE]

Hochreiter & Schmidhuber 1997, experiments 6a and 6b. One change of the weights a line, Adam; solved when all of 256
fresh lines are told right; 2,560 others then count what is wrong, as in the paper.
"""

import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from recog import plot
from recog.tasks import order, report
from recog.tasks.journal import Journal
from recog.tasks.learning import Learner, Recipe, chosen, learn, passes
from recog.tasks.network import Shape
from recog.tasks.sequences import Sequences as Batch

RECIPE = Recipe("classes", rate=0.01, most=10_000, check=250)


@dataclass(frozen=True)
class Trial:
    """Two or three telling symbols, and the network that reads them."""

    name: str
    short: str
    paper: str
    telling: int
    shape: Shape
    start: dict[str, float]


TRIALS = (
    Trial(
        "4 classes, LSTM 1997",
        "4, 1997",
        "31,390, 1 of 2,560 wrong (1997)",
        2,
        Shape(8, 8, 4, block=2, forget=0, half=1),
        {"input_bias": -2.0},
    ),
    Trial("4 classes, forget gate", "4, gated", "-", 2, Shape(8, 8, 4), {"input_bias": -2.0, "forget_bias": 4.0}),
    Trial(
        "8 classes, LSTM 1997",
        "8, 1997",
        "571,100, 2 of 2,560 wrong (1997)",
        3,
        Shape(8, 8, 8, block=2, forget=0, half=1),
        {"input_bias": -2.0},
    ),
    Trial("8 classes, forget gate", "8, gated", "-", 3, Shape(8, 8, 8), {"input_bias": -2.0, "forget_bias": 4.0}),
    Trial("4 classes, Elman of 16", "", "-", 2, Shape(8, 16, 4, plain=1), {}),
)


def main(argv: Sequence[str] | None = None) -> int:
    """Prints the table and the claims."""
    arguments = report.parser(__doc__, seeds=20).parse_args(argv)
    seeds, journal = 3 if arguments.quick else arguments.seeds, Journal(arguments.journal)
    rows, lines, share = report.Rows(), [], {}
    for trial in TRIALS:
        if arguments.quick and trial not in (TRIALS[0], TRIALS[2]):
            continue
        telling = trial.telling

        def draw(rng: np.random.Generator, count: int, telling: int = telling) -> Batch:
            return order.ordered(rng, count, telling)

        looked, counted = draw(np.random.default_rng(1), 256), draw(np.random.default_rng(2), 2560)

        def solved(learner: Learner, looked: Batch = looked) -> bool:
            return passes(learner, looked, lambda answers, part: chosen(answers, part) == 1)

        def once(seed: int, trial: Trial = trial, counted: Batch = counted) -> tuple[int | None, int]:
            learner = Learner(trial.shape, seed, **trial.start)
            took = learn(learner, draw, solved, RECIPE)
            return took, round(2560 * (1 - chosen(learner.answers(counted), counted)))

        found = journal.figures(trial.name, seeds, once)
        took, missed = zip(*found.values, strict=True)
        share[trial.name] = sum(one is not None for one in took) / seeds
        done = [count for count, one in zip(missed, took, strict=True) if one is not None] or missed
        ours = f"{report.solved(took)}; wrong {statistics.median(done):g} of 2,560 (median)"
        rows.append(report.Row(trial.name, trial.paper, ours, seeds, found.minutes))
        if trial.short:
            lines.append(report.shares(trial.short, took, RECIPE.most, report.COLOURS[len(lines)]))
    claims = [
        report.Claim("LSTM tells the order of two symbols (9 of 10 seeds)", share[TRIALS[0].name] >= 0.9),
        report.Claim("LSTM tells the order of three symbols (9 of 10 seeds)", share[TRIALS[2].name] >= 0.9),
    ]
    if not arguments.quick:
        claims.append(report.Claim("an Elman network does not (1 of 10 seeds at most)", share[TRIALS[4].name] <= 0.1))
    panels = [plot.Panel("seeds that solve it, %", tuple(lines), low=0.0, high=100.0)]
    return report.finish(arguments, rows, claims, panels, "lines seen")


if __name__ == "__main__":
    sys.exit(main())
