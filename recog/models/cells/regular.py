"""LSTM cells that are projected, normalised or held: for larger layers, for steadier and for less greedy training."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from recog.errors import ConfigError
from recog.models.cells.cell import Cell, State, blocks, small, start
from recog.models.cells.lstm import LSTM, keep
from recog.models.cells.sequence import run
from recog.models.cells.steps import LayerNormStep, ProjectedStep, ZoneoutStep


class ProjectedLSTM(Cell):
    """Many cells, a narrow way back: the LSTMP of Sak, Senior & Beaufays 2014.

        i, f = sigma(W x + U r(t-1) + p * c(t-1) + b)      g = tanh(W_g x + U_g r(t-1) + b_g)
        c(t) = f * c(t-1) + i * g                          o = sigma(W_o x + U_o r(t-1) + p_o * c(t) + b_o)
        r(t) = V (o * tanh(c(t)))

    `hidden` is the width of r, which is also y; `cells` (twice that unless told) is the number of memory cells.
    Without `peepholes` this is nn.LSTM with proj_size. Rows of weights and bias: i, f, g, o (`cells` each). State: r, c.
    """

    def __init__(self, features: int, hidden: int, cells: int | None = None, peepholes: bool = True) -> None:
        super().__init__(features, hidden)
        self.cells = cells or 2 * hidden
        self.weight_ih, self.weight_hh = blocks(self.cells, features, 4), blocks(self.cells, hidden, 4)
        self.weight_projection = blocks(hidden, self.cells)
        self.bias = nn.Parameter(torch.empty(4 * self.cells))
        self.peepholes = small(blocks(3, self.cells)) if peepholes else None
        start([(self.weight_hh, 4), (self.weight_projection, 1)], [self.weight_ih], [self.bias])
        keep(self.bias, self.cells)

    def initial(self, batch: int) -> State:
        """r and c, zero."""
        return self.zeros(batch, self.hidden), self.zeros(batch, self.cells)

    def project(self, x: Tensor) -> Tensor:
        """(..., F) -> (..., 4 cells)."""
        return functional.linear(x, self.weight_ih, self.bias)

    def advance(self, z: Tensor, state: State) -> tuple[Tensor, State]:
        """One step."""
        r, c = state
        i, f, g, o = (z + functional.linear(r, self.weight_hh)).chunk(4, dim=1)
        if self.peepholes is not None:
            i, f = i + self.peepholes[0] * c, f + self.peepholes[1] * c
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        if self.peepholes is not None:
            o = o + self.peepholes[2] * c
        r = functional.linear(torch.sigmoid(o) * torch.tanh(c), self.weight_projection)
        return r, (r, c)

    def sweep(self, z: Tensor, lengths: Tensor, state: State) -> tuple[Tensor, State] | None:
        """All steps with a backward pass by hand."""
        peepholes = () if self.peepholes is None else (self.peepholes,)
        step = ProjectedStep(self.hidden, self.cells, self.peepholes is not None)
        return run(step, z, lengths, state, (self.weight_hh, self.weight_projection, *peepholes))


class LayerNormLSTM(Cell):
    """Sums normalised over the layer before the gates (Ba, Kiros & Hinton 2016, equations 20 to 22).

        i, f, g, o = LN_x(W x) + LN_h(U h(t-1)) + b        c(t) = sigma(f) * c(t-1) + sigma(i) * tanh(g)
        h(t) = sigma(o) * tanh(LN_c(c(t)))

    LN(a) = gain * (a - mean) / deviation, over all 4 H sums at once, or over the H cells; only LN_c has a bias of its own.
    Rows of weights and bias: i, f, g, o (H each). State: h, c.
    """

    def __init__(self, features: int, hidden: int) -> None:
        super().__init__(features, hidden)
        self.weight_ih, self.weight_hh = blocks(hidden, features, 4), blocks(hidden, hidden, 4)
        self.bias = nn.Parameter(torch.empty(4 * hidden))
        self.norm_ih = nn.LayerNorm(4 * hidden, bias=False)
        self.norm_hh = nn.LayerNorm(4 * hidden, bias=False)
        self.norm_c = nn.LayerNorm(hidden)
        start([(self.weight_hh, 4)], [self.weight_ih], [self.bias])
        keep(self.bias, hidden)

    def initial(self, batch: int) -> State:
        """h and c, zero."""
        return self.zeros(batch, self.hidden), self.zeros(batch, self.hidden)

    def project(self, x: Tensor) -> Tensor:
        """(..., F) -> (..., 4 H)."""
        normed: Tensor = self.norm_ih(functional.linear(x, self.weight_ih))
        return normed + self.bias

    def advance(self, z: Tensor, state: State) -> tuple[Tensor, State]:
        """One step."""
        h, c = state
        i, f, g, o = (z + self.norm_hh(functional.linear(h, self.weight_hh))).chunk(4, dim=1)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        h = torch.sigmoid(o) * torch.tanh(self.norm_c(c))
        return h, (h, c)

    def sweep(self, z: Tensor, lengths: Tensor, state: State) -> tuple[Tensor, State] | None:
        """All steps with a backward pass by hand."""
        weights = (self.weight_hh, self.norm_hh.weight, self.norm_c.weight, self.norm_c.bias)
        return run(LayerNormStep(self.hidden, self.norm_hh.eps, self.norm_c.eps), z, lengths, state, weights)


class ZoneoutLSTM(LSTM):
    """The standard cell of which some units keep their old value for a step (Krueger 2017).

        c(t) = d_c * c(t-1) + (1 - d_c) * c'(t)            h(t) = d_h * h(t-1) + (1 - d_h) * h'(t)

    c', h' are what the LSTM would have said. In training d is 1 with probability `zoneout_c` (or `zoneout_h`) for each
    unit, row and step; in use it is that probability itself. Rows and state as in LSTM.
    """

    def __init__(self, features: int, hidden: int, zoneout_c: float = 0.5, zoneout_h: float = 0.05) -> None:
        super().__init__(features, hidden)
        for name, share in (("zoneout_c", zoneout_c), ("zoneout_h", zoneout_h)):
            if not 0 <= share < 1:
                raise ConfigError(f"zoneout: {name} is {share}; expected 0 <= {name} < 1")
        self.zoneout_c, self.zoneout_h = zoneout_c, zoneout_h

    def advance(self, z: Tensor, state: State) -> tuple[Tensor, State]:
        """One step; in training it draws from PyTorch's generator."""
        h, c = state
        i, f, g, o = (z + functional.linear(h, self.weight_hh)).chunk(4, dim=1)
        c_new = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        h_new = torch.sigmoid(o) * torch.tanh(c_new)
        h, c = self.hold(h, h_new, self.zoneout_h), self.hold(c, c_new, self.zoneout_c)
        return h, (h, c)

    def sweep(self, z: Tensor, lengths: Tensor, state: State) -> tuple[Tensor, State] | None:
        """All steps with a backward pass by hand; in training it draws as `advance` does, step by step."""
        step = ZoneoutStep(self.hidden, self.zoneout_h, self.zoneout_c, self.training)
        return run(step, z, lengths, state, (self.weight_hh,))

    def hold(self, old: Tensor, new: Tensor, share: float) -> Tensor:
        """Old where zoned out, new elsewhere; the expectation of both in use."""
        kept = torch.full_like(new, share)
        if self.training:
            kept = torch.bernoulli(kept)
        return kept * old + (1 - kept) * new
