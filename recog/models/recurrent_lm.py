"""A recurrent language model: symbols so far -> LSTM layers -> how likely each symbol is to be next (Mikolov 2010; with LSTM:
Sundermeyer 2012; over characters: Graves 2013, "Generating sequences").
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from recog.errors import ConfigError

# Begins and ends a text; symbols count from 1.
EDGE = 0


@dataclass(frozen=True)
class RecurrentLMConfig:
    """The shape of a recurrent language model."""

    # Symbols it foretells, the edge not among them.
    symbols: int
    # Width of a symbol's row; LSTM layers and their cells.
    width: int = 64
    layers: int = 1
    hidden: int = 512
    dropout: float = 0.1

    def __post_init__(self) -> None:
        if min(self.symbols, self.width, self.layers, self.hidden) < 1:
            raise ConfigError("recurrent: symbols, width, layers and hidden must be at least 1")
        if not 0 <= self.dropout < 1:
            raise ConfigError(f"recurrent.dropout is {self.dropout}; expected 0 <= dropout < 1")


class RecurrentLM(nn.Module):
    """One way only: what is foretold depends on nothing that comes later."""

    def __init__(self, config: RecurrentLMConfig) -> None:
        super().__init__()
        self.config = config
        self.embed = nn.Embedding(config.symbols + 1, config.width)
        between = config.dropout if config.layers > 1 else 0.0
        self.recurrent = nn.LSTM(config.width, config.hidden, config.layers, batch_first=True, dropout=between)
        self.dropout = nn.Dropout(config.dropout)
        self.output = nn.Linear(config.hidden, config.symbols + 1)
        with torch.no_grad():
            for layer in range(config.layers):
                # Gates that remember at first (Gers 2000; Jozefowicz 2015): i, f, g, o.
                getattr(self.recurrent, f"bias_ih_l{layer}")[config.hidden : 2 * config.hidden] = 1.0

    def forward(self, read: Tensor) -> Tensor:
        """(B, U) symbols read, EDGE first -> (B, U, symbols + 1) natural-log probabilities of what comes next."""
        found, _ = self.recurrent(self.embed(read))
        return torch.log_softmax(self.output(self.dropout(found)).float(), dim=2)
