"""How the error falls with more data, more parameters and more training: power laws, fitted and drawn.

python scripts/experiments/scaling.py speech --train TRAIN --dev DEV --out FOLDER [--shares 0.125,0.25,0.5,1]
    [--hidden 16,32,64] [--epochs 2,4,8] [--rows 800] [--dev-rows 100] [--longest 500] [--seeds 1] [--set network.layers=1]
    [--journal FILE.jsonl] [--json FILE] [--plot FILE.png] [--quick]

The question of Kaplan et al. (2020), asked of this recogniser: CER = a x^-b, a line through the logarithms. One axis changes
at a time, the others stay at their largest. Less data is shown more often, so that every run of that axis takes the same
number of steps; more epochs have a schedule of their own. The table says what the law foretells for ten times as much of
each: far outside what was measured, and only while nothing else runs short. Each run's figures go to a file of lines at once
(FOLDER/runs.jsonl unless told) and are not computed again.
"""

import argparse
import math
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np
from family import KINDS, PLAIN, QUICK, QUICK_KIND, Corpus, Runs, corpus, settings, teach, toy_corpus

from pipelines.training import Training
from recog import plot
from recog.errors import InputError, RecogError
from recog.tasks import report
from recog.tasks.journal import Journal

# A CER of 0 has no logarithm; below this a run is taken to have this.
LEAST = 1e-4
DATA, PARAMETERS, TIME = "data", "parameters", "training"


@dataclass(frozen=True)
class Law:
    """y = a x^-b."""

    a: float
    b: float
    # Share of the variance of log y that it explains; 1 for two points.
    explained: float

    def at(self, x: float) -> float:
        """What it foretells."""
        return self.a * x**-self.b


@dataclass(frozen=True)
class Point:
    """Runs of one size: x in the axis' unit, and the mean CER of the seeds."""

    x: float
    cer: float
    minutes: float


def fit(points: Sequence[Point]) -> Law:
    """The line through the logarithms with the least squares. Refuses fewer than two sizes."""
    x, y = (np.log([max(LEAST, getattr(point, name)) for point in points]) for name in ("x", "cer"))
    if len(set(x.tolist())) < 2:
        raise InputError(f"{len(points)} sizes on an axis; a power law needs at least two")
    slope, level = np.polyfit(x, y, 1)
    rest, all_of_it = np.sum((y - slope * x - level) ** 2), np.sum((y - y.mean()) ** 2)
    return Law(float(math.exp(level)), float(-slope), float(1 - rest / all_of_it) if all_of_it > 0 else 1.0)


def shown_as_often(chosen: Training, rows: Corpus, share: float) -> tuple[Training, Corpus]:
    """A share of the training rows, evenly spaced, each shown so often that an epoch is as long as that of all."""
    few = rows.train[:: max(1, round(1 / share))]
    sources = {str(row.fields.get("source")) for row in few}
    more = len(rows.train) / len(few)
    weights = {source: more * chosen.data.weights.get(source, 1.0) for source in sources}
    return replace(chosen, data=replace(chosen.data, weights=weights)), replace(rows, train=few)


def main(argv: Sequence[str] | None = None) -> int:
    """Prints the table and the claims; 1 where a quick claim fails or a corpus cannot be used."""
    options = report.parser(__doc__, seeds=1)
    options.add_argument("kind", nargs="?", choices=KINDS, default="speech", help="what is recognised (default speech)")
    options.add_argument("--train", type=Path, help="manifest to train on")
    options.add_argument("--dev", type=Path, help="manifest to measure on; its rows may have parts tune and report")
    options.add_argument("--out", type=Path, help="folder of the runs; those done are not done again")
    options.add_argument("--shares", default="0.125,0.25,0.5,1", help="of the rows (default 0.125,0.25,0.5,1)")
    options.add_argument("--hidden", default="16,32,64", help="cells in each direction (default 16,32,64)")
    options.add_argument("--epochs", default="2,4,8", help="passes over all rows (default 2,4,8)")
    options.add_argument("--rows", type=int, default=800, help="rows to train on, evenly spaced (default 800)")
    options.add_argument("--dev-rows", type=int, default=100, help="rows to measure on (default 100)")
    options.add_argument(
        "--longest", type=int, default=500, help="most frames of a row, 10 ms or columns (default 500)"
    )
    options.add_argument("--set", action="append", default=[], dest="overrides", help="setting of all runs")
    arguments = options.parse_args(argv)
    if not arguments.quick and not (arguments.train and arguments.dev and arguments.out):
        options.error("give --train, --dev and --out, or --quick")
    try:
        if arguments.quick:
            with tempfile.TemporaryDirectory() as folder:
                return measure(arguments, Path(folder))
        return measure(arguments, arguments.out)
    except RecogError as error:
        print(f"scaling: {error}", file=sys.stderr)
        return 1


def measure(arguments: argparse.Namespace, out: Path) -> int:
    """All runs of all axes, their laws, table and plot."""
    kind, seeds = arguments.kind, 1 if arguments.quick else arguments.seeds
    if arguments.quick:
        chosen = settings(kind, [*QUICK, *QUICK_KIND[kind], "data.weights.toy=5.0", *arguments.overrides])
        rows, shares, widths, epochs = toy_corpus(kind, out / "toy", 80), [0.1, 1.0], [32], [1, 2]
    else:
        chosen = settings(kind, [*PLAIN, *arguments.overrides])
        rows = corpus(chosen, arguments.train, arguments.dev, arguments.rows, arguments.dev_rows, arguments.longest)
        shares = sorted(map(float, arguments.shares.split(",")))
        widths, epochs = (sorted(map(int, given.split(","))) for given in (arguments.hidden, arguments.epochs))

    journal = Journal(arguments.journal or (None if arguments.quick else out / "runs.jsonl"))
    out.mkdir(parents=True, exist_ok=True)

    def runs(share: float, hidden: int, passes: int) -> Runs:
        sized = replace(chosen, network=replace(chosen.network, hidden=hidden), fit=replace(chosen.fit, epochs=passes))
        sized, some = shown_as_often(sized, rows, share)
        found = teach(f"{kind}-{share:g}-{hidden}-{passes}", sized, some, out, seeds, journal)
        print(f"{share:g} of the rows, {hidden} cells, {passes} epochs: CER {100 * found.cer:.1f} %", file=sys.stderr)
        return found

    unit, total = size_of(kind, rows)
    axes: dict[str, list[Point]] = {DATA: [], PARAMETERS: [], TIME: []}
    for share in shares:
        taught = runs(share, widths[-1], epochs[-1])
        axes[DATA].append(point(total * len(rows.train[:: max(1, round(1 / share))]) / len(rows.train), taught))
    for hidden in widths:
        taught = runs(shares[-1], hidden, epochs[-1])
        axes[PARAMETERS].append(point(taught.each[0].parameters, taught))
    for passes in epochs:
        taught = runs(shares[-1], widths[-1], passes)
        axes[TIME].append(point(taught.each[0].updates, taught))
    return told(arguments, axes, {DATA: unit, PARAMETERS: "parameters", TIME: "updates"}, seeds)


def size_of(kind: str, rows: Corpus) -> tuple[str, float]:
    """What the data are counted in, and how much there is."""
    if kind == "speech":
        return "hours", sum(row.duration or 0.0 for row in rows.train) / 3600
    return "lines", float(len(rows.train))


def point(x: float, runs: Runs) -> Point:
    """Runs of one size."""
    return Point(x, runs.cer, runs.minutes)


def told(arguments: argparse.Namespace, axes: dict[str, list[Point]], units: dict[str, str], seeds: int) -> int:
    """Table, claims and plot."""
    rows, claims, panels = [], [], []
    for (axis, points), colour in zip(axes.items(), report.COLOURS, strict=False):
        rows += [
            report.Row(f"{axis}: {one.x:.4g} {units[axis]}", "-", f"CER {100 * one.cer:.1f} %", seeds, one.minutes)
            for one in points
        ]
        if len({one.x for one in points}) < 2:
            continue
        law, most = fit(points), points[-1].x
        ours = (
            f"CER = {100 * law.at(most):.1f} % (x / {most:.4g})^-{law.b:.2f}, explains {100 * law.explained:.0f} % of it; "
            f"ten times as much: {100 * law.at(10 * most):.1f} %"
        )
        rows.append(report.Row(f"{axis}: the law", "a power law (Kaplan 2020, of language models)", ours, seeds, 0.0))
        claims.append(report.Claim(f"more {axis}, fewer errors", points[-1].cer < points[0].cer and law.b > 0))
        drawn = tuple((x, 100 * law.at(x * most)) for x in np.geomspace(points[0].x / most, 1, 40).tolist())
        dots = [plot.Line("", ((one.x / most, 100 * max(LEAST, one.cer)),), colour) for one in points]
        title = f"CER, %, against {axis}; 1 is {most:.4g} {units[axis]}"
        panels.append(plot.Panel(title, (*dots, plot.Line("the law", drawn, colour)), logarithmic=True))
    return report.finish(arguments, rows, claims, panels, "share of the largest")


if __name__ == "__main__":
    sys.exit(main())
