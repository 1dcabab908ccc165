"""A bidirectional layer of any member of the family, in the place of the standard one."""

from dataclasses import replace

import torch
from torch import Tensor, nn

from recog.models.cells import family
from recog.models.cells.options import CellOptions, arguments
from recog.models.cells.scan import scan

PLAIN = CellOptions()


class BidirectionalCell(nn.Module):
    """One layer that reads a sequence ahead and back (Graves & Schmidhuber 2005), (B, T, F) -> (B, T, 2 H).

    With a clock among the options its cells read the times between the steps as one more feature, the last.
    """

    def __init__(self, cell: str, features: int, hidden: int, options: CellOptions = PLAIN) -> None:
        super().__init__()
        self.timed = options.clock >= 0
        if self.timed:
            options, features = replace(options, clock=features), features + 1
        told = arguments(cell, options)
        self.ahead, self.back = (family[cell](features, hidden, **told) for _ in range(2))

    def forward(self, x: Tensor, lengths: Tensor, elapsed: Tensor | None = None) -> Tensor:
        """x (B, T, F), lengths (B,), for cells with a clock `elapsed` (B, T), the time since the step before; zero past a
        length, and each row as if it were alone.
        """
        onward = back = x
        if self.timed and elapsed is not None:
            onward = torch.cat([x, elapsed[:, :, None].to(x.dtype)], dim=2)
            back = torch.cat([x, read_back(elapsed, lengths)[:, :, None].to(x.dtype)], dim=2)
        ahead, _ = scan(self.ahead, onward, lengths)
        behind, _ = scan(self.back, back, lengths, reverse=True)
        return torch.cat([ahead, behind], dim=2)


def read_back(elapsed: Tensor, lengths: Tensor) -> Tensor:
    """(B, T) times since the step before -> since the step after, which is the one before when read from the end.

    The last step, where such reading begins, takes 1.
    """
    later = torch.cat([elapsed[:, 1:], torch.ones_like(elapsed[:, :1])], dim=1)
    last = torch.arange(elapsed.shape[1], device=elapsed.device) == lengths[:, None] - 1
    return torch.where(last, torch.ones_like(later), later)


def coarser(elapsed: Tensor, lengths: Tensor, stride: int) -> Tensor:
    """(B, T) times of frames -> (B, ceil(T / stride)): the mean over the frames that one step takes, 1 past a length.

    A mean, so that an ordinary step stays about 1.
    """
    rest = -elapsed.shape[1] % stride
    alive = torch.arange(elapsed.shape[1], device=elapsed.device) < lengths[:, None]
    parts = [nn.functional.pad(part, (0, rest)) for part in (elapsed * alive, alive.to(elapsed.dtype))]
    total, frames = (part.reshape(len(part), -1, stride).sum(dim=2) for part in parts)
    return torch.where(frames > 0, total / frames.clamp(min=1), torch.ones_like(total))
