"""A recurrent language model: units so far -> LSTM layers -> how likely each unit is to be next (Mikolov 2010; with LSTM:
Sundermeyer 2012; over characters: Graves 2013, "Generating sequences").

A vocabulary of words is too long for one table of full width: frequent words have wide rows, rarer ones narrower ones, four
times at each tier (adaptive softmax, Grave 2017), and what a word reads as is what foretells it (Press & Wolf 2017;
both: adaptive inputs, Baevski & Auli 2019).
"""

import itertools
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.rnn import pack_padded_sequence

from recog.errors import ConfigError
from recog.models.layers import Dropout

# Outputs and cells of the layers.
State = tuple[Tensor, Tensor]
# Begins and ends a text; units count from 1.
EDGE = 0
# So much narrower is each tier of a vocabulary than the one before.
NARROWING = 4.0


@dataclass(frozen=True)
class RecurrentLMConfig:
    """The shape of a recurrent language model."""

    # Units it foretells, the edge not among them.
    symbols: int
    # Width of a unit's row; LSTM layers and their cells.
    width: int = 64
    layers: int = 1
    hidden: int = 512
    dropout: float = 0.1
    # Where the tiers of a vocabulary sorted by frequency end, the last one's end left out: (4000, 20000); (): one table.
    tiers: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if min(self.symbols, self.width, self.layers, self.hidden) < 1:
            raise ConfigError("recurrent: symbols, width, layers and hidden must be at least 1")
        if not 0 <= self.dropout < 1:
            raise ConfigError(f"recurrent.dropout is {self.dropout}; expected 0 <= dropout < 1")
        ends = (0, *self.tiers, self.symbols + 1)
        if any(end <= start for start, end in itertools.pairwise(ends)):
            raise ConfigError(
                f"recurrent.tiers are {list(self.tiers)}; expected rising places below {self.symbols + 1}, the units and the edge"
            )
        if self.width < NARROWING ** len(self.tiers):
            raise ConfigError(f"recurrent.width is {self.width}; nothing is left of it in {len(self.tiers)} tiers")


class RecurrentLM(nn.Module):
    """One way only: what is foretold depends on nothing that comes later."""

    def __init__(self, config: RecurrentLMConfig) -> None:
        super().__init__()
        self.config = config
        table = Tiers if config.tiers else Table
        self.units = table(config)
        between = config.dropout if config.layers > 1 else 0.0
        self.recurrent = nn.LSTM(config.width, config.hidden, config.layers, batch_first=True, dropout=between)
        self.dropout = Dropout(config.dropout)
        with torch.no_grad():
            for layer in range(config.layers):
                # Gates that remember at first (Gers 2000; Jozefowicz 2015): i, f, g, o.
                getattr(self.recurrent, f"bias_ih_l{layer}")[config.hidden : 2 * config.hidden] = 1.0

    def forward(self, read: Tensor, wanted: Tensor, state: State | None = None) -> Tensor:
        """(B, U) units read, EDGE first; (B, U) units that come next -> (B, U) natural-log probabilities of the latter.

        `state` is what was read before, as `after` gives it.
        """
        found, _ = self.recurrent(self.units.rows(read), state)
        said: Tensor = self.units.log_probs(self.dropout(found), wanted)
        return said

    def after(self, read: Tensor, lengths: Tensor) -> State:
        """(B, U) units read, EDGE first, and how many of each row count (B,) -> the layers' outputs and cells after them,
        (layers, B, hidden) each.
        """
        rows = pack_padded_sequence(self.units.rows(read), lengths.cpu(), batch_first=True, enforce_sorted=False)
        state: State = self.recurrent(rows)[1]
        return state


class Table(nn.Module):
    """A short alphabet: a row each to read, and a row each to foretell."""

    def __init__(self, config: RecurrentLMConfig) -> None:
        super().__init__()
        self.embed = nn.Embedding(config.symbols + 1, config.width)
        self.output = nn.Linear(config.hidden, config.symbols + 1)

    def rows(self, read: Tensor) -> Tensor:
        """(B, U) units -> (B, U, width)."""
        found: Tensor = self.embed(read)
        return found

    def log_probs(self, found: Tensor, wanted: Tensor) -> Tensor:
        """(B, U, hidden), (B, U) units -> (B, U) natural-log probabilities of the units."""
        return torch.log_softmax(self.output(found).float(), dim=2).gather(2, wanted[:, :, None])[:, :, 0]


class Tiers(nn.Module):
    """A long vocabulary, most frequent units first: rows that grow narrower, the same to read and to foretell."""

    def __init__(self, config: RecurrentLMConfig) -> None:
        super().__init__()
        self.ends = (0, *config.tiers, config.symbols + 1)
        widths = [int(config.width // NARROWING**tier) for tier in range(len(self.ends) - 1)]
        sizes = [end - start for start, end in itertools.pairwise(self.ends)]
        self.tables = nn.ParameterList(
            nn.Parameter(0.1 * torch.randn(size, width)) for size, width in zip(sizes, widths, strict=True)
        )
        self.narrow = nn.Linear(config.hidden, config.width)
        # Whether what comes next stands in the second tier, in the third, ...: beside the units of the first.
        self.later = nn.Linear(config.width, len(config.tiers))
        self.shrink = nn.ModuleList(nn.Linear(config.width, width, bias=False) for width in widths[1:])
        self.widen = nn.ModuleList(nn.Linear(width, config.width, bias=False) for width in widths[1:])

    def rows(self, read: Tensor) -> Tensor:
        """(B, U) units -> (B, U, width)."""
        flat = read.flatten()
        first = flat < self.ends[1]
        found = torch.where(first[:, None], functional.embedding(flat * first, self.tables[0]), 0.0)
        for tier, widen in enumerate(self.widen, 1):
            places = self._of(tier, flat)
            rows = widen(functional.embedding(flat[places] - self.ends[tier], self.tables[tier]))
            found = found.index_copy(0, places, rows.to(found.dtype))
        return found.view(*read.shape, -1)

    def log_probs(self, found: Tensor, wanted: Tensor) -> Tensor:
        """(B, U, hidden), (B, U) units -> (B, U) natural-log probabilities of the units."""
        narrow, flat = self.narrow(found).flatten(0, 1), wanted.flatten()
        head = torch.cat([functional.linear(narrow, self.tables[0]), self.later(narrow)], dim=1)
        # In the first tier a unit's own column, else that of its tier.
        later = sum((flat >= end).long() for end in self.ends[1:-1])
        column = torch.where(flat < self.ends[1], flat, self.ends[1] - 1 + later)
        said = _log_softmax_at(head.float(), column)
        for tier, shrink in enumerate(self.shrink, 1):
            places = self._of(tier, flat)
            among = functional.linear(shrink(narrow[places]), self.tables[tier]).float()
            said = said.index_add(0, places, _log_softmax_at(among, flat[places] - self.ends[tier]))
        return said.view(wanted.shape)

    def _of(self, tier: int, units: Tensor) -> Tensor:
        """Where units of this tier stand."""
        return ((units >= self.ends[tier]) & (units < self.ends[tier + 1])).nonzero()[:, 0]


def _log_softmax_at(x: Tensor, column: Tensor) -> Tensor:
    """(N, C), (N,) -> (N,): of each row's log softmax the one column, without the memory of all others."""
    return x.gather(1, column[:, None])[:, 0] - torch.logsumexp(x, dim=1)
