"""What an experiment prints: the paper's figures beside ours, and which of its claims held."""

import argparse
import json
import statistics
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from recog import plot
from recog.tasks import chart

COLOURS = ("#1a73e8", "#d93025", "#188038", "#9334e6", "#f29900", "#5f6368")


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    what: str
    # What was published, and by whom; "-" where nothing was.
    paper: str
    ours: str
    seeds: int
    # Of a processor; by the clock it is more on a machine that has other work.
    minutes: float


class Rows(list[Row]):
    """The lines of a table, each also told on stderr as soon as it is known: an experiment may take an hour."""

    def append(self, row: Row) -> None:
        """Adds a line."""
        super().append(row)
        print(f"{row.what}: {row.ours} ({row.minutes:.2f} CPU minutes)", file=sys.stderr, flush=True)


@dataclass(frozen=True)
class Claim:
    """A statement of a paper, and whether our figures bear it out."""

    text: str
    holds: bool


def parser(description: str | None, seeds: int) -> argparse.ArgumentParser:
    """The options that all experiments share."""
    options = argparse.ArgumentParser(description=(description or "").splitlines()[0])
    options.add_argument("--quick", action="store_true", help="a small form; exits 1 when a claim fails")
    options.add_argument("--seeds", type=int, default=seeds, help=f"networks of each kind (default {seeds})")
    options.add_argument("--json", type=Path, metavar="FILE", help="write table and claims to this file")
    options.add_argument("--plot", type=Path, metavar="FILE", help="draw into this file, .png or .svg")
    options.add_argument(
        "--journal", type=Path, metavar="FILE", help="keep each seed's figure here; an interrupted run goes on from it"
    )
    return options


def finish(
    options: argparse.Namespace, rows: Sequence[Row], claims: Sequence[Claim], panels: Sequence[plot.Panel], across: str
) -> int:
    """Prints the table and the claims, writes what was asked for; 1 for a quick form of which a claim failed, else 0."""
    print("| what | paper | ours | seeds | CPU minutes |\n|---|---|---|---|---|")
    for row in rows:
        print(f"| {row.what} | {row.paper} | {row.ours} | {row.seeds} | {row.minutes:.2f} |")
    print()
    for claim in claims:
        print(f"{'holds' if claim.holds else 'FAILS'}: {claim.text}")
    if options.json:
        report = {
            "rows": [asdict(row) for row in rows],
            "claims": [{"text": claim.text, "holds": bool(claim.holds)} for claim in claims],
        }
        partial = options.json.with_name(options.json.name + ".partial")
        partial.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
        partial.replace(options.json)
    if options.plot and options.plot.suffix == ".svg":
        chart.save(panels[0], options.plot.stem.replace("-", " ").replace("_", " "), across, options.plot)
    elif options.plot:
        picture = plot.draw(panels, (options.plot.stem or "experiment").replace("-", " "), across, min(2, len(panels)))
        plot.save(picture, options.plot)
    return int(options.quick and not all(claim.holds for claim in claims))


def solved(took: Sequence[int | None]) -> str:
    """'29 of 30, median 4,200 (1,900 to 9,800)': the seeds that solved a task, and their sequences."""
    done = sorted(one for one in took if one is not None)
    if not done:
        return f"0 of {len(took)}"
    return f"{len(done)} of {len(took)}, median {statistics.median(done):,.0f} ({done[0]:,} to {done[-1]:,})"


def shares(name: str, took: Sequence[int | None], most: int, colour: str) -> plot.Line:
    """The share of seeds that have solved a task, in percent, against sequences seen."""
    points = [(0.0, 0.0)]
    for number, sequences in enumerate(sorted(one for one in took if one is not None)):
        points += [(float(sequences), 100 * number / len(took)), (float(sequences), 100 * (number + 1) / len(took))]
    return plot.Line(name, (*points, (float(most), points[-1][1])), colour)
