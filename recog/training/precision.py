"""bf16 or fp32: in which arithmetic a training computes, by measurement where that is left open.

Of two processors with the same bf16 instructions, one multiplies matrices nearly twice as fast in bf16 (AMD EPYC), the
other almost twice as fast in fp32 (Intel Xeon without AMX), and others have to imitate bf16: only a clock can tell.
"""

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from recog.errors import ConfigError
from recog.training.parallel import Peers, current
from recog.training.settings import PRECISIONS, FitConfig
from recog.training.state import origin

# Frames of a batch, cells below and gates of a layer: the product that takes most of a training step.
SHAPE = (1024, 320, 1280)
TRIES = 5
# fp32 must be faster by this factor: near a tie bf16 saves memory.
WORTH = 1.1
# Seconds of the processor: what else it does falls on neither. Windows counts them in steps of 16 ms, too coarse here.
CLOCK = time.perf_counter if sys.platform == "win32" else time.process_time


@dataclass(frozen=True)
class Choice:
    """An arithmetic, "bf16" or "fp32", and why, for people."""

    precision: str
    reason: str


def choose(wanted: str, device: torch.device | None = None, clock: Callable[[], float] = CLOCK) -> Choice:
    """What was asked for; for "auto" bf16 on a GPU that has it, and on a CPU the faster one by `clock` (seconds)."""
    if wanted not in PRECISIONS:
        raise ConfigError(f"precision is {wanted!r}; choose one of {', '.join(PRECISIONS)}")
    if wanted != "auto":
        return Choice(wanted, "as asked for")
    if device is not None and device.type == "cuda":
        able = torch.cuda.is_bf16_supported(including_emulation=False)
        return Choice("bf16", "this GPU has it") if able else Choice("fp32", "this GPU has no bf16")
    seconds = fastest(clock)
    precision = "fp32" if seconds["bf16"] > WORTH * seconds["fp32"] else "bf16"
    told = " and ".join(f"{1000 * taken:.1f} ms in {name}" for name, taken in seconds.items())
    return Choice(precision, f"a matrix product takes this processor {told}")


def fastest(clock: Callable[[], float]) -> dict[str, float]:
    """Seconds of the fastest of a few matrix products in each arithmetic, in turns."""
    frames, cells, gates = SHAPE
    random = torch.Generator().manual_seed(1)  # the run's own draws stay what they are
    left, right = (torch.randn(shape, generator=random) for shape in ((frames, cells), (cells, gates)))
    operands = {"bf16": (left.bfloat16(), right.bfloat16()), "fp32": (left, right)}
    seconds = dict.fromkeys(operands, float("inf"))
    with torch.inference_mode():
        for turn in range(1 + TRIES):
            for name, (one, other) in operands.items():
                began = clock()
                torch.mm(one, other)
                taken = clock() - began
                if turn:  # in the first one kernels are chosen and memory is found
                    seconds[name] = min(seconds[name], taken)
    return seconds


def arithmetic(precision: str, device: torch.device) -> torch.autocast:
    """The block in which a network computes in "bf16" or "fp32"; "auto" must have been decided before (KeyError)."""
    return torch.autocast(device.type, torch.bfloat16, enabled={"bf16": True, "fp32": False}[precision])


def decided(config: FitConfig, folder: Path, resume: bool, peers: Peers | None = None) -> FitConfig:
    """The settings with their precision decided, which is told; "auto" is what the resumed run in `folder` began with.

    Of several processes the first one measures, for all. A deterministic run takes fp32 on a CPU: nothing of it may
    hang on a clock.
    """
    if config.precision != "auto":
        return config
    peers = peers or current()
    choice = Choice("fp32", "")
    if peers.first:
        began = origin(folder / "state.safetensors").precision if resume else None
        if began is not None:
            choice = Choice(began, "as the run began")
        elif config.deterministic and peers.device.type == "cpu":
            choice = Choice("fp32", "fit.deterministic asks for what hangs on no clock")
        else:
            choice = choose("auto", peers.device)
        print(f"precision: {choice.precision} ({choice.reason})", file=sys.stderr)
    return replace(config, precision="bf16" if peers.same(float(choice.precision == "bf16")) else "fp32")
