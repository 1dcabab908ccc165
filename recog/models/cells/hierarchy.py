"""Networks on top of networks, each with a CTC layer of its own: characters below, words above."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from recog.errors import ConfigError
from recog.models.cells.layer import BidirectionalCell


@dataclass(frozen=True)
class Level:
    """One level of a hierarchy."""

    # Symbols it tells apart, blank included.
    symbols: int
    # Cells in each direction of its layer.
    hidden: int
    # Kind of those cells, a name of the family.
    cell: str = "lstm"


class HierarchicalCTC(nn.Module):
    """A stack of levels, each a bidirectional layer and the log-probabilities of its symbols
    (Fernandez, Graves & Schmidhuber 2007, section 3).

    A level reads the probabilities that the level below gives to its symbols, and nothing else of it; errors of every
    level's CTC loss go down through them, so that what lies below learns from the words above too. Train with the
    weighted sum of the losses (`recog.ctc.loss.ctc_loss`) of all levels that have targets.
    """

    def __init__(self, features: int, levels: Sequence[Level]) -> None:
        super().__init__()
        if not levels or min(min(level.symbols - 1, level.hidden) for level in levels) < 1:
            raise ConfigError("hierarchy: give at least one level, each with a cell and a symbol beside the blank")
        widths = [features, *(level.symbols for level in levels)]
        self.layers = nn.ModuleList(
            BidirectionalCell(level.cell, width, level.hidden) for width, level in zip(widths, levels, strict=False)
        )
        self.outputs = nn.ModuleList(nn.Linear(2 * level.hidden, level.symbols) for level in levels)

    def forward(self, x: Tensor, lengths: Tensor) -> tuple[Tensor, ...]:
        """x (B, T, F), lengths (B,) -> natural-log probabilities (B, T, S) of each level, lowest first."""
        found: list[Tensor] = []
        for layer, output in zip(self.layers, self.outputs, strict=True):
            scores = output(layer(x, lengths))
            # At least float32: half precision would blur the rare symbols.
            found.append(torch.log_softmax(scores.to(torch.promote_types(scores.dtype, torch.float32)), dim=-1))
            x = found[-1].exp()
        return tuple(found)
