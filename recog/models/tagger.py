"""A tagger of words: bags of features -> BLSTM layers -> for every word one class of each kind asked for."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from recog.errors import ConfigError
from recog.models.layers import BidirectionalLSTM, Dropout


@dataclass(frozen=True)
class TaggerConfig:
    """The shape of a tagger."""

    # Rows of the table that hashed features share (Weinberger 2009), and width of a row.
    buckets: int = 16384
    width: int = 96
    # BLSTM layers, and cells in each direction.
    layers: int = 2
    hidden: int = 128
    dropout: float = 0.1
    # Number of classes of each kind.
    classes: tuple[int, ...] = (3, 7)

    def __post_init__(self) -> None:
        if min(self.buckets, self.width, self.layers, self.hidden, *self.classes) < 1 or not self.classes:
            raise ConfigError("tagger: buckets, width, layers, hidden and classes must be at least 1")
        if not 0 <= self.dropout < 1:
            raise ConfigError(f"tagger.dropout is {self.dropout}; expected 0 <= dropout < 1")


class Tagger(nn.Module):
    """A word is the mean of its features' rows (fastText: Bojanowski 2017); what stands around it, BLSTM layers know."""

    def __init__(self, config: TaggerConfig) -> None:
        super().__init__()
        self.config = config
        self.words = nn.EmbeddingBag(config.buckets, config.width, mode="mean")
        self.dropout = Dropout(config.dropout)
        widths = [config.width] + [2 * config.hidden] * (config.layers - 1)
        self.recurrent = nn.ModuleList(BidirectionalLSTM(width, config.hidden) for width in widths)
        self.heads = nn.ModuleList(nn.Linear(2 * config.hidden, count) for count in config.classes)

    def forward(self, bags: Tensor, offsets: Tensor, lengths: Tensor) -> tuple[Tensor, ...]:
        """Features of all words of a batch one after another, padding words included -> (B, T, classes) log-probabilities
        of each kind.

        bags (N,) rows of the table; offsets (B T,) where each word's features begin; lengths (B,) words of each row.
        """
        x = self.words(bags, offsets).reshape(len(lengths), -1, self.config.width)
        for layer in self.recurrent:
            x = cast(Tensor, layer(self.dropout(x), lengths))
        x = self.dropout(x)
        return tuple(torch.log_softmax(head(x).float(), dim=-1) for head in self.heads)


def together(rows: Sequence[Sequence[Sequence[int]]]) -> tuple[Tensor, Tensor, Tensor]:
    """Rows of words of features -> bags, offsets, lengths; short rows are filled up with words without features."""
    longest = max(map(len, rows))
    filled = [words for row in rows for words in (*row, *[()] * (longest - len(row)))]
    counts = torch.tensor([0, *(len(features) for features in filled)])
    bags = torch.tensor([feature for features in filled for feature in features], dtype=torch.long)
    return bags, counts.cumsum(0)[:-1], torch.tensor([len(row) for row in rows])
