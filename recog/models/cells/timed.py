"""Memory that ages between irregular steps: the time-aware LSTM, for pen strokes and frames that skip."""

import math
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from recog.errors import ConfigError
from recog.models.cells.cell import Cell, State, blocks, start
from recog.models.cells.lstm import keep
from recog.models.cells.sequence import run
from recog.models.cells.steps import TimeAwareStep

Decay = Literal["log", "inverse"]


class TimeAwareLSTM(Cell):
    """Elapsed time lets the short-term part of the memory fade (Baytas 2017).

        s = tanh(V c(t-1) + d)                      the short-term part of the memory
        c* = (c(t-1) - s) + s * decay(elapsed)      decay(e) = 1 / log(e + elapsed) for "log", 1 / elapsed for "inverse"
        i, f, o = sigma(W x + U h(t-1) + b)         g = tanh(W_g x + U_g h(t-1) + b_g)
        c(t) = f * c* + i * g                       h(t) = o * tanh(c(t))

    `clock` is the feature that holds the time since the step before, 0 or more ("inverse": more than 0), in a unit in
    which an ordinary step is about 1; the cell sees it as a feature too. Without a clock every step takes 1, which is right
    for regular frames. Rows of weights and bias: i, f, g, o (H each). State: h, c.
    """

    def __init__(self, features: int, hidden: int, clock: int | None = None, decay: Decay = "log") -> None:
        super().__init__(features, hidden)
        if clock is not None and not 0 <= clock < features:
            raise ConfigError(f"time-aware: clock is feature {clock} of {features}; expected 0 to {features - 1}")
        if decay not in ("log", "inverse"):
            raise ConfigError(f"time-aware: decay is {decay!r}; expected 'log' or 'inverse'")
        self.clock, self.decay = clock, decay
        self.weight_ih, self.weight_hh = blocks(hidden, features, 4), blocks(hidden, hidden, 4)
        self.weight_short = blocks(hidden, hidden)
        self.bias, self.bias_short = nn.Parameter(torch.empty(4 * hidden)), nn.Parameter(torch.zeros(hidden))
        start([(self.weight_hh, 4), (self.weight_short, 1)], [self.weight_ih], [self.bias])
        keep(self.bias, hidden)

    def initial(self, batch: int) -> State:
        """h and c, zero."""
        return self.zeros(batch, self.hidden), self.zeros(batch, self.hidden)

    def project(self, x: Tensor) -> Tensor:
        """(..., F) -> (..., 4 H + 1), the last one the share of the short-term memory that is left."""
        elapsed = torch.ones_like(x[..., :1]) if self.clock is None else x[..., self.clock, None]
        left = 1 / torch.log(math.e + elapsed) if self.decay == "log" else 1 / elapsed
        return torch.cat([functional.linear(x, self.weight_ih, self.bias), left], dim=-1)

    def advance(self, z: Tensor, state: State) -> tuple[Tensor, State]:
        """One step."""
        h, c = state
        short = torch.tanh(functional.linear(c, self.weight_short, self.bias_short))
        c = c - short + short * z[:, -1:]
        i, f, g, o = (z[:, :-1] + functional.linear(h, self.weight_hh)).chunk(4, dim=1)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        h = torch.sigmoid(o) * torch.tanh(c)
        return h, (h, c)

    def sweep(self, z: Tensor, lengths: Tensor, state: State) -> tuple[Tensor, State] | None:
        """All steps with a backward pass by hand."""
        weights = (self.weight_hh, self.weight_short, self.bias_short)
        return run(TimeAwareStep(self.hidden), z, lengths, state, weights)
