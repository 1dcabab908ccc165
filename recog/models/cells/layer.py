"""A bidirectional layer of any member of the family, in the place of the standard one."""

import torch
from torch import Tensor, nn

from recog.errors import ConfigError
from recog.models.cells import family
from recog.models.cells.scan import scan


class BidirectionalCell(nn.Module):
    """One layer that reads a sequence ahead and back (Graves & Schmidhuber 2005), (B, T, F) -> (B, T, 2 H)."""

    def __init__(self, cell: str, features: int, hidden: int) -> None:
        super().__init__()
        known(cell)
        self.ahead, self.back = family[cell](features, hidden), family[cell](features, hidden)

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        """x (B, T, F), lengths (B,); zero past a length, and each row as if it were alone."""
        ahead, _ = scan(self.ahead, x, lengths)
        back, _ = scan(self.back, x, lengths, reverse=True)
        return torch.cat([ahead, back], dim=2)


def known(cell: str) -> None:
    """Refuses a name that no member of the family has."""
    if cell not in family:
        raise ConfigError(f"network.cell is {cell!r}; expected one of {', '.join(family)}")
