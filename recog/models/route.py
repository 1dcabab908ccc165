"""How the frames of a batch go to places in another order, and come back."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Route:
    """The places of the frames of a batch (B, T), as rows of one (B T, F) matrix, in another order of N places."""

    # (N,) the frame that stands at each place.
    there: Tensor
    # (B T,) the place of each frame; that of the first where it has none.
    back: Tensor
    # (B T,) whether a frame has a place; None where all have.
    covered: Tensor | None

    @classmethod
    def of(cls, there: Tensor, frames: int) -> "Route":
        """From the frame at each place, each at most once, of so many frames."""
        back = torch.zeros(frames, dtype=torch.long)
        back[there] = torch.arange(len(there))
        if len(there) == frames:
            return cls(there, back, None)
        covered = torch.zeros(frames, dtype=torch.bool)
        covered[there] = True
        return cls(there, back, covered)

    def home(self, placed: Tensor) -> Tensor:
        """(N, F) in places -> (B T, F) in the batch's order, 0 where a frame has no place."""
        if self.covered is None:
            return placed.index_select(0, self.back)
        return placed.new_zeros(len(self.back), placed.shape[1]).index_copy_(0, self.there, placed)
