"""Long time lags: a first symbol decides the last one, up to 10,000 steps later.

python scripts/experiments/long_lags.py [--quick] [--seeds 10] [--json FILE] [--plot FILE.svg] [--journal FILE]

Hochreiter & Schmidhuber 1997, experiments 2 (with and without random distractors between) and 3 (noise on the line that
carries the signal). One change of the weights a sequence (3: every two), Adam; solved when all of 256 fresh sequences (64 for
lags above 1,000) are right at the end. 3a: within 0.2 of their class. 3b, noise on the signal too: 99 of 100 on the right side.
3c, targets of 0.2 and 0.8 with noise on them: within 0.015 of the one without noise, on average. Input gates begin
nearly shut, which keeps distractors out of the memory.
"""

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from recog import plot
from recog.tasks import lags, report
from recog.tasks.journal import Figures, Journal
from recog.tasks.learning import Learner, Recipe, chosen, learn, passes, right
from recog.tasks.network import Shape
from recog.tasks.sequences import Sequences as Batch


@dataclass(frozen=True)
class Trial:
    """A lag, and the network that has to bridge it."""

    name: str
    paper: str
    lag: int
    # Different distractors; 0: experiment 3.
    distractors: int
    network: str
    most: int = 3000
    # Of experiment 3: numbers that carry the signal, and which part of it.
    signal: int = 3
    part: str = "a"


def trials(quick: bool) -> list[Trial]:
    """All of them, or the two that show it."""
    if quick:
        return [
            Trial("lag 1,000, 50 distractors", "203,000 (1997)", 1000, 50, "1997", 1000),
            Trial("lag 100, 50 distractors, Elman", "fails", 100, 50, "elman", 500),
        ]
    return [
        Trial("lag 100, 50 distractors", "-", 100, 50, "1997"),
        Trial("lag 1,000, 50 distractors", "203,000 (1997)", 1000, 50, "1997"),
        Trial("lag 1,000, nothing random between", "-", 1000, 1, "1997"),
        Trial("lag 5,000, 50 distractors", "-", 5000, 50, "1997"),
        Trial("lag 10,000, 50 distractors", "-", 10_000, 50, "1997"),
        Trial("lag 1,000, 50 distractors, forget gate (bias 8)", "-", 1000, 50, "gated"),
        Trial("lag 100, 50 distractors, forget gate (bias 1)", "-", 100, 50, "leaky"),
        Trial("lag 100, 50 distractors, Elman", "fails (1997)", 100, 50, "elman"),
        Trial("3a: noise, lag 100, signal of 3 steps", "39,850 (1997)", 100, 0, "1997", 20_000),
        Trial(
            "3b: noise on the signal of 3 steps, lag 100",
            "485,080 (1 step, lag 1,000; 1997)",
            100,
            0,
            "1997",
            20_000,
            3,
            "b",
        ),
        Trial("3c: noise on targets, lag 100, signal of 3 steps", "269,650 (1997)", 100, 0, "1997", 20_000, 3, "c"),
    ]


def learner(network: str, features: int, outputs: int, seed: int, lag: int) -> Learner:
    """A network of 4 cells or, plain, of 8 units."""
    if network == "elman":
        return Learner(Shape(features, 8, outputs, plain=1), seed)
    if network == "1997":
        shape = Shape(features, 4, outputs, block=2, forget=0, half=1, truncated=1)
        # What leaks in during a lag grows with it, so gates begin the more shut: -4 at 1,000 steps, 1 e-fold for each
        # e-fold of the lag.
        return Learner(shape, seed, input_bias=2.9 - math.log(lag))
    return Learner(Shape(features, 4, outputs), seed, input_bias=-4.0, forget_bias=8.0 if network == "gated" else 1.0)


def off_by(answers: np.ndarray, lines: Batch) -> float:
    """How far answers, as sigma(.), are from their targets, on average over what is asked."""
    off = np.abs(1 / (1 + np.exp(-answers)) - lines.targets).max(axis=2)
    return float(off[lines.asked > 0].mean())


def bridge(trial: Trial, seeds: int, journal: Journal) -> Figures:
    """The sequences each seed needed, None where it did not bridge the lag."""

    def draw(rng: np.random.Generator, count: int) -> Batch:
        if trial.distractors:
            return lags.distracted(rng, count, trial.lag, trial.distractors)
        return lags.two_classes(
            rng, count, trial.lag, trial.signal, trial.part == "b", 0.1 if trial.part == "c" else None
        )

    def unblurred(rng: np.random.Generator, count: int) -> Batch:
        return lags.two_classes(rng, count, trial.lag, trial.signal, blur=0.0)

    test = (unblurred if trial.part == "c" else draw)(np.random.default_rng(1997), 256 if trial.lag <= 1000 else 64)
    features, outputs = test.inputs.shape[2], test.targets.shape[2]
    if trial.distractors:
        recipe = Recipe("classes", rate=0.01, most=trial.most, check=100 if trial.lag <= 1000 else 50)
    else:
        recipe = Recipe("several", rate=0.01, most=trial.most, check=500, batch=2, falling=trial.part == "c")

    def told(answers: np.ndarray, part: Batch) -> bool:
        return (chosen(answers, part) if trial.distractors else right(answers, part, least=0.2)) == 1

    def solved(taught: Learner) -> bool:
        if trial.part == "b":
            return right(taught.answers(test), test, least=0.5) >= 0.99
        if trial.part == "c":
            return off_by(taught.answers(test), test) < 0.015
        return passes(taught, test, told)

    def once(seed: int) -> int | None:
        return learn(learner(trial.network, features, outputs, seed, trial.lag), draw, solved, recipe)

    return journal.figures(f"{trial.name}, {trial.most} at most", seeds, once)


def main(argv: Sequence[str] | None = None) -> int:
    """Prints the table and the claims."""
    arguments = report.parser(__doc__, seeds=10).parse_args(argv)
    seeds, journal = 3 if arguments.quick else arguments.seeds, Journal(arguments.journal)
    rows, lines, share = report.Rows(), [], {}
    for trial in trials(arguments.quick):
        found = bridge(trial, seeds, journal)
        took = found.values
        share[trial.name] = sum(one is not None for one in took) / len(took)
        rows.append(report.Row(trial.name, trial.paper, report.solved(took), len(took), found.minutes))
        if trial.network == "1997" and trial.distractors > 1:
            colour = report.COLOURS[len(lines)]
            lines.append(report.shares(f"{trial.lag:,}", took, 1500, colour))
    claims = [
        report.Claim("a lag of 1,000 steps is bridged by 9 of 10 seeds", share["lag 1,000, 50 distractors"] >= 0.9),
        report.Claim("an Elman network does not bridge 100", share["lag 100, 50 distractors, Elman"] <= 0.1),
    ]
    if not arguments.quick:
        noisy = [value for name, value in share.items() if name.startswith("3")]
        claims.append(
            report.Claim("noise and signal on one line are told apart (3a to 3c, 9 of 10 seeds)", min(noisy) >= 0.9)
        )
    panels = [plot.Panel("seeds that bridge a lag of so many steps, %", tuple(lines), low=0.0, high=100.0)]
    return report.finish(arguments, rows, claims, panels, "sequences seen")


if __name__ == "__main__":
    sys.exit(main())
