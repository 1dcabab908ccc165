"""Vanishing and exploding gradients, measured: how much of an error is left k steps further back, cell by cell.

python scripts/experiments/gradient_flow.py [--quick] [--seeds 20] [--json FILE] [--plot FILE.svg] [--journal FILE]

The norm of d loss / d state(t-k) over that of d loss / d state(t), untrained, on random inputs: Hochreiter 1991; Bengio,
Simard & Frasconi 1994; the constant error carousel of Hochreiter & Schmidhuber 1997, section 3.2.
"""

import math
import statistics
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from recog import plot
from recog.models.cells import family
from recog.models.cells.cell import Cell, State
from recog.tasks import report
from recog.tasks.journal import Journal

FEATURES, HIDDEN = 8, 32


def scaled(times: float) -> Callable[[], Cell]:
    """Elman networks whose recurrent matrix is orthogonal, times a number: its largest eigenvalue."""

    def build() -> Cell:
        cell = family["elman"](FEATURES, HIDDEN)
        with torch.no_grad():
            cell.weight_hh.mul_(times)
        return cell

    return build


def gated(bias: float) -> Callable[[], Cell]:
    """LSTMs with this forget bias."""

    def build() -> Cell:
        cell = family["lstm"](FEATURES, HIDDEN)
        with torch.no_grad():
            cell.bias[HIDDEN : 2 * HIDDEN] = bias
        return cell

    return build


# A name, one for the legend, what the papers say, how it is built, size of the inputs (small: nearly linear at first).
NETWORKS: tuple[tuple[str, str, str, Callable[[], Cell], float], ...] = (
    ("Elman, eigenvalues 0.9", "Elman 0.9", "vanishes (1991, 1994)", scaled(0.9), 1.0),
    ("Elman, eigenvalues 2, small inputs", "Elman 2", "may explode (1991, 1994)", scaled(2.0), 1e-6),
    (
        "LSTM 1997, error through c alone",
        "1997, c alone",
        "1 at any distance (1997)",
        lambda: family["lstm-1997"](FEATURES, HIDDEN, truncated=True),
        1.0,
    ),
    ("LSTM 1997, full gradient", "1997", "-", lambda: family["lstm-1997"](FEATURES, HIDDEN), 1.0),
    ("LSTM, forget bias 1", "LSTM 1", "-", gated(1.0), 1.0),
    ("LSTM, forget bias 5", "LSTM 5", "-", gated(5.0), 1.0),
)


def flow(cell: Cell, steps: int, size: float) -> list[float]:
    """The norms for k = 0, 1, ... `steps`, that for k = 0 being 1; the loss is a random sum of the last state's memory."""
    x = size * torch.randn(1, steps + 1, FEATURES, dtype=torch.float64)
    states: list[State] = [tuple(part.requires_grad_() for part in cell.initial(1))]
    for step in range(steps + 1):
        states.append(cell.step(x[:, step], states[-1])[1])
    # The last part of a state is the memory c of an LSTM, and h of a network without one.
    memories = [state[-1] for state in states[1:]]
    loss = (memories[-1] * torch.randn(HIDDEN, dtype=torch.float64)).sum()
    gradients = torch.autograd.grad(loss, memories)
    norms = [float(gradient.norm()) for gradient in reversed(gradients)]
    return [norm / norms[0] for norm in norms]


def main(argv: Sequence[str] | None = None) -> int:
    """Prints the table and the claims."""
    arguments = report.parser(__doc__, seeds=20).parse_args(argv)
    seeds, steps = (5, 100) if arguments.quick else (arguments.seeds, 200)
    rows, lines, left, journal = report.Rows(), [], [], Journal(arguments.journal)
    for (name, short, paper, build, size), colour in zip(NETWORKS, report.COLOURS, strict=True):

        def once(seed: int, build: Callable[[], Cell] = build, size: float = size) -> list[float]:
            torch.manual_seed(seed)
            return flow(build().double(), steps, size)

        found = journal.figures(f"{name}, {steps} steps", seeds, once)
        median = [statistics.median(values) for values in zip(*found.values, strict=True)]
        left.append(median)
        ours = ", ".join(f"{median[k]:.1e} after {k}" for k in (10, 50, steps))
        rows.append(report.Row(name, paper, ours, seeds, found.minutes))
        points = tuple((float(k), math.log10(max(value, 1e-12))) for k, value in enumerate(median))
        lines.append(plot.Line(short, points, colour))
    vanishing, exploding, carousel, _, leaky, keeping = left
    claims = [
        report.Claim(
            "an Elman network with eigenvalues below 1 has lost the error after 100 steps", vanishing[100] < 1e-4
        ),
        report.Claim("with eigenvalues above 1 the error can explode", exploding[100] > 1e3),
        report.Claim("the constant error carousel keeps it exactly", all(abs(value - 1) < 1e-9 for value in carousel)),
        report.Claim(
            "a forget gate lets it go with a bias of 1, and not with a bias of 5", leaky[100] < 1e-2 < keeping[100]
        ),
    ]
    panels = [plot.Panel("error left, log10", tuple(lines), low=-12.0, high=6.0)]
    return report.finish(arguments, rows, claims, panels, "steps back in time")


if __name__ == "__main__":
    sys.exit(main())
