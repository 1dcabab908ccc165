"""Phones of speech: of each frame, one way against both (2005); framewise against CTC (2006); one to five layers (2013).

python scripts/experiments/framewise.py --train TRAIN --dev DEV --bundle BUNDLE [--rows 400] [--dev-rows 100] [--longest 400]
    [--hop 0.01] [--hidden 64] [--epochs 20] [--noise 0.3] [--seeds 1] [--json FILE] [--plot FILE.png] [--quick]

Rows tell their `phones` (`recog pronounce --manifest`), and which frame is which phone is aligned by a bundle with a phone head
(`network.phones`): what is called right here is what that bundle says. With `--timit` instead of a bundle, the frames are
those of TIMIT's .PHN files beside the recordings, folded to 39. One-way networks have about as many weights as those both
ways. Graves & Schmidhuber 2005; Graves, Fernandez, Gomez & Schmidhuber 2006; Graves, Mohamed & Hinton 2013. The quick
form whistles its own phones, through noise.
"""

import argparse
import math
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from recog import frontend, metrics, plot
from recog.audio import SpeechFrontend
from recog.ctc.greedy import greedy
from recog.ctc.loss import ctc_loss
from recog.errors import InputError, RecogError
from recog.models.layers import BidirectionalLSTM, start_gates
from recog.tasks import report
from recog.tasks.utterances import Utterance, aligned, from_timit, some_rows, whistled

# Runs of fewer frames of 10 ms than this are noise of a framewise classifier, not phones.
SHORTEST_RUN = 3


class Stack(nn.Module):
    """LSTM layers, ahead only or both ways, and a softmax: (B, T, F) -> natural logs (B, T', classes)."""

    def __init__(self, features: int, hidden: int, layers: int, both: bool, classes: int, pool: int = 1) -> None:
        super().__init__()
        self.both, self.pool = both, pool
        widths = [pool * features, *([(2 if both else 1) * hidden] * (layers - 1))]
        self.layers = nn.ModuleList(
            BidirectionalLSTM(width, hidden) if both else nn.LSTM(width, hidden, batch_first=True) for width in widths
        )
        for layer in [] if both else self.layers:
            start_gates(layer)  # type: ignore[arg-type]
        self.output = nn.Linear((2 if both else 1) * hidden, classes)

    def forward(self, x: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """T' = ceil(T / pool): so many neighbouring frames are one step."""
        batch, steps, width = x.shape
        if self.pool > 1:
            x = functional.pad(x, (0, 0, 0, -steps % self.pool)).reshape(batch, -1, self.pool * width)
            lengths = torch.div(lengths + self.pool - 1, self.pool, rounding_mode="floor")
        for layer in self.layers:
            x = layer(x, lengths) if self.both else layer(x)[0]
        return torch.log_softmax(self.output(x), dim=2), lengths


def as_heavy(features: int, hidden: int, layers: int, classes: int) -> int:
    """Cells of a one-way network with about as many weights as one both ways with `hidden` in each direction."""
    wanted = weights_of(Stack(features, hidden, layers, True, classes))
    sizes = range(hidden, 3 * hidden)
    return min(sizes, key=lambda size: abs(weights_of(Stack(features, size, layers, False, classes)) - wanted))


def weights_of(network: nn.Module) -> int:
    """How many numbers it learns."""
    return sum(parameter.numel() for parameter in network.parameters())


def learn(
    network: Stack, some: Sequence[Utterance], ctc: bool, epochs: int, rate: float, noise: float, seed: int
) -> None:
    """Teaches classes of frames by cross-entropy, or sequences by CTC; Adam, the rate falls as a cosine.

    `noise` is the standard deviation of Gaussian noise on the features, whose own is 1 (0.6 in 2006).
    """
    torch.manual_seed(seed)
    random = np.random.default_rng(seed)
    optimiser = torch.optim.Adam(network.parameters(), rate)
    cut = list(batches(some, 10))
    for epoch in range(epochs):
        for place, number in enumerate(random.permutation(len(cut)).tolist()):
            done = (epoch + place / len(cut)) / epochs
            optimiser.param_groups[0]["lr"] = rate * max(0.02, 0.5 + 0.5 * math.cos(math.pi * done))
            batch = [some[index] for index in cut[number]]
            padded = frontend.pad([one.features for one in batch])
            x = padded.x + noise * torch.randn_like(padded.x) if noise else padded.x
            log_probs, lengths = network(x, padded.lengths)
            if ctc:
                losses = ctc_loss(log_probs, lengths, [one.said for one in batch], [one.id for one in batch])
                loss = losses.sum() / lengths.sum()
            else:
                wanted = torch.full(log_probs.shape[:2], -1)
                for row, one in enumerate(batch):
                    wanted[row, : len(one.labels)] = torch.from_numpy(one.labels)
                loss = functional.nll_loss(log_probs.flatten(0, 1), wanted.flatten(), ignore_index=-1)
            optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimiser.step()


def batches(some: Sequence[Utterance], size: int) -> Iterator[list[int]]:
    """Utterances' numbers, similar lengths together."""
    order = sorted(range(len(some)), key=lambda index: len(some[index].features))
    return (order[first : first + size] for first in range(0, len(order), size))


@torch.no_grad()
def answers(network: Stack, some: Sequence[Utterance]) -> list[NDArray[np.float32]]:
    """(T', classes) natural logs of each utterance, in their order."""
    found: dict[int, NDArray[np.float32]] = {}
    for batch in batches(some, 20):
        padded = frontend.pad([some[index].features for index in batch])
        log_probs, lengths = network(padded.x, padded.lengths)
        found |= {index: log_probs[row, : lengths[row]].numpy() for row, index in enumerate(batch)}
    return [found[index] for index in range(len(some))]


def right_frames(log_probs: Sequence[NDArray[np.float32]], some: Sequence[Utterance]) -> float:
    """Share of the frames whose likeliest class is theirs."""
    right = [
        (matrix.argmax(axis=1) == one.labels)[one.labels >= 0] for matrix, one in zip(log_probs, some, strict=True)
    ]
    return float(np.concatenate(right).mean())


def runs(matrix: NDArray[np.float32], shortest: int = SHORTEST_RUN) -> tuple[int, ...]:
    """Frames' likeliest classes as a sequence: repeats merged, runs that are too short and silence dropped."""
    path = matrix.argmax(axis=1)
    starts = np.flatnonzero(np.diff(path, prepend=-1))
    lengths = np.diff(starts, append=len(path))
    kept = path[starts[lengths >= shortest]]
    merged = kept[np.flatnonzero(np.diff(kept, prepend=-1))]
    return tuple(int(one) for one in merged if one)


def label_error(found: Sequence[Sequence[int]], some: Sequence[Utterance]) -> float:
    """Edits over the number of labels said (Graves 2006, section 2.1, over the whole set)."""
    texts = [
        (" ".join(map(str, one.said)), " ".join(map(str, labels))) for one, labels in zip(some, found, strict=True)
    ]
    return metrics.total([metrics.word_counts(*pair) for pair in texts]).rate


@dataclass(frozen=True)
class Contest:
    """A network, how it is taught, and the published figure of its like."""

    name: str
    paper: str
    both: bool
    layers: int
    ctc: bool


ONE_WAY = Contest("frames, one way", "66.0 % of frames right at best (2005)", False, 1, False)
BOTH_WAYS = Contest("frames, both ways", "70.2 % of frames right (2005)", True, 1, False)
DEPTHS = tuple(
    Contest(f"CTC, both ways, {layers} {'layers' if layers > 1 else 'layer'}", paper, True, layers, True)
    for layers, paper in (
        (1, "30.5 % label error (2006); 23.9 % (2013)"),
        (2, "21.0 % label error (2013)"),
        (3, "18.6 % label error (2013)"),
        (5, "18.4 % label error (2013)"),
    )
)
DEEP_ONE_WAY = Contest("CTC, one way, 3 layers", "19.6 % label error (2013)", False, 3, True)


@dataclass(frozen=True)
class Outcome:
    """What a network came to on dev, a number for each seed. Without CTC the label error is that of its runs."""

    right: tuple[float, ...]
    wrong: tuple[float, ...]
    weights: int
    minutes: float


def hold(
    contest: Contest, taught: Sequence[Utterance], heard: Sequence[Utterance], arguments: argparse.Namespace
) -> Outcome:
    """Trains and measures one network for each seed."""
    began, right, wrong, weights = time.process_time(), [], [], 0
    features, hidden = taught[0].features.shape[1], arguments.hidden
    classes = 1 + max(max(one.said) for one in (*taught, *heard))
    if not contest.both:
        hidden = as_heavy(features, hidden, contest.layers, classes)
    for seed in range(arguments.seeds):
        torch.manual_seed(seed)
        network = Stack(features, hidden, contest.layers, contest.both, classes)
        learn(network, taught, contest.ctc, arguments.epochs, arguments.rate, arguments.noise, seed)
        log_probs, weights = answers(network, heard), weights_of(network)
        if not contest.ctc:
            right.append(right_frames(log_probs, heard))
        shortest = arguments.shortest
        found = [greedy(one).labels if contest.ctc else runs(one, shortest) for one in log_probs]
        wrong.append(label_error(found, heard))
    return Outcome(tuple(right), tuple(wrong), weights, (time.process_time() - began) / 60)


def main(argv: Sequence[str] | None = None) -> int:
    """Prints the table and the claims; 1 where a quick claim fails or the data cannot be used."""
    options = report.parser(__doc__, seeds=1)
    options.add_argument("--train", type=Path, help="manifest to train on, its rows with phones")
    options.add_argument("--dev", type=Path, help="manifest to measure on, its rows with phones")
    options.add_argument("--bundle", help="bundle with a phone head, which aligns")
    options.add_argument("--timit", action="store_true", help="take the frames from TIMIT's .PHN files instead")
    options.add_argument("--rows", type=int, default=400, help="rows to train on, evenly spaced (default 400)")
    options.add_argument("--dev-rows", type=int, default=100, help="rows to measure on (default 100)")
    options.add_argument("--longest", type=int, default=400, help="most frames of 10 ms of a row (default 400)")
    options.add_argument("--hop", type=float, default=0.01, help="seconds between two frames (default 0.01)")
    options.add_argument("--hidden", type=int, default=64, help="cells in each direction of a layer (default 64)")
    options.add_argument("--epochs", type=int, default=20, help="passes over the rows (default 20)")
    options.add_argument("--rate", type=float, default=3e-3, help="highest learning rate (default 0.003)")
    options.add_argument("--noise", type=float, default=0.3, help="noise on the features (default 0.3)")
    options.set_defaults(shortest=SHORTEST_RUN)
    arguments = options.parse_args(argv)
    if not arguments.quick and not (arguments.train and arguments.dev and (arguments.bundle or arguments.timit)):
        options.error("give --train, --dev and --bundle or --timit, or --quick")
    try:
        return compare(arguments)
    except RecogError as error:
        print(f"framewise: {error}", file=sys.stderr)
        return 1


def compare(arguments: argparse.Namespace) -> int:
    """All networks on one set of utterances."""
    if arguments.quick:
        form = SpeechFrontend(mel_bands=20, hop_seconds=0.02)
        arguments.hidden, arguments.epochs, arguments.rate, arguments.noise = 24, 18, 0.01, 0.0
        arguments.seeds, arguments.shortest = 1, 1
        taught, heard = (whistled(count, count, 0.12, form) for count in (80, 40))
        contests: tuple[Contest, ...] = (ONE_WAY, BOTH_WAYS, DEPTHS[0])
    else:
        form = SpeechFrontend(mel_bands=40, hop_seconds=arguments.hop)
        arguments.shortest = max(1, round(SHORTEST_RUN * 0.01 / arguments.hop))
        sizes = ((arguments.train, arguments.rows), (arguments.dev, arguments.dev_rows))
        rows = [some_rows(path, count, arguments.longest, not arguments.timit) for path, count in sizes]
        taught, heard = (
            from_timit(some, form) if arguments.timit else aligned(some, arguments.bundle, form) for some in rows
        )
        contests = (ONE_WAY, BOTH_WAYS, *DEPTHS, DEEP_ONE_WAY)
    if not taught or not heard:
        raise InputError("no row has as many frames as phones; give rows whose phones are theirs")
    outcomes = {contest: hold(contest, taught, heard, arguments) for contest in contests}
    rows_of_table = [described(contest, outcome) for contest, outcome in outcomes.items()]
    means = {contest: statistics.mean(outcome.wrong) for contest, outcome in outcomes.items()}
    claims = [
        report.Claim(
            "2005: both ways beat one way, frame by frame",
            statistics.mean(outcomes[BOTH_WAYS].right) > statistics.mean(outcomes[ONE_WAY].right),
        ),
        report.Claim("2006: CTC makes fewer label errors than frames one by one", means[DEPTHS[0]] < means[BOTH_WAYS]),
    ]
    if DEEP_ONE_WAY in outcomes:
        claims.append(report.Claim("2013: three layers beat one", means[DEPTHS[2]] < means[DEPTHS[0]]))
        claims.append(report.Claim("2013: both ways beat one way", means[DEPTHS[2]] < means[DEEP_ONE_WAY]))
    # Dots that no line joins: there is nothing between one contest and the next.
    dots = [
        plot.Line("", ((float(number), 100 * one),), report.COLOURS[contest.ctc])
        for number, (contest, one) in enumerate(means.items(), 1)
    ]
    panels = [plot.Panel("label error, % (red: CTC)", tuple(dots), low=0.0)]
    return report.finish(arguments, rows_of_table, claims, panels, "network, in the order of the table")


def described(contest: Contest, outcome: Outcome) -> report.Row:
    """A row of the table."""
    ours = f"{100 * statistics.mean(outcome.wrong):.1f} % label error, {outcome.weights:,} weights"
    if outcome.right:
        ours = f"{100 * statistics.mean(outcome.right):.1f} % of frames right, {ours} (of its runs)"
    if len(outcome.wrong) > 1:
        ours += f"; label errors of the seeds {' '.join(f'{100 * one:.1f}' for one in outcome.wrong)}"
    return report.Row(contest.name, contest.paper, ours, len(outcome.wrong), outcome.minutes)


if __name__ == "__main__":
    sys.exit(main())
