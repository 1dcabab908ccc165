"""What a training run will take, told before it starts: memory by its parts, and time by that of one small batch."""

import copy
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from recog import memory
from recog.audio import SpeechFrontend
from recog.batching import DataConfig
from recog.ctc.loss import ctc_loss
from recog.frontend import Frontend
from recog.models.network import Network
from recog.training.precision import arithmetic
from recog.training.settings import FitConfig

# Weight, gradient, two moments of AdamW and the running average, each in float32.
BYTES_A_PARAMETER = 5 * 4
# Peak of forward and backward over what autograd keeps. On a CPU 0.62 to 0.76 were measured (presets speech-base and
# handwriting-base): oneDNN's LSTM reserves room that it never touches. On a GPU backward's own buffers come on top.
PEAK = {"cpu": 0.8, "cuda": 1.2}
# Padded frames of the batch that is timed: enough for the pace of a large one, and a second or so of a CPU's time.
_TIMED_FRAMES = 6000
# A worker process: Python and PyTorch without any sample.
_WORKER_BYTES = 350_000_000


@dataclass(frozen=True)
class Activations:
    """What forward keeps for backward: so many bytes for each padded frame of a batch, and so many once."""

    a_frame: float
    once: float

    def bytes_for(self, frames: int) -> float:
        """For a batch of that many padded frames."""
        return self.once + self.a_frame * frames


@dataclass(frozen=True)
class Estimate:
    """Memory of one process of a training run, in bytes."""

    parameters: int
    # Weights, gradients, optimiser and average.
    state: float
    # Of the largest batch.
    activations: float
    batch_frames: int
    # Decoded samples that are kept, and worker processes: main memory, also where a GPU computes.
    samples: float
    workers: float
    device: torch.device

    @property
    def on_device(self) -> float:
        """What is taken where the network computes."""
        return self.state + self.activations + (0 if self.device.type == "cuda" else self.samples + self.workers)

    def fits(self, free: int) -> bool:
        """Whether it stays within nine tenths of what is free."""
        return self.on_device <= 0.9 * free

    def largest_batch(self, free: int) -> int:
        """The batch_frames that would fit, 0 where not even one frame does; two leading digits."""
        left = 0.9 * free - (self.on_device - self.activations)
        return memory.rounded(max(0, int(left / self.activations * self.batch_frames)))


def activations(network: Network, precision: str, device: torch.device, labels_a_frame: float = 0.1) -> Activations:
    """Counts what a copy of the network keeps for two small batches on the device: from them follows any other.

    `labels_a_frame`: label density of the texts, for the loss's own tables. Leaves network and random states alone.
    """
    counted = []
    model = copy.deepcopy(network).to(device).train()
    drawn = torch.random.fork_rng(devices=[device] if device.type == "cuda" else [])
    with memory.explained([512, 512], device), drawn:
        for steps in (256, 512):
            labels = max(1, round(labels_a_frame * steps))
            x = torch.zeros(2, steps, network.features, device=device)
            lengths = torch.full((2,), steps, device=device)
            with saved_bytes(model) as seen, arithmetic(precision, device):
                output = model(x, lengths, auxiliary=True)
                kept = [
                    ctc_loss(log_probs, output.lengths, _targets(2, labels, network.symbols, output.lengths), ["", ""])
                    for log_probs in (output.log_probs, *output.auxiliary)
                ]
            counted.append(sum(seen.values()))
            del kept, output
    slope = max(0.0, (counted[1] - counted[0]) / (2 * 256))
    return Activations(slope, max(0.0, counted[0] - slope * 2 * 256))


def _targets(rows: int, labels: int, symbols: int, lengths: Tensor) -> list[list[int]]:
    """So many label sequences without repeats, as long as asked or as the frames allow."""
    count = min(labels, int(lengths.min()))
    return [[1 + k % max(1, symbols - 1) for k in range(count if symbols > 2 else 1)]] * rows


def pace(
    network: Network,
    length: int,
    frames: int,
    precision: str,
    device: torch.device,
    labels_a_frame: float = 0.1,
    clock: Callable[[], float] = time.perf_counter,
) -> float:
    """Seconds a padded frame, forward and backward: a copy of the network on samples of `length`, about `frames` in all.

    The second of two times counts: in the first one buffers grow. Leaves network and random states alone.
    """
    length = min(length, _TIMED_FRAMES)
    rows = max(1, min(frames, _TIMED_FRAMES) // length)
    labels = max(1, round(labels_a_frame * length))
    model = copy.deepcopy(network).to(device).train()
    x = torch.zeros(rows, length, network.features, device=device)
    lengths = torch.full((rows,), length, device=device)
    taken = 0.0
    drawn = torch.random.fork_rng(devices=[device] if device.type == "cuda" else [])
    with memory.explained([length] * rows, device), drawn:
        for _ in range(2):
            model.zero_grad()
            began = clock()
            with arithmetic(precision, device):
                output = model(x, lengths, auxiliary=True)
            targets = _targets(rows, labels, network.symbols, output.lengths)
            heads = (output.log_probs, *output.auxiliary)
            losses = [ctc_loss(head, output.lengths, targets, [""] * rows).sum() for head in heads]
            torch.stack(losses).sum().backward()  # type: ignore[no-untyped-call]
            if device.type == "cuda":
                torch.cuda.synchronize(device)
            taken = clock() - began
    return taken / (rows * length)


def told_time(epoch_minutes: float, config: FitConfig) -> str:
    """For people: an epoch, and the whole run by its epochs or its clock, whichever ends it."""
    by_epochs = epoch_minutes * config.epochs
    end = f"all {config.epochs} about {duration(by_epochs)}"
    if config.minutes and by_epochs > config.minutes:
        end = f"the clock (fit.minutes) ends the run after {duration(config.minutes)}"
    return f"estimate: an epoch takes about {duration(epoch_minutes)}, {end}, by the time of a small batch; dev rows and reading come on top"


def duration(minutes: float) -> str:
    """With the unit that suits it: 40 s, 12 min, 3.4 h, 56 h."""
    if minutes < 2:
        return f"{60 * minutes:.0f} s"
    if minutes < 120:
        return f"{minutes:.0f} min"
    return f"{minutes / 60:.1f} h" if minutes < 600 else f"{minutes / 60:.0f} h"


class saved_bytes:  # noqa: N801 - a context manager reads as a verb
    """Within its block, the bytes of every storage that autograd keeps, by its address; parameters are left out."""

    def __init__(self, model: nn.Module) -> None:
        self._own = {tensor.untyped_storage().data_ptr() for tensor in (*model.parameters(), *model.buffers())}
        self._seen: dict[int, int] = {}
        # The tensors themselves, so that no address is given out twice within the block.
        self._held: list[Tensor] = []
        self._hooks = torch.autograd.graph.saved_tensors_hooks(self._note, lambda tensor: tensor)

    def _note(self, tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in self._own:
            self._seen[storage.data_ptr()] = storage.nbytes()
            self._held.append(tensor.detach())
        return tensor

    def __enter__(self) -> dict[int, int]:
        self._hooks.__enter__()
        return self._seen

    def __exit__(self, *given: object) -> None:
        self._hooks.__exit__(*given)


def estimate(
    network: Network,
    lengths: Sequence[int],
    labels: int,
    frontend: Frontend,
    config: FitConfig,
    batching: DataConfig,
    device: torch.device,
) -> Estimate:
    """For rows of these lengths in frames, with `labels` labels in all."""
    parameters = sum(parameter.numel() for parameter in network.parameters())
    kept = activations(network, config.precision, device, labels / max(1, sum(lengths)))
    asked = max(batching.batch_frames, batching.early_batch_frames if batching.early_epochs else 0)
    # A sample longer than the setting makes a batch of its own; a small corpus fills none, unless its rows come often.
    times = max([1.0, *batching.weights.values()])
    largest = max(max(lengths), min(asked, round(times * sum(lengths))))
    return Estimate(
        parameters,
        float(parameters * BYTES_A_PARAMETER),
        PEAK.get(device.type, 1.0) * kept.bytes_for(largest),
        largest,
        min(batching.memory_gigabytes * 1e9, sum(lengths) * bytes_a_frame(frontend)),
        float(batching.workers * _WORKER_BYTES),
        device,
    )


def bytes_a_frame(frontend: Frontend) -> float:
    """Of a decoded sample as it is kept: 16 bits a sound sample, 8 bits a pixel."""
    if isinstance(frontend, SpeechFrontend):
        return 2 * frontend.hop_seconds * frontend.rate_hz
    return float(frontend.height_px)


def told(estimated: Estimate, free: int | None) -> Iterator[str]:
    """For people: the parts, the sum against what is free, and where it is too much the setting that would fit."""
    place = "GPU memory" if estimated.device.type == "cuda" else "main memory"
    beside = f"decoded samples {gigabytes(estimated.samples)}"
    beside += f", workers {gigabytes(estimated.workers)}" if estimated.workers else ""
    if estimated.device.type == "cuda":
        beside += " of main memory"
    whole = f"about {gigabytes(estimated.on_device)} of {place}" + (f", {gigabytes(free)} are free" if free else "")
    yield (
        f"estimate: {whole}: weights, gradients, optimiser and average {gigabytes(estimated.state)}, activations "
        f"{gigabytes(estimated.activations)} for {estimated.batch_frames} frames; {beside}"
    )
    if free and not estimated.fits(free):
        fitting = estimated.largest_batch(free)
        yield (
            f"warning: that is likely too much; --set data.batch_frames={fitting} would fit"
            if fitting
            else "warning: that is too much for a batch of any size; make the network or data.memory_gigabytes smaller"
        )


def gigabytes(number: float) -> str:
    """With two digits that matter: 12 MB, 0.12 GB, 3.4 GB, 56 GB."""
    amount = number / 1e9
    if amount < 0.1:
        return f"{number / 1e6:.0f} MB"
    return f"{amount:.2f} GB" if amount < 1 else f"{amount:.1f} GB" if amount < 10 else f"{amount:.0f} GB"
