"""Gates that see the memory itself: peepholes (Gers & Schmidhuber 2000), and memory in place of the output."""

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from recog.errors import ConfigError
from recog.models.cells.cell import Cell, State, blocks, small, start
from recog.models.cells.fused import sweep
from recog.models.cells.lstm import keep
from recog.models.cells.rules import MemoryRule, PeepholeRule

Squash = Literal["tanh", "identity"]


class PeepholeLSTM(Cell):
    """Gates see the cell they guard (Gers & Schmidhuber 2000; Gers, Schraudolph & Schmidhuber 2002, section 2.2).

        i = sigma(W_i x + U_i h(t-1) + p_i * c(t-1) + b_i)       f likewise with p_f
        c(t) = f * c(t-1) + i * tanh(W_g x + U_g h(t-1) + b_g)
        o = sigma(W_o x + U_o h(t-1) + p_o * c(t) + b_o)         h(t) = o * sigma_h(c(t))

    `squash` is sigma_h: "tanh", or "identity" as in 2002. Rows of weights and bias: i, f, g, o (H each);
    `peepholes` (3, H): p_i, p_f, p_o, small at first. State: h, c.
    """

    def __init__(self, features: int, hidden: int, squash: Squash = "tanh") -> None:
        super().__init__(features, hidden)
        self.squash = squash_of("peephole", squash)
        self.weight_ih, self.weight_hh = blocks(hidden, features, 4), blocks(hidden, hidden, 4)
        self.bias, self.peepholes = nn.Parameter(torch.empty(4 * hidden)), small(blocks(3, hidden))
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
        see_i, see_f, see_o = self.peepholes.unbind()
        i, f, g, o = (z + functional.linear(h, self.weight_hh)).chunk(4, dim=1)
        c_new = torch.sigmoid(f + see_f * c) * c + torch.sigmoid(i + see_i * c) * torch.tanh(g)
        o = torch.sigmoid(o + see_o * c_new)
        h = o * (torch.tanh(c_new) if self.squash == "tanh" else c_new)
        return h, (h, c_new)

    def sweep(self, z: Tensor, lengths: Tensor, state: State) -> tuple[Tensor, State] | None:
        """All steps by the fused path."""
        return sweep(PeepholeRule(self.squash == "identity"), z, lengths, state, self.weight_hh, self.peepholes)


class MemoryLSTM(Cell):
    """The form with c(t-1) in place of h(t-1): gates see all cells, and nothing else comes back (after Gers 2000).

        i, f, o = sigma(W x + U c(t-1) + b)        g = tanh(W_g x + b_g)
        c(t) = f * c(t-1) + i * g                  h(t) = o * sigma_h(c(t))

    Rows of `weight_ih` and bias: i, f, g, o (H each); of `weight_ch`: i, f, o. State: c.
    """

    def __init__(self, features: int, hidden: int, squash: Squash = "tanh") -> None:
        super().__init__(features, hidden)
        self.squash = squash_of("peephole-c", squash)
        self.weight_ih, self.weight_ch = blocks(hidden, features, 4), small(blocks(hidden, hidden, 3))
        self.bias = nn.Parameter(torch.empty(4 * hidden))
        start([], [self.weight_ih], [self.bias])
        keep(self.bias, hidden)

    def initial(self, batch: int) -> State:
        """c, zero."""
        return (self.zeros(batch, self.hidden),)

    def project(self, x: Tensor) -> Tensor:
        """(..., F) -> (..., 4 H)."""
        return functional.linear(x, self.weight_ih, self.bias)

    def advance(self, z: Tensor, state: State) -> tuple[Tensor, State]:
        """One step."""
        (c,) = state
        i, f, g, o = z.chunk(4, dim=1)
        seen_i, seen_f, seen_o = functional.linear(c, self.weight_ch).chunk(3, dim=1)
        c_new = torch.sigmoid(f + seen_f) * c + torch.sigmoid(i + seen_i) * torch.tanh(g)
        return torch.sigmoid(o + seen_o) * (torch.tanh(c_new) if self.squash == "tanh" else c_new), (c_new,)

    def sweep(self, z: Tensor, lengths: Tensor, state: State) -> tuple[Tensor, State] | None:
        """All c by the fused path; output gates, which nothing waits for, for all steps at once."""
        (begin,) = state
        n = self.hidden
        weight = torch.cat([self.weight_ch[: 2 * n], torch.zeros_like(self.weight_ch[:n])])
        c, (_, last) = sweep(MemoryRule(), z[..., : 3 * n], lengths, (begin, begin), weight)
        before = torch.cat([begin[:, None], c[:, :-1]], dim=1)
        o = torch.sigmoid(z[..., 3 * n :] + functional.linear(before, self.weight_ch[2 * n :]))
        return o * (torch.tanh(c) if self.squash == "tanh" else c), (last,)


def squash_of(cell: str, name: Squash) -> Squash:
    """The name, if there is such a function."""
    if name not in ("tanh", "identity"):
        raise ConfigError(f"{cell}: squash is {name!r}; expected 'tanh' or 'identity'")
    return name
