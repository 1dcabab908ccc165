"""Reber grammar, plain and embedded: who learns it, in how many strings, and who stands an endless stream of it.

python scripts/experiments/embedded_reber.py [--quick] [--seeds 30] [--json FILE] [--plot FILE.svg] [--journal FILE]

Hochreiter & Schmidhuber 1997, experiment 1, and Gers, Schmidhuber & Cummins 2000. A network is taught the next symbol
of 256 strings, drawn at random, one change of the weights a string; it has solved the task when the legal symbols are
the most active ones at every step of those and of 256 others.
"""

import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from recog import plot
from recog.tasks import reber, report
from recog.tasks.journal import Figures, Journal
from recog.tasks.learning import Learner, Recipe, learn, passes, pool
from recog.tasks.network import Shape

# Symbols of a stream after which it counts: taught within one, a network knows no empty state.
SETTLE = 100
COLOURS = (*report.COLOURS, "#7a4a00", "#00838f")
TRUNCATED = "LSTM 1997, 12 cells in blocks of 2, truncated gradient, Adam"
FALLING = Recipe("classes", rate=0.015, most=12_000, check=200, falling=True)


@dataclass(frozen=True)
class Contestant:
    """A network, how it begins and how it is taught."""

    name: str
    # Its name in the plot's legend.
    short: str
    paper: str
    shape: Shape
    recipe: Recipe
    # Arguments of Learner.
    start: dict[str, float]
    # The grammar alone, nothing of which has to be kept for longer than a symbol or two.
    plain: bool = False


CONTESTANTS = (
    Contestant("LSTM, forget gate, 12 cells, Adam", "LSTM", "-", Shape(7, 12, 7), FALLING, {}),
    Contestant(
        "LSTM 1997, 12 cells in blocks of 2, Adam",
        "1997, Adam",
        "-",
        Shape(7, 12, 7, block=2, forget=0, half=1),
        FALLING,
        {},
    ),
    Contestant(
        "LSTM 1997, 3 blocks of 2, truncated gradient, SGD",
        "1997, SGD",
        "97 to 100 %, 8,440 to 39,740 (1997)",
        Shape(7, 6, 7, block=2, forget=0, half=1, truncated=1),
        Recipe("squared", rate=2.5, most=60_000, check=400, optimiser="sgd", clip=0),
        {"spread": 0.2, "output_bias": -1.0},
    ),
    Contestant(
        "LSTM 1997, 3 blocks of 2, gates see gates, truncated gradient, SGD",
        "1997, gates, SGD",
        "97 to 100 %, 8,440 to 39,740 (1997)",
        Shape(7, 6, 7, block=2, forget=0, half=1, truncated=1, gated=1),
        Recipe("squared", rate=2.5, most=60_000, check=400, optimiser="sgd", clip=0),
        {"spread": 0.2, "output_bias": -1.0},
    ),
    Contestant(
        TRUNCATED,
        "1997, truncated",
        "-",
        Shape(7, 12, 7, block=2, forget=0, half=1, truncated=1),
        FALLING,
        {},
    ),
    Contestant(
        "LSTM 1997, 12 cells, gates see gates, truncated gradient, Adam",
        "1997, all",
        "-",
        Shape(7, 12, 7, block=2, forget=0, half=1, truncated=1, gated=1),
        FALLING,
        {},
    ),
    Contestant("Elman, 20 units, full gradient, Adam", "Elman", "-", Shape(7, 20, 7, plain=1), FALLING, {}),
    Contestant(
        "Elman, 20 units, gradient of one step, Adam",
        "Elman, one step",
        "0 % after 200,000 (1997)",
        Shape(7, 20, 7, plain=1, truncated=1),
        FALLING,
        {},
    ),
    Contestant("Reber grammar alone: LSTM, 12 cells, Adam", "", "-", Shape(7, 12, 7), FALLING, {}, plain=True),
    Contestant(
        "Reber grammar alone: Elman, 20 units, gradient of one step, Adam",
        "",
        "learns it (1989)",
        Shape(7, 20, 7, plain=1, truncated=1),
        FALLING,
        {},
        plain=True,
    ),
)
# Of the quick form.
SHORT = (CONTESTANTS[0], CONTESTANTS[7])


@dataclass(frozen=True)
class Endless:
    """How the networks of one kind did on streams without ends."""

    # Symbols before the first mistake after SETTLE, in each seed's worst stream; the whole stream where there was none.
    before_mistake: tuple[int, ...]
    # Share of wrong predictions in the first (after SETTLE) and the last tenth of the streams, mean over seeds.
    wrong_first: float
    wrong_last: float
    minutes: float


def strings(contestant: Contestant, seeds: int, journal: Journal) -> Figures:
    """The strings each seed needed, None where it never solved the task."""
    rng = np.random.default_rng(1997)
    make, rules = (reber.inner, reber.legal_inner) if contestant.plain else (reber.embedded, reber.legal)
    texts = [make(rng) for _ in range(512)]
    taught, tested = reber.symbols_only(reber.encode(texts[:256], rules)), reber.encode(texts, rules)

    def solved(learner: Learner) -> bool:
        return passes(learner, tested, lambda answers, part: bool(reber.lawful(answers, part).all()))

    def once(seed: int) -> int | None:
        return learn(Learner(contestant.shape, seed, **contestant.start), pool(taught), solved, contestant.recipe)

    return journal.figures(contestant.name, seeds, once)


def endless(name: str, shape: Shape, seeds: int, size: dict[str, int], journal: Journal) -> Endless:
    """Taught on one stream, in chunks of 50 symbols, state kept; then read other streams, from an empty state."""
    chunks, streams, steps = size["chunks"], size["streams"], size["steps"]
    recipe = Recipe("classes", rate=0.015, most=chunks, check=chunks // 10, stream=True, falling=True)

    def once(seed: int) -> list[float]:
        learner = Learner(shape, seed)
        learn(learner, lambda rng, count: reber.symbols_only(reber.stream(rng, count, 50)), lambda _: False, recipe)
        before, first, last = [], [], []
        for number in range(streams):
            test = reber.stream(np.random.default_rng([2000, number]), 1, steps)
            lawful = reber.lawful(learner.answers(test), test)[0]
            wrong = np.flatnonzero(~lawful[SETTLE:])
            before.append(int(wrong[0]) + SETTLE if len(wrong) else steps)
            first.append(1 - float(lawful[SETTLE : steps // 10].mean()))
            last.append(1 - float(lawful[-steps // 10 :].mean()))
        return [min(before), statistics.mean(first), statistics.mean(last)]

    found = journal.figures(f"{name}, {streams} streams of {steps}", seeds, once)
    before, first, last = zip(*found.values, strict=True)
    return Endless(before, statistics.mean(first), statistics.mean(last), found.minutes)


def of_strings(took: dict[str, list[int | None]], seeds: int, quick: bool) -> list[report.Claim]:
    """What the strings that each seed needed say of the papers' claims."""
    best, truncated, elman = (
        [one for one in took.get(name, ()) if one is not None] for name in (SHORT[0].name, TRUNCATED, SHORT[1].name)
    )
    claims = [
        report.Claim(
            "LSTM solves embedded Reber: 29 of 30 seeds, median under 10,000 strings",
            30 * len(best) >= 29 * seeds and statistics.median(best) < 10_000,
        ),
        report.Claim("an Elman network with the gradient of one step does not", 10 * len(elman) <= seeds),
    ]
    if not quick:
        claims.append(
            report.Claim(
                "with its truncated gradient, too, taught by Adam, LSTM of 1997 solves it: 29 of 30 seeds",
                30 * len(truncated) >= 29 * seeds,
            )
        )
        alone = [sum(one is not None for one in took[one.name]) for one in CONTESTANTS if one.plain]
        claims.append(
            report.Claim("the Reber grammar alone is learnt by both: 29 of 30 seeds", 30 * min(alone) >= 29 * seeds)
        )
    return claims


def main(argv: Sequence[str] | None = None) -> int:
    """Prints the table and the claims."""
    options = report.parser(__doc__, seeds=30)
    arguments = options.parse_args(argv)
    seeds, journal = 4 if arguments.quick else arguments.seeds, Journal(arguments.journal)
    rows, lines, took = report.Rows(), [], {}
    for contestant in CONTESTANTS:
        if arguments.quick and contestant not in SHORT:
            continue
        found = strings(contestant, seeds, journal)
        took[contestant.name] = found.values
        rows.append(report.Row(contestant.name, contestant.paper, report.solved(found.values), seeds, found.minutes))
        if contestant.short:
            colour = COLOURS[len(lines)]
            lines.append(report.shares(contestant.short, took[contestant.name], FALLING.most, colour))
    claims = of_strings(took, seeds, arguments.quick)
    few = 2 if arguments.quick else min(5, seeds)
    size = (
        {"chunks": 2000, "streams": 2, "steps": 5000}
        if arguments.quick
        else {"chunks": 8000, "streams": 2, "steps": 100_000}
    )
    ends, perfect = [], []
    for name, shape in (
        ("stream, with forget gate", Shape(7, 12, 7)),
        ("stream, without (1997)", Shape(7, 12, 7, block=2, forget=0, half=1)),
    ):
        end = endless(name, shape, few, size, journal)
        ends.append(end)
        perfect.append(sum(one == size["steps"] for one in end.before_mistake))
        ours = (
            f"{perfect[-1]} of {few} without a mistake in {size['streams']} streams of {size['steps']:,}, but for the "
            f"first {SETTLE}; wrong {100 * end.wrong_first:.2f} % at first, {100 * end.wrong_last:.2f} % in the end"
        )
        rows.append(report.Row(name, "solves it" if "with f" in name else "fails (2000)", ours, few, end.minutes))
    gated, bare = ends
    claims.append(
        report.Claim(
            "without a forget gate an endless stream goes wrong five times as often as with one, and in over 0.5 %",
            gated.wrong_last < 0.01 and bare.wrong_last > 5 * gated.wrong_last + 0.005,
        )
    )
    if not arguments.quick:
        claims.append(
            report.Claim(
                "with a forget gate 4 of 5 seeds read such streams without a mistake; without one none does",
                5 * perfect[0] >= 4 * few and perfect[1] == 0,
            )
        )
    panels = [plot.Panel("seeds that solve embedded Reber, %", tuple(lines), low=0.0, high=100.0)]
    return report.finish(arguments, rows, claims, panels, "strings seen")


if __name__ == "__main__":
    sys.exit(main())
