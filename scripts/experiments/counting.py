"""a^n b^n and a^n b^n c^n: taught up to n = 10, how far does a network count?

python scripts/experiments/counting.py [--quick] [--seeds 10] [--json FILE] [--plot FILE.svg] [--journal FILE]

Gers & Schmidhuber 2001. A word is right when at every step the set of symbols that may follow is told (each answer on
its side of 0.5). A network counts to N when all words up to n = N are right; the furthest it came while it was taught
counts, as in the paper, and also where it stood in the end. One change of the weights a word, Adam, falling rate.
"""

import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from recog import plot
from recog.tasks import counting, report
from recog.tasks.journal import Journal
from recog.tasks.learning import Learner, Recipe, learn, right
from recog.tasks.network import Shape
from recog.tasks.sequences import Sequences as Batch

TAUGHT = 10


@dataclass(frozen=True)
class Trial:
    """A language, and the network that learns it."""

    name: str
    short: str
    paper: str
    letters: int
    shape: Shape


TRIALS = (
    Trial(
        "a^n b^n, peepholes, 2 cells",
        "ab, peepholes",
        "n <= 1,000 at best, mean 118 (2001)",
        2,
        Shape(3, 2, 3, peephole=1),
    ),
    Trial("a^n b^n, no peepholes, 2 cells", "ab, none", "-", 2, Shape(3, 2, 3)),
    Trial("a^n b^n, Elman of 5", "ab, Elman", "-", 2, Shape(3, 5, 3, plain=1)),
    Trial(
        "a^n b^n c^n, peepholes, 3 cells",
        "abc, peepholes",
        "n <= 52 at best, mean 28 (2001)",
        3,
        Shape(4, 3, 4, peephole=1),
    ),
    Trial("a^n b^n c^n, no peepholes, 3 cells", "abc, none", "-", 3, Shape(4, 3, 4)),
    Trial("a^n b^n c^n, Elman of 8", "abc, Elman", "-", 3, Shape(4, 8, 4, plain=1)),
)


def furthest(learner: Learner, letters: int, most: int) -> int:
    """The N up to which all words are right."""
    for n in range(1, most + 1):
        word = counting.words([n], letters)
        if right(learner.answers(word), word, least=0.5) < 1:
            return n - 1
    return most


@dataclass(frozen=True)
class Count:
    """How far one network came."""

    # Words until all up to TAUGHT were right, None where they never were.
    took: int | None
    best: int
    last: int


def count(trial: Trial, seed: int, words: int, most: int) -> Count:
    """Teaches one network, looking fifty times how far it counts."""
    reached: list[int] = []

    def draw(rng: np.random.Generator, number: int) -> Batch:
        return counting.words(rng.integers(1, TAUGHT, size=number, endpoint=True).tolist(), trial.letters)

    def look(learner: Learner) -> bool:
        reached.append(furthest(learner, trial.letters, most))
        return False

    check = words // 50
    learn(Learner(trial.shape, seed), draw, look, Recipe("several", 0.01, words, check, falling=True))
    known = [number for number, n in enumerate(reached) if n >= TAUGHT]
    return Count((known[0] + 1) * check if known else None, max(reached), reached[-1])


def main(argv: Sequence[str] | None = None) -> int:
    """Prints the table and the claims."""
    arguments = report.parser(__doc__, seeds=10).parse_args(argv)
    seeds, words, most = (4, 5000, 200) if arguments.quick else (arguments.seeds, 30_000, 500)
    journal = Journal(arguments.journal)
    rows, lines, best = report.Rows(), [], {}
    for trial in TRIALS[:1] + TRIALS[3:4] if arguments.quick else TRIALS:

        def once(seed: int, trial: Trial = trial) -> tuple[int | None, int, int]:
            one = count(trial, seed, words, most)
            return one.took, one.best, one.last

        found = journal.figures(f"{trial.name}, {words} words, up to {most}", seeds, once)
        counts = [Count(*values) for values in found.values]
        best[trial.short] = sorted(one.best for one in counts)
        middle = statistics.mean(best[trial.short])
        ours = (
            f"taught words known: {report.solved([one.took for one in counts])}; counts to {max(best[trial.short]):,} at "
            f"best, mean {middle:.0f}, in the end median {statistics.median(one.last for one in counts):g}"
        )
        rows.append(report.Row(trial.name, trial.paper, ours, seeds, found.minutes))
        points = tuple((float(number + 1), float(n)) for number, n in enumerate(best[trial.short]))
        lines.append(plot.Line(trial.short, points, report.COLOURS[len(lines)], marked=True))
    claims = [
        report.Claim(
            "taught up to 10, the median LSTM counts a^n b^n to twice that and the best to 100",
            statistics.median(best["ab, peepholes"]) >= 2 * TAUGHT and max(best["ab, peepholes"]) >= 100,
        ),
        report.Claim(
            "every LSTM learns a^n b^n c^n up to 10, and the best beyond",
            min(best["abc, peepholes"]) >= TAUGHT < max(best["abc, peepholes"]),
        ),
    ]
    if not arguments.quick:
        claims += [
            report.Claim(
                "with peepholes a^n b^n goes further than without (median)",
                statistics.median(best["ab, peepholes"]) > statistics.median(best["ab, none"]),
            ),
            report.Claim(
                "with peepholes a^n b^n c^n goes further than without (median)",
                statistics.median(best["abc, peepholes"]) > statistics.median(best["abc, none"]),
            ),
            report.Claim(
                "an Elman network counts less far than the LSTM (a^n b^n, median)",
                statistics.median(best["ab, Elman"]) < statistics.median(best["ab, peepholes"]),
            ),
        ]
    panels = [plot.Panel("furthest n, seeds in order", tuple(lines), logarithmic=True, low=1.0)]
    return report.finish(arguments, rows, claims, panels, "seed")


if __name__ == "__main__":
    sys.exit(main())
