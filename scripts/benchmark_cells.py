"""Times one training step of a bidirectional layer of each cell of the family, beside the default layer, on the same batch.

python scripts/benchmark_cells.py [--cells peephole,gru] [--features 512] [--hidden 256] [--batch 16] [--steps 200]
                                  [--rounds 5] [--device cpu] [--cpu-time] [--json FILE]

The default is `BidirectionalLSTM` with the kernels of the library (oneDNN on a CPU, cuDNN on a GPU); the cells go through
`scan`, in float32 like it. Lengths are mixed, from half of the steps to all of them. Each round times all layers one after
another, so that whatever else the machine does falls on all of them; the table gives medians of the rounds and of
their ratios to the default, and the memory that the backward pass keeps.
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import torch
from torch import Tensor, nn

from recog.models.cells import family
from recog.models.cells.layer import BidirectionalCell
from recog.models.layers import BidirectionalLSTM

DEFAULT = "default"


@dataclass(frozen=True)
class Timing:
    """One layer's figures."""

    cell: str
    parameters: int
    # Median seconds of one training step.
    seconds: float
    # Median of the rounds' ratios to the default layer.
    times_default: float
    # What the forward pass keeps for the backward pass, in megabytes.
    kept_megabytes: float


def step(layer: nn.Module, x: Tensor, lengths: Tensor, clock: Callable[[], float]) -> float:
    """Seconds of one forward and backward pass."""
    if x.is_cuda:
        torch.cuda.synchronize()
    started = clock()
    layer(x, lengths).square().mean().backward()
    if x.is_cuda:
        torch.cuda.synchronize()
    return clock() - started


def kept_megabytes(layer: nn.Module, x: Tensor, lengths: Tensor) -> float:
    """Bytes saved for backward, each storage once, weights not counted."""
    seen = {parameter.untyped_storage().data_ptr() for parameter in layer.parameters()}
    sizes = {}

    def pack(tensor: Tensor) -> Tensor:
        if tensor.untyped_storage().data_ptr() not in seen:
            sizes[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        layer(x, lengths)
    return sum(sizes.values()) / 2**20


def measure(options: argparse.Namespace) -> list[Timing]:
    """All layers on one batch, rounds in turn."""
    torch.manual_seed(0)
    names = options.cells.split(",") if options.cells else list(family)
    x = torch.randn(options.batch, options.steps, options.features, device=options.device, requires_grad=True)
    lengths = torch.linspace(options.steps / 2, options.steps, options.batch).round().long().to(options.device)
    layers: dict[str, nn.Module] = {DEFAULT: BidirectionalLSTM(options.features, options.hidden).to(options.device)}
    for name in names:
        layers[name] = BidirectionalCell(name, options.features, options.hidden).to(options.device)
    clock = time.process_time if options.cpu_time else time.perf_counter
    kept = {name: kept_megabytes(layer, x, lengths) for name, layer in layers.items()}
    for layer in layers.values():
        step(layer, x, lengths, clock)
    rounds = [{name: step(layer, x, lengths, clock) for name, layer in layers.items()} for _ in range(options.rounds)]
    return [
        Timing(
            name,
            sum(parameter.numel() for parameter in layer.parameters()),
            statistics.median(one[name] for one in rounds),
            statistics.median(one[name] / one[DEFAULT] for one in rounds),
            kept[name],
        )
        for name, layer in layers.items()
    ]


def main(argv: Sequence[str] | None = None) -> int:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--cells", help="names with commas between (default: the whole family)")
    parser.add_argument("--features", type=int, default=512, help="features of the input (default 512)")
    parser.add_argument("--hidden", type=int, default=256, help="cells in each direction (default 256)")
    parser.add_argument("--batch", type=int, default=16, help="rows (default 16)")
    parser.add_argument("--steps", type=int, default=200, help="steps of the longest row (default 200)")
    parser.add_argument("--rounds", type=int, default=5, help="timed rounds (default 5)")
    parser.add_argument("--device", default="cpu", help="cpu or cuda (default cpu)")
    parser.add_argument("--cpu-time", action="store_true", help="processor time, for a machine busy with other work")
    parser.add_argument("--json", help="file for the figures")
    options = parser.parse_args(argv)
    unknown = sorted(set(options.cells.split(",") if options.cells else ()) - set(family))
    if unknown:
        parser.error(f"no cell is called {unknown[0]}; there are {', '.join(family)}")
    found = measure(options)
    print(f"{'cell':12} {'parameters':>10} {'ms':>8} {'x default':>9} {'MB kept':>8}")
    for one in found:
        print(
            f"{one.cell:12} {one.parameters:10} {1000 * one.seconds:8.0f} {one.times_default:9.2f} {one.kept_megabytes:8.0f}"
        )
    if options.json:
        setting = {key: value for key, value in vars(options).items() if key != "json"}
        text = json.dumps(
            {"setting": setting, "threads": torch.get_num_threads(), "cells": [asdict(one) for one in found]}, indent=2
        )
        Path(options.json).write_text(text + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
