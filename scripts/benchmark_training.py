"""Times one training step of the recurrent stack: ours, packed as others train, and padded; same weights, data and loss.

python scripts/benchmark_training.py [--layers 5] [--hidden 320] [--batch 16] [--frames 400] [--json FILE]

- packed: `nn.LSTM` over `pack_padded_sequence`, float32: deepspeech.pytorch and PyLaia train this way.
- padded: `nn.LSTM` over the padded batch, bf16 autocast: fast, but a sample's result depends on its neighbours.
- recog: our bidirectional layers, in the arithmetic that a training on this machine takes: the result of packing.

Each round times all three one after another, so that whatever else the machine does falls on all of them; the table
gives medians. Before that the three are checked: in fp32, ours has the loss of packing within 1e-4.
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from recog.ctc.loss import ctc_loss
from recog.models.layers import BidirectionalLSTM
from recog.training.precision import arithmetic, choose
from recog.training.settings import PRECISIONS

SYMBOLS = 30


class Stack(nn.Module):
    """Bidirectional layers and a linear map to log-probabilities, with the recurrence done in one of three ways."""

    def __init__(self, variant: str, features: int, hidden: int, layers: int) -> None:
        super().__init__()
        self.variant = variant
        widths = [features] + [2 * hidden] * (layers - 1)
        if variant == "recog":
            self.layers = nn.ModuleList(BidirectionalLSTM(width, hidden) for width in widths)
        else:
            self.layers = nn.ModuleList(
                nn.LSTM(width, hidden, batch_first=True, bidirectional=True) for width in widths
            )
        self.output = nn.Linear(2 * hidden, SYMBOLS)

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        """(B, T, F), (B,) -> (B, T, S) natural-log probabilities."""
        if self.variant == "packed":
            packed = pack_padded_sequence(x, lengths.cpu(), batch_first=True, enforce_sorted=False)
            for layer in self.layers:
                packed, _ = layer(packed)
            x, _ = pad_packed_sequence(packed, batch_first=True, total_length=x.shape[1])
        elif self.variant == "padded":
            for layer in self.layers:
                x, _ = layer(x)
        else:
            for layer in self.layers:
                x = layer(x, lengths)
        return torch.log_softmax(self.output(x).float(), dim=-1)


def with_weights_of(ours: Stack, variant: str, features: int, hidden: int, layers: int) -> Stack:
    """The same network, computed in another way."""
    other = Stack(variant, features, hidden, layers)
    with torch.no_grad():
        other.output.load_state_dict(ours.output.state_dict())
        for layer, mine in zip(other.layers, ours.layers, strict=True):
            for direction, suffix in ((mine.ahead, ""), (mine.back, "_reverse")):
                for name, weight in direction.named_parameters():
                    getattr(layer, name + suffix).copy_(weight)
    return other


class Trial:
    """One variant with its optimiser on one batch."""

    def __init__(
        self, network: Stack, precision: str, x: Tensor, lengths: Tensor, targets: list[list[int]], device: str
    ) -> None:
        self.network, self.precision, self.device = network.to(device), precision, device
        self.x, self.lengths, self.targets = x.to(device), lengths.to(device), targets
        self.ids = [f"row {number}" for number in range(len(targets))]
        self.optimiser = torch.optim.AdamW(network.parameters(), 1e-4)

    def loss(self, precision: str) -> Tensor:
        """Mean CTC loss of the batch."""
        with arithmetic(precision, torch.device(self.device)):
            log_probs = self.network(self.x, self.lengths)
        return ctc_loss(log_probs, self.lengths, self.targets, self.ids).mean()

    def step(self) -> None:
        """Forward, backward, update."""
        self.optimiser.zero_grad()
        self.loss(self.precision).backward()
        self.optimiser.step()
        if self.device == "cuda":
            torch.cuda.synchronize()


def seconds(call: Callable[[], object]) -> float:
    """How long a call takes."""
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def measure(lengths_kind: str, options: argparse.Namespace, ours_in: str, device: str) -> list[dict[str, object]]:
    """Rows of the table for one kind of batch."""
    random = torch.Generator().manual_seed(1)
    lengths = torch.full((options.batch,), options.frames)
    if lengths_kind == "mixed":
        lengths = torch.randint(options.frames // 4, options.frames + 1, (options.batch,), generator=random)
        lengths[0] = options.frames
    x = torch.randn(options.batch, options.frames, options.features, generator=random)
    x *= (torch.arange(options.frames) < lengths[:, None])[:, :, None]
    targets = [torch.randint(1, SYMBOLS, (max(1, int(length) // 4),), generator=random).tolist() for length in lengths]
    torch.manual_seed(1)
    shape = (options.features, options.hidden, options.layers)
    ours = Stack("recog", *shape)
    stacks = [ours, *(with_weights_of(ours, variant, *shape) for variant in ("packed", "padded"))]
    precisions = {"recog": ours_in, "packed": "fp32", "padded": "bf16"}
    trials = {stack.variant: Trial(stack, precisions[stack.variant], x, lengths, targets, device) for stack in stacks}
    with torch.no_grad():
        expected, got = float(trials["packed"].loss("fp32")), float(trials["recog"].loss("fp32"))
    if abs(got - expected) > 1e-4 * abs(expected):
        raise SystemExit(f"our loss {got} is not that of packing, {expected}")
    for trial in trials.values():
        trial.step()
    times: dict[str, list[float]] = {variant: [] for variant in trials}
    for _ in range(options.rounds):
        for variant, trial in trials.items():
            times[variant].append(seconds(trial.step))
    return [
        {
            "variant": variant,
            "precision": precisions[variant],
            "device": device,
            "lengths": lengths_kind,
            "step_seconds": round(statistics.median(found), 4),
            "fastest": round(min(found), 4),
            "loss": round(expected, 4),
        }
        for variant, found in times.items()
    ]


def main(argv: Sequence[str] | None = None) -> int:
    """Prints a table, writes it as JSON rows if asked."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    for name, value, line in (
        ("layers", 5, "bidirectional layers"),
        ("hidden", 320, "cells in each direction"),
        ("features", 256, "width of the input"),
        ("batch", 16, "samples in a batch"),
        ("frames", 400, "frames of the longest sample; mixed lengths are a quarter of it and more"),
        ("rounds", 7, "timed steps of each variant"),
    ):
        parser.add_argument(f"--{name}", type=int, default=value, help=f"{line} (default {value})")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--json", type=Path, help="write the rows to this file")
    parser.add_argument("--precision", choices=PRECISIONS, default="auto", help="of ours (default: the faster one)")
    options = parser.parse_args(argv)
    choice = choose(options.precision, torch.device(options.device))
    print(f"recog computes in {choice.precision} ({choice.reason})")
    rows = [row for kind in ("mixed", "equal") for row in measure(kind, options, choice.precision, options.device)]
    print(f"{options.layers} x {options.hidden}, batch {options.batch} x {options.frames}, {options.device}, ", end="")
    print(f"{torch.get_num_threads()} threads, PyTorch {torch.__version__}")
    print(f"{'lengths':8} {'variant':8} {'in':5} {'median s':>9} {'fastest s':>10} {'ours is faster by':>18}")
    for row in rows:
        base = next(one for one in rows if one["variant"] == "recog" and one["lengths"] == row["lengths"])
        ratio = float(str(row["step_seconds"])) / float(str(base["step_seconds"]))
        told = f"{row['lengths']:8} {row['variant']:8} {row['precision']:5} {row['step_seconds']:9} {row['fastest']:10}"
        print(f"{told} {ratio:17.2f}x")
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
