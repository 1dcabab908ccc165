"""Adding and multiplication: two marked numbers of a line of a hundred or more, their sum or product at its end.

python scripts/experiments/adding.py [--quick] [--seeds 10] [--json FILE] [--plot FILE.svg] [--journal FILE]

Hochreiter & Schmidhuber 1997, experiments 4 and 5. An answer is wrong when it is off by 0.04 or more. Adding is
solved when 99 % of 256 fresh lines are right, multiplication when 93 % are (the paper's milder goal: under 140 wrong
of 2,000); 2,560 other lines then count what is wrong, as in the paper. Adam, 4 lines a change of the weights.
"""

import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from recog import plot
from recog.tasks import adding, report
from recog.tasks.journal import Journal
from recog.tasks.learning import Learner, Recipe, learn
from recog.tasks.network import Shape
from recog.tasks.sequences import Sequences as Batch

ORIGINAL = Shape(2, 8, 1, block=2, forget=0, half=1)
RECIPE = Recipe("straight", rate=0.01, most=60_000, check=1000, batch=4, falling=True)


@dataclass(frozen=True)
class Trial:
    """A length of line, and the network that reads it."""

    name: str
    short: str
    paper: str
    steps: int
    product: bool
    shape: Shape
    start: dict[str, float]
    recipe: Recipe = RECIPE


TRIALS = (
    Trial("adding, 100", "adding 100", "74,000, 1 of 2,560 wrong", 100, False, ORIGINAL, {"input_bias": -3.0}),
    Trial(
        "adding, 100, forget gate", "gated", "-", 100, False, Shape(2, 8, 1), {"input_bias": -3.0, "forget_bias": 5.0}
    ),
    Trial(
        "adding, 100, Elman of 16", "", "fails", 100, False, Shape(2, 16, 1, plain=1), {}, replace(RECIPE, most=30_000)
    ),
    Trial(
        "multiplication, 100",
        "product",
        "482,000, 139 of 2,560 wrong",
        100,
        True,
        ORIGINAL,
        {"input_bias": -2.0},
        replace(RECIPE, rate=0.02),
    ),
    Trial("adding, 500", "500", "209,000, 0 of 2,560 wrong", 500, False, ORIGINAL, {"input_bias": -4.0}),
    Trial("adding, 1,000", "1,000", "853,000, 1 of 2,560 wrong", 1000, False, ORIGINAL, {"input_bias": -5.0}),
)


def wrong(learner: Learner, lines: Batch) -> float:
    """Share of the lines answered 0.04 or more beside the truth."""
    off = np.abs(learner.answers(lines) - lines.targets).max(axis=2) * lines.asked
    return float((off.max(axis=1) >= 0.04).mean())


def main(argv: Sequence[str] | None = None) -> int:
    """Prints the table and the claims."""
    arguments = report.parser(__doc__, seeds=10).parse_args(argv)
    seeds, journal = 2 if arguments.quick else arguments.seeds, Journal(arguments.journal)
    rows, lines, share = report.Rows(), [], {}
    for trial in TRIALS:
        if arguments.quick and trial.name not in ("adding, 100", "adding, 100, Elman of 16"):
            continue
        recipe = replace(trial.recipe, most=20_000 if trial is TRIALS[0] else 4000) if arguments.quick else trial.recipe
        steps, product = trial.steps, trial.product

        def draw(rng: np.random.Generator, count: int, steps: int = steps, product: bool = product) -> Batch:
            return adding.marked_pairs(rng, count, steps, product)

        looked, counted = draw(np.random.default_rng(1), 256), draw(np.random.default_rng(2), 2560)
        most_wrong = 0.07 if product else 0.01

        def solved(learner: Learner, looked: Batch = looked, most: float = most_wrong) -> bool:
            return wrong(learner, looked) <= most

        def once(
            seed: int, trial: Trial = trial, recipe: Recipe = recipe, counted: Batch = counted
        ) -> list[int | None]:
            learner = Learner(trial.shape, seed, **trial.start)
            return [learn(learner, draw, solved, recipe), round(2560 * wrong(learner, counted))]

        found = journal.figures(f"{trial.name}, {recipe.most} at most", seeds, once)
        took, missed = zip(*found.values, strict=True)
        share[trial.name] = sum(one is not None for one in took) / seeds
        done = [count for count, one in zip(missed, took, strict=True) if one is not None] or missed
        ours = f"{report.solved(took)}; wrong {statistics.median(done):g} of 2,560 (median)"
        paper = f"{trial.paper} (1997)" if trial.paper != "-" else "-"
        rows.append(report.Row(trial.name, paper, ours, seeds, found.minutes))
        if trial.short:
            lines.append(report.shares(trial.short, took, RECIPE.most, report.COLOURS[len(lines)]))
    claims = [
        report.Claim("LSTM adds two numbers 100 steps apart (9 of 10 seeds)", share["adding, 100"] >= 0.9),
        report.Claim("an Elman network does not", share["adding, 100, Elman of 16"] <= 0.1),
    ]
    if not arguments.quick:
        claims += [
            report.Claim("LSTM adds over 1,000 steps (9 of 10 seeds)", share["adding, 1,000"] >= 0.9),
            report.Claim("LSTM multiplies (9 of 10 seeds)", share["multiplication, 100"] >= 0.9),
        ]
    panels = [plot.Panel("seeds that solve it, %", tuple(lines), low=0.0, high=100.0)]
    return report.finish(arguments, rows, claims, panels, "lines seen")


if __name__ == "__main__":
    sys.exit(main())
