"""The memory cells of the standard LSTM and its nearest relatives: 1997, forget gate, coupled gates, projection."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from recog.errors import ConfigError
from recog.models.cells.cell import Cell, State, blocks, small, start
from recog.models.cells.fused import sweep
from recog.models.cells.rules import CoupledRule, OriginalRule, StandardRule
from recog.models.cells.sequence import run
from recog.models.cells.steps import GatedStep


class OriginalLSTM(Cell):
    """The cell without a forget gate (Hochreiter & Schmidhuber 1997, appendix A.1).

        i_b = sigma(W_i x + U_i h(t-1) + b_i)                    one input gate for each block b
        o_b = sigma(W_o x + U_o h(t-1) + b_o)                    one output gate for each block
        c(t) = c(t-1) + i_b * g(W_c x + U_c h(t-1) + b_c)        g(a) = 4 sigma(a) - 2, in [-2, 2]
        h(t) = o_b * k(c(t))                                     k(a) = 2 sigma(a) - 1, in [-1, 1]

    `block` cells in a row share their gates; it must divide `hidden`. With `truncated` no error leaves a step through
    h(t-1): it reaches the weights of gates and cells and stops, and only c carries it back in time, unscaled, as in
    the paper. With `gated` the sums see the gates of the step before beside h(t-1), as in the paper's networks; what they
    see comes in this order: h, input gates, output gates. Rows of weights and bias: input gates, output gates
    (H / block each), cells (H). State: h, c; with `gated` the gates too, which are 0 before the first step.
    """

    def __init__(
        self, features: int, hidden: int, block: int = 1, truncated: bool = False, gated: bool = False
    ) -> None:
        super().__init__(features, hidden)
        if block < 1 or hidden % block:
            raise ConfigError(f"lstm-1997: blocks of {block} cells do not divide {hidden} cells; give a divisor")
        self.block, self.truncated, self.gated = block, truncated, gated
        gates = 2 * (hidden // block)
        rows = gates + hidden
        self.weight_ih, self.weight_hh = blocks(rows, features), small(blocks(rows, rows if gated else hidden))
        self.bias = nn.Parameter(torch.empty(rows))
        start([], [self.weight_ih], [self.bias])

    def initial(self, batch: int) -> State:
        """h, c and, with `gated`, the gates, zero."""
        h, c = self.zeros(batch, self.hidden), self.zeros(batch, self.hidden)
        return (h, c, self.zeros(batch, 2 * (self.hidden // self.block))) if self.gated else (h, c)

    def project(self, x: Tensor) -> Tensor:
        """(..., F) -> (..., 2 H / block + H)."""
        return functional.linear(x, self.weight_ih, self.bias)

    def advance(self, z: Tensor, state: State) -> tuple[Tensor, State]:
        """One step."""
        h, c, *seen = state
        back = torch.cat([h, *seen], dim=1)
        a = z + functional.linear(back.detach() if self.truncated else back, self.weight_hh)
        n = self.hidden // self.block
        gates = torch.sigmoid(a[:, : 2 * n])
        i, o = gates.repeat_interleave(self.block, dim=1).chunk(2, dim=1)
        c = c + i * (4 * torch.sigmoid(a[:, 2 * n :]) - 2)
        h = o * (2 * torch.sigmoid(c) - 1)
        return h, (h, c, gates) if self.gated else (h, c)

    def sweep(self, z: Tensor, lengths: Tensor, state: State) -> tuple[Tensor, State] | None:
        """All steps by the fused path, or, where gates are part of the state, with that part in it."""
        if self.gated:
            step = GatedStep(len(self.bias), self.block, self.truncated)
            return run(step, z, lengths, state, (self.weight_hh,))
        return sweep(OriginalRule(self.block, self.truncated), z, lengths, state, self.weight_hh)


class LSTM(Cell):
    """The standard cell: with a forget gate (Gers, Schmidhuber & Cummins 2000).

        i, f, o = sigma(W x + U h(t-1) + b)        g = tanh(W_g x + U_g h(t-1) + b_g)
        c(t) = f * c(t-1) + i * g                  h(t) = o * tanh(c(t))

    Rows of weights and bias: i, f, g, o (H each), as nn.LSTM has them. The forget bias starts at 1. State: h, c.
    """

    def __init__(self, features: int, hidden: int) -> None:
        super().__init__(features, hidden)
        self.weight_ih, self.weight_hh = blocks(hidden, features, 4), blocks(hidden, hidden, 4)
        self.bias = nn.Parameter(torch.empty(4 * hidden))
        start([(self.weight_hh, 4)], [self.weight_ih], [self.bias])
        keep(self.bias, hidden)

    def initial(self, batch: int) -> State:
        """h and c, zero."""
        return self.zeros(batch, self.hidden), self.zeros(batch, self.hidden)

    def project(self, x: Tensor) -> Tensor:
        """(..., F) -> (..., 4 H)."""
        return functional.linear(x, self.weight_ih, self.bias)

    def advance(self, z: Tensor, state: State) -> tuple[Tensor, State]:
        """One step."""
        h, c = state
        i, f, g, o = (z + functional.linear(h, self.weight_hh)).chunk(4, dim=1)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        h = torch.sigmoid(o) * torch.tanh(c)
        return h, (h, c)

    def sweep(self, z: Tensor, lengths: Tensor, state: State) -> tuple[Tensor, State] | None:
        """All steps by the fused path."""
        return sweep(StandardRule(), z, lengths, state, self.weight_hh)


class CoupledLSTM(Cell):
    """Input and forget gate in one: what is written is what is forgotten (CIFG of Greff 2017, section III; Cho 2014).

        f, o = sigma(W x + U h(t-1) + b)           g = tanh(W_g x + U_g h(t-1) + b_g)
        c(t) = f * c(t-1) + (1 - f) * g            h(t) = o * tanh(c(t))

    Rows of weights and bias: f, g, o (H each). State: h, c.
    """

    def __init__(self, features: int, hidden: int) -> None:
        super().__init__(features, hidden)
        self.weight_ih, self.weight_hh = blocks(hidden, features, 3), blocks(hidden, hidden, 3)
        self.bias = nn.Parameter(torch.empty(3 * hidden))
        start([(self.weight_hh, 3)], [self.weight_ih], [self.bias])
        with torch.no_grad():
            self.bias[:hidden] = 1.0

    def initial(self, batch: int) -> State:
        """h and c, zero."""
        return self.zeros(batch, self.hidden), self.zeros(batch, self.hidden)

    def project(self, x: Tensor) -> Tensor:
        """(..., F) -> (..., 3 H)."""
        return functional.linear(x, self.weight_ih, self.bias)

    def advance(self, z: Tensor, state: State) -> tuple[Tensor, State]:
        """One step."""
        h, c = state
        f, g, o = (z + functional.linear(h, self.weight_hh)).chunk(3, dim=1)
        f = torch.sigmoid(f)
        c = f * c + (1 - f) * torch.tanh(g)
        h = torch.sigmoid(o) * torch.tanh(c)
        return h, (h, c)

    def sweep(self, z: Tensor, lengths: Tensor, state: State) -> tuple[Tensor, State] | None:
        """All steps by the fused path."""
        return sweep(CoupledRule(), z, lengths, state, self.weight_hh)


@torch.no_grad()
def keep(bias: Tensor, hidden: int) -> None:
    """A forget bias of 1 in rows i, f, g, o: memory starts by keeping (Gers 2000; Jozefowicz 2015)."""
    bias[hidden : 2 * hidden] = 1.0
