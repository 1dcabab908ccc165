"""Recurrent units without a separate memory: Elman's, and the gated unit of Cho."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from recog.models.cells.cell import Cell, State, blocks, start
from recog.models.cells.fused import sweep
from recog.models.cells.rules import ElmanRule
from recog.models.cells.sequence import run
from recog.models.cells.steps import GRUStep


class Elman(Cell):
    """The plain recurrent network (Elman 1990): h(t) = tanh(W x + U h(t-1) + b). State: h."""

    def __init__(self, features: int, hidden: int) -> None:
        super().__init__(features, hidden)
        self.weight_ih, self.weight_hh = blocks(hidden, features), blocks(hidden, hidden)
        self.bias = nn.Parameter(torch.empty(hidden))
        start([(self.weight_hh, 1)], [self.weight_ih], [self.bias])

    def initial(self, batch: int) -> State:
        """h, zero."""
        return (self.zeros(batch, self.hidden),)

    def project(self, x: Tensor) -> Tensor:
        """(..., F) -> (..., H)."""
        return functional.linear(x, self.weight_ih, self.bias)

    def advance(self, z: Tensor, state: State) -> tuple[Tensor, State]:
        """One step."""
        h = torch.tanh(z + functional.linear(state[0], self.weight_hh))
        return h, (h,)

    def sweep(self, z: Tensor, lengths: Tensor, state: State) -> tuple[Tensor, State] | None:
        """All steps by the fused path, which asks for a c: one without cells."""
        y, (h, _) = sweep(ElmanRule(), z, lengths, (*state, state[0][:, :0]), self.weight_hh)
        return y, (h,)


class GRU(Cell):
    """The gated recurrent unit (Cho 2014, equations 5 to 8).

        r, z = sigma(W x + U h(t-1) + b)
        n = tanh(W_n x + U_n (r * h(t-1)) + b_n)          h(t) = z * h(t-1) + (1 - z) * n

    With `reset_after` the reset gate comes after the recurrent map, r * (U_n h(t-1) + d), as nn.GRU and cuDNN have it.
    Rows of weights and bias: r, z, n (H each). State: h.
    """

    def __init__(self, features: int, hidden: int, reset_after: bool = False) -> None:
        super().__init__(features, hidden)
        self.weight_ih, self.weight_hh = blocks(hidden, features, 3), blocks(hidden, hidden, 3)
        self.bias = nn.Parameter(torch.empty(3 * hidden))
        self.bias_reset = nn.Parameter(torch.zeros(hidden)) if reset_after else None
        start([(self.weight_hh, 3)], [self.weight_ih], [self.bias])

    def initial(self, batch: int) -> State:
        """h, zero."""
        return (self.zeros(batch, self.hidden),)

    def project(self, x: Tensor) -> Tensor:
        """(..., F) -> (..., 3 H)."""
        return functional.linear(x, self.weight_ih, self.bias)

    def advance(self, z: Tensor, state: State) -> tuple[Tensor, State]:
        """One step."""
        (h,) = state
        n = 2 * self.hidden
        r, update = torch.sigmoid(z[:, :n] + functional.linear(h, self.weight_hh[:n])).chunk(2, dim=1)
        if self.bias_reset is None:
            new = torch.tanh(z[:, n:] + functional.linear(r * h, self.weight_hh[n:]))
        else:
            new = torch.tanh(z[:, n:] + r * functional.linear(h, self.weight_hh[n:], self.bias_reset))
        h = update * h + (1 - update) * new
        return h, (h,)

    def sweep(self, z: Tensor, lengths: Tensor, state: State) -> tuple[Tensor, State] | None:
        """All steps with a backward pass by hand."""
        after = self.bias_reset is not None
        weights = (self.weight_hh,) if self.bias_reset is None else (self.weight_hh, self.bias_reset)
        return run(GRUStep(self.hidden, after), z, lengths, state, weights)
