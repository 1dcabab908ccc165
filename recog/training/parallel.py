"""Other processes of the same run, started by `torchrun`: who they are, and the few things they tell each other.

Every process computes its own batches; gradients are summed and divided by the labels of all batches together, so that
N processes take the very step that one takes with N batches to an update. Without torchrun there is one process, and
nothing here costs anything.
"""

import contextlib
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, distributed, nn

from recog.errors import ConfigError


@dataclass(frozen=True)
class Peers:
    """The processes of a run as one of them sees them."""

    # This process's number, from 0, and how many there are.
    rank: int = 0
    size: int = 1
    device: torch.device = torch.device("cpu")

    @property
    def first(self) -> bool:
        """Whether this is the process that writes files and talks."""
        return self.rank == 0

    def share(self, batches: Sequence[Sequence[int]], start: int, each: int) -> list[Sequence[int]]:
        """Of the `each` x size batches from `start` on, every process takes `each` neighbours."""
        mine = start + self.rank * each
        return list(batches[mine : mine + each])

    def sums(self, values: Sequence[float]) -> list[float]:
        """The sum of each value over all processes."""
        if self.size == 1:
            return list(values)
        summed = torch.tensor(values, dtype=torch.float64, device=self.device)
        distributed.all_reduce(summed)
        return [float(value) for value in summed]

    def sum_gradients(self, network: nn.Module) -> None:
        """Replaces every gradient by its sum over all processes; one that had no batch adds nothing."""
        if self.size == 1:
            return
        trained = [parameter for parameter in network.parameters() if parameter.requires_grad]
        for parameter in trained:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        together = torch.cat([_gradient(parameter).flatten() for parameter in trained])
        distributed.all_reduce(together)
        for parameter, part in zip(trained, _parts(together, trained), strict=True):
            _gradient(parameter).copy_(part.view_as(parameter))

    def mean_statistics(self, network: nn.Module) -> None:
        """Replaces the running statistics of normalisations by their mean over all processes."""
        statistics = [buffer for buffer in network.buffers() if buffer.is_floating_point()]
        if self.size == 1 or not statistics:
            return
        together = torch.cat([buffer.flatten() for buffer in statistics]) / self.size
        distributed.all_reduce(together)
        for buffer, part in zip(statistics, _parts(together, statistics), strict=True):
            buffer.copy_(part.view_as(buffer))

    def same(self, value: float) -> float:
        """The first process's value, for all."""
        return self.sums([value if self.first else 0.0])[0]

    def spread(self, network: nn.Module) -> None:
        """Gives every process the first one's weights."""
        if self.size > 1:
            for tensor in network.state_dict().values():
                distributed.broadcast(tensor, 0)

    def gather(self, mine: Any) -> list[Any]:
        """Every process's value (anything that JSON holds), by rank, for all."""
        if self.size == 1:
            return [mine]
        written = torch.tensor(list(json.dumps(mine).encode()), dtype=torch.uint8, device=self.device)
        lengths = [int(self.sums([float(len(written) if rank == self.rank else 0)])[0]) for rank in range(self.size)]
        texts = []
        for rank, length in enumerate(lengths):
            text = written if rank == self.rank else torch.empty(length, dtype=torch.uint8, device=self.device)
            distributed.broadcast(text, rank)
            texts.append(json.loads(bytes(text.tolist())))
        return texts


def _parts(together: Tensor, tensors: Sequence[Tensor]) -> Sequence[Tensor]:
    """What was flattened and joined, cut at the same places again."""
    parts: Sequence[Tensor] = torch.split(together, [tensor.numel() for tensor in tensors])
    return parts


def _gradient(parameter: Tensor) -> Tensor:
    assert parameter.grad is not None
    return parameter.grad


def current() -> Peers:
    """The processes of this run; this one alone outside `joined`."""
    cuda = torch.cuda.is_available()
    device = torch.device("cuda", torch.cuda.current_device()) if cuda else torch.device("cpu")
    if not distributed.is_initialized():
        return Peers(device=device)
    return Peers(distributed.get_rank(), distributed.get_world_size(), device)


@contextlib.contextmanager
def joined() -> Iterator[Peers]:
    """Joins the processes that `torchrun` started, NCCL where each has a GPU, else Gloo; one process needs nobody."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1 or distributed.is_initialized():
        yield current()
        return
    from torch.distributed.rendezvous import rendezvous  # not every build of PyTorch has it

    from recog.training.meeting import fresh

    here = int(os.environ.get("LOCAL_RANK", "0"))
    if torch.cuda.is_available():
        if here >= torch.cuda.device_count():
            raise ConfigError(
                f"process {here} of this machine has no GPU: there are {torch.cuda.device_count()}; start fewer processes"
            )
        torch.cuda.set_device(here)
    store, rank, size = next(rendezvous("env://"))
    store = fresh(store, rank, size)
    backend = "nccl" if torch.cuda.is_available() else "gloo"
    distributed.init_process_group(backend, store=store, rank=rank, world_size=size)
    try:
        yield current()
    finally:
        distributed.destroy_process_group()


def speaks() -> bool:
    """Whether this is the process that talks to the user, before `joined` and after it too."""
    return int(os.environ.get("RANK", "0")) == 0


def restarted() -> bool:
    """Whether `torchrun` has started this process again after another one failed."""
    return int(os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")) > 0
