"""A multidimensional LSTM: memory that reaches a place of a picture from two sides, in four directions."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from recog.models.cells.cell import blocks, small, start
from recog.models.cells.scan import turn


class PlaneLSTM(nn.Module):
    """One direction over a plane, from the first step and row on (Graves, Fernandez & Schmidhuber 2007, section 2.1).

        i = sigma(W x + U1 h(t-1, r) + U2 h(t, r-1) + p1 * c(t-1, r) + p2 * c(t, r-1) + b)
        f1 the same way, with a peephole to c(t-1, r) alone; f2 with one to c(t, r-1) alone
        c = f1 * c(t-1, r) + f2 * c(t, r-1) + i * tanh(W_g x + U1_g h(t-1, r) + U2_g h(t, r-1) + b_g)
        o = sigma(W_o x + U1_o h(t-1, r) + U2_o h(t, r-1) + p_o * c + b_o)            h = o * tanh(c)

    A place waits only for its two neighbours, so that all places of a diagonal t + r are one step: T + R - 1 steps in all.
    Rows of weights and bias: i, f1, f2, g, o (H each); columns of `weight_hh`: h(t-1, r), h(t, r-1). `peepholes` (5, H):
    p1, p2 of i, those of f1 and f2, p_o.
    """

    def __init__(self, features: int, hidden: int) -> None:
        super().__init__()
        self.hidden = hidden
        self.weight_ih, self.weight_hh = blocks(hidden, features, 5), blocks(hidden, 2 * hidden, 5)
        self.bias, self.peepholes = nn.Parameter(torch.empty(5 * hidden)), small(blocks(5, hidden))
        # Two memories flow together at each place: forget gates of 1/2 each keep their sum from growing along the plane.
        start([(self.weight_hh, 5)], [self.weight_ih], [self.bias])

    def forward(self, x: Tensor) -> Tensor:
        """x (B, T, R, F) -> (B, T, R, H). What stands at t depends on nothing after t: padding there does no harm."""
        batch, steps, rows, _ = x.shape
        z = functional.linear(x, self.weight_ih, self.bias)
        row = torch.arange(rows, device=x.device)
        h, c = z.new_zeros(batch, rows, self.hidden), z.new_zeros(batch, rows, self.hidden)
        diagonals = []
        for diagonal in range(steps + rows - 1):
            step = diagonal - row  # at row r the diagonal stands at this step, if there is one
            inside = ((step >= 0) & (step < steps))[:, None]
            here = z[:, step.clamp(0, steps - 1), row]
            h, c = self.advance(here, h, c, below(h), below(c))
            # Outside the plane there is no memory: its neighbours inside read zeros.
            h, c = torch.where(inside, h, 0.0), torch.where(inside, c, 0.0)
            diagonals.append(h)
        skewed = torch.stack(diagonals, dim=1)  # (B, T + R - 1, R, H)
        place = torch.arange(steps, device=x.device)[:, None] + row
        return skewed[:, place, row]

    def advance(self, z: Tensor, h1: Tensor, c1: Tensor, h2: Tensor, c2: Tensor) -> tuple[Tensor, Tensor]:
        """Sums of the input (..., 5 H), and h and c of the neighbours at t-1 and at r-1 (..., H) -> h and c."""
        a = z + functional.linear(torch.cat([h1, h2], dim=-1), self.weight_hh)
        i, f1, f2, g, o = a.chunk(5, dim=-1)
        see_i1, see_i2, see_f1, see_f2, see_o = self.peepholes.unbind()
        kept = torch.sigmoid(f1 + see_f1 * c1) * c1 + torch.sigmoid(f2 + see_f2 * c2) * c2
        c = kept + torch.sigmoid(i + see_i1 * c1 + see_i2 * c2) * torch.tanh(g)
        return torch.sigmoid(o + see_o * c) * torch.tanh(c), c


def below(part: Tensor) -> Tensor:
    """(B, R, H) moved one row on, zeros in the first: at row r the neighbour at r-1."""
    return functional.pad(part, (0, 0, 1, -1))


class MultidimensionalLSTM(nn.Module):
    """Four directions over a picture of mixed lengths (Graves & Schmidhuber 2009), (B, T, R, F) -> (B, T, R, 4 H).

    Each direction has weights of its own and begins at another corner; side by side they are: steps and rows ahead, steps
    back, rows back, both back. Past a length the result is zero; each picture is read as if it were alone.
    """

    def __init__(self, features: int, hidden: int) -> None:
        super().__init__()
        self.directions = nn.ModuleList(PlaneLSTM(features, hidden) for _ in range(4))

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        """x (B, T, R, F), lengths (B,) steps; all pictures have R rows."""
        found = []
        for number, direction in enumerate(self.directions):
            back, up = number % 2 == 1, number >= 2
            plane = turn(x, lengths) if back else x
            plane = direction(plane.flip(2) if up else plane)
            plane = plane.flip(2) if up else plane
            found.append(turn(plane, lengths) if back else plane)
        steps = torch.arange(x.shape[1], device=x.device)
        return torch.cat(found, dim=3) * (steps < lengths[:, None])[:, :, None, None]
