"""Precise timing: spikes told apart by one step in ten, twenty, fifty, and made at such distances. Do peepholes help?

python scripts/experiments/timing.py [--quick] [--seeds 10] [--json FILE] [--plot FILE.svg] [--journal FILE]

Gers, Schraudolph & Schmidhuber 2002, tasks MSD and GTS; their cells have no squashing of the memory, nor have ours
(h = o c); peepholes begin at 0. Making: five spikes are taught from one start signal, over and over; then ten times
as many are asked for.
Adam with a falling rate, where the paper had online descent over far more steps.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from recog import plot
from recog.tasks import report, timing
from recog.tasks.journal import Journal
from recog.tasks.learning import Learner, Recipe, learn, passes, pool, right
from recog.tasks.network import Doubles, Shape
from recog.tasks.sequences import Sequences as Batch

PAPER = {
    ("measure", 1): "tells 49 from 50 (2002)",
    ("measure", 0): "worse or not at all (2002)",
    ("make", 1): "stable streams (2002)",
    ("make", 0): "fails (2002)",
}


# From this interval on measuring is learnt more slowly.
LONG = 40


def told(answers: Doubles, lines: Batch) -> bool:
    """Whether all is right: each answer on its side of 0.5."""
    return right(answers, lines, least=0.5) == 1


def measure(interval: int, peephole: int, seed: int, most: int) -> int | None:
    """Lines of five intervals until all of 100 others are measured right."""
    test = timing.measured(np.random.default_rng(2002), 100, interval, 5)

    def draw(rng: np.random.Generator, count: int) -> Batch:
        return timing.measured(rng, count, interval, 5)

    learner = Learner(Shape(1, 4, 1, peephole=peephole, straight=1), seed, forget_bias=3.0, sight=0.0)
    # One step in fifty is told by weights that 0.003 throws about: smaller changes, and more of them.
    long = interval >= LONG
    recipe = Recipe("several", rate=0.001 if long else 0.003, most=most, check=500, falling=long)
    return learn(learner, draw, lambda one: passes(one, test, told), recipe)


def make(interval: int, peephole: int, seed: int, most: int) -> int | None:
    """Repetitions until five spikes, and the 45 after them that were never taught, come at the right step."""
    taught, asked = timing.generated(interval, 5), timing.generated(interval, 50)
    learner = Learner(Shape(1, 8, 1, peephole=peephole, straight=1), seed, forget_bias=3.0, sight=0.0)
    recipe = Recipe("several", rate=0.02, most=most, check=200, falling=True)
    return learn(learner, pool(taught), lambda one: passes(one, asked, told), recipe)


def main(argv: Sequence[str] | None = None) -> int:
    """Prints the table and the claims."""
    arguments = report.parser(__doc__, seeds=10).parse_args(argv)
    seeds, journal = 4 if arguments.quick else arguments.seeds, Journal(arguments.journal)
    intervals = (10,) if arguments.quick else (10, 20, 49)
    rows, share = report.Rows(), {}
    for name, task, most in (("measure", measure, 20_000), ("make", make, 6000)):
        for interval in intervals:
            for peephole in (1, 0):
                slowly = name == "measure" and interval >= LONG
                limit = 5000 if arguments.quick else 100_000 if slowly else most
                what = f"{name} {interval}, {'with' if peephole else 'without'} peepholes"
                found = journal.figures(
                    f"{what}, {limit} at most",
                    seeds,
                    lambda seed, of=(task, interval, peephole, limit): of[0](of[1], of[2], seed, of[3]),
                )
                took = found.values
                share[name, interval, peephole] = sum(one is not None for one in took) / seeds
                rows.append(report.Row(what, PAPER[name, peephole], report.solved(took), seeds, found.minutes))
    total = {peephole: sum(value for key, value in share.items() if key[2] == peephole) for peephole in (1, 0)}
    claims = [
        report.Claim(
            "LSTM makes spikes every 10 steps and goes on ten times as long as it was taught (half of the seeds)",
            max(share["make", 10, 0], share["make", 10, 1]) >= 0.5,
        ),
    ]
    if not arguments.quick:
        claims += [
            report.Claim("with peepholes more is solved than without, over all", total[1] > total[0]),
            report.Claim(
                "with peepholes 49 steps are told from 50 (half of the seeds)", share["measure", 49, 1] >= 0.5
            ),
        ]
    lines = [
        plot.Line(
            f"{name}, {'with' if peephole else 'without'}",
            tuple((float(interval), 100 * share[name, interval, peephole]) for interval in intervals),
            report.COLOURS[2 * (name == "make") + peephole],
            marked=True,
        )
        for name in ("measure", "make")
        for peephole in (1, 0)
    ]
    panels = [plot.Panel("seeds that solve it, %", tuple(lines), low=0.0, high=100.0)]
    return report.finish(arguments, rows, claims, panels, "interval in steps")


if __name__ == "__main__":
    sys.exit(main())
