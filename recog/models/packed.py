"""A bidirectional LSTM layer over packed frames, with a backward pass written by hand: how it is trained on a CPU.

Rows are sorted by length, longest first, and each step computes the rows that have it, so nothing is padded. PyTorch's own
packing does as much with dozens of small tensors a step; the fused kernel pads, and adds up the gradient of the
weights step by step. Here whatever needs no memory is one large multiplication for all steps, there and back; what is
left of a step is one small multiplication and one pass over its gates (`recog.models.gates`). The two directions share
nothing and run side by side where there is a second core.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from recog.compile import HAVE_NUMBA
from recog.models import gates as passes
from recog.models.beside import side_by_side
from recog.models.buffers import Buffers, Loan
from recog.models.route import Route

# Rows of the steps whose sums are found together: as many as stay in the cache until they are used.
BLOCK = 256

# What layers keep from one way to the other.
buffers = Buffers()


@dataclass(frozen=True)
class Packing:
    """Where the frames of a batch (B, T), as rows of one (B T, F) matrix, stand when they are packed step by step."""

    # For each step the number of rows that have it, N in all, and where they begin.
    sizes: list[int]
    starts: list[int]
    # (N - B,) the place of the same row one step before, for all but the first step.
    before: Tensor
    # Ahead, and from each sequence's end.
    routes: tuple[Route, Route]


def packing_of(lengths: Tensor, time: int) -> Packing:
    """(B,) lengths in a batch of so many steps."""
    ordered, order = torch.sort(lengths, descending=True, stable=True)
    step = torch.arange(int(ordered[0]))[:, None]
    exists = step < ordered
    sizes = exists.sum(dim=1)
    first = order * time
    ahead, turned = (first + step)[exists], (first + ordered - 1 - step)[exists]
    before = torch.arange(len(order), len(ahead)) - torch.repeat_interleave(sizes[:-1], sizes[1:])
    told = sizes.tolist()
    routes = (Route.of(ahead, len(order) * time), Route.of(turned, len(order) * time))
    return Packing(told, [0, *accumulate(told[:-1])], before, routes)


def able(x: Tensor) -> bool:
    """Whether the passes over gates are compiled, and for what a layer computes with here: float32 or bf16."""
    return HAVE_NUMBA and _working(x) in (torch.float32, torch.bfloat16)


def both(ahead: nn.LSTM, back: nn.LSTM, x: Tensor, lengths: Tensor) -> Tensor:
    """x (B, T, F), lengths (B,) -> (B, T, 2 H) of two one-way, one-layer LSTMs, the second from each sequence's end.

    What lies past a length is undefined, and no gradient comes from there.
    """
    batch, time, features = x.shape
    flat = x.reshape(batch * time, features).to(_working(x))
    weights = [*ahead.all_weights[0], *back.all_weights[0]]
    found = cast(Tensor, _Layer.apply(flat, packing_of(lengths, time), *weights))  # type: ignore[no-untyped-call]
    return found.reshape(batch, time, -1)


def _working(x: Tensor) -> torch.dtype:
    return torch.get_autocast_dtype(x.device.type) if torch.is_autocast_enabled(x.device.type) else x.dtype


class _Layer(torch.autograd.Function):
    """flat (B T, F), a packing, w_ih, w_hh, b_ih, b_hh of each direction -> (B T, 2 H)."""

    @staticmethod
    def forward(ctx: Any, flat: Tensor, packed: Packing, *weights: Tensor) -> Tensor:
        with torch.autocast("cpu", enabled=False):
            one, other = _directions(flat, packed, weights)
            loan = buffers.lend()
            said = side_by_side(lambda: one.ahead(loan), lambda: other.ahead(loan))
        ctx.packed, ctx.loan = packed, loan
        ctx.save_for_backward(flat, *weights, *said[0], *said[1])
        ways = zip(said, packed.routes, strict=True)
        return torch.cat([kept[0].index_select(0, route.back) for kept, route in ways], dim=1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor | None, ...]:
        flat, *rest = ctx.saved_tensors
        wanted = ctx.needs_input_grad
        with torch.autocast("cpu", enabled=False):
            one, other = _directions(flat, ctx.packed, rest[:8])
            first, second = dy.chunk(2, dim=1)
            (dx, *found), (dx_other, *found_other) = side_by_side(
                lambda: one.back(first, rest[8:12], wanted[0], any(wanted[2:6])),
                lambda: other.back(second, rest[12:], wanted[0], any(wanted[6:])),
            )
        if dx is not None and dx_other is not None:
            here, there = ctx.packed.routes
            # Both in the order of the first, so that they come home in one go.
            dx = here.home(dx.add_(dx_other.index_select(0, there.back.index_select(0, here.there))))
        return dx, None, *found, *found_other


@dataclass(frozen=True)
class _Direction:
    """One direction of the layer over all its frames; the working precision is that of `flat`."""

    flat: Tensor
    packed: Packing
    route: Route
    w_ih: Tensor
    w_hh: Tensor
    bias: Tensor

    def ahead(self, loan: Loan) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Packed: h (N, H), and for the way back the gates (N, 4 H), c and tanh(c) (N, H) in float32."""
        frames, cells = len(self.route.there), self.w_hh.shape[1]
        below, recurrent = self._as_working(self.w_ih).t(), self._as_working(self.w_hh).t()
        bias = self._as_working(self.bias)
        h = loan.empty(frames, cells, dtype=self.flat.dtype)
        gates = loan.empty(frames, 4 * cells)
        c, shown = loan.empty(frames, cells), loan.empty(frames, cells)
        product = self.flat.new_empty(self.packed.sizes[0], 4 * cells)
        room = np.empty(cells, dtype=np.float32)
        arrays = (_array(product), gates.numpy(), _bits(gates), c.numpy(), shown.numpy(), _array(h))
        step, before, h_before = 0, -1, h[:0]
        for sizes in _blocks(self.packed.sizes):
            start = self.packed.starts[step]
            rows = slice(start, start + sum(sizes))
            sums = torch.addmm(bias, self.flat.index_select(0, self.route.there[rows]), below)
            for size, here, h_here in zip(sizes, *(torch.split(part, sizes) for part in (sums, h[rows])), strict=True):
                if size < len(product):
                    product = product[:size]
                if step:
                    torch.addmm(here, h_before if size == len(h_before) else h_before[:size], recurrent, out=product)
                else:
                    product.copy_(here)
                start = self.packed.starts[step]
                passes.ahead(start, size, before, *arrays, room, room.view(np.uint32))
                step, before, h_before = step + 1, start, h_here
        return h, gates, c, shown

    def back(self, dy: Tensor, kept: Sequence[Tensor], of_input: bool, of_weights: bool) -> tuple[Tensor | None, ...]:
        """dy (B T, H) -> errors of the packed frames (N, F), of w_ih, w_hh, b_ih and b_hh; None for those not wanted."""
        h, gates, c, shown = kept
        sums = self._errors(dy.index_select(0, self.route.there), gates, c, shown)
        dx = dw_ih = dw_hh = db = None
        if of_input:
            dx = torch.mm(sums, self._as_working(self.w_ih))
        if of_weights:
            turned, first = sums.t(), self.packed.sizes[0]
            dw_ih = torch.mm(turned, self.flat.index_select(0, self.route.there)).to(self.w_ih.dtype)
            dw_hh = torch.mm(turned[:, first:], h.index_select(0, self.packed.before)).to(self.w_hh.dtype)
            # As a product: a sum of bf16 would be one of a copy of everything, or inexact.
            db = torch.mm(turned, sums.new_ones(len(sums), 1))[:, 0].to(self.bias.dtype)
        return dx, dw_ih, dw_hh, db, db

    def _errors(self, dy: Tensor, gates: Tensor, c: Tensor, shown: Tensor) -> Tensor:
        """Packed errors of h (N, H) -> those of the gates' sums (N, 4 H), in the working precision."""
        sizes, starts, recurrent = self.packed.sizes, self.packed.starts, self._as_working(self.w_hh)
        cells = c.shape[1]
        found, product = self.flat.new_empty(gates.shape), self.flat.new_empty(sizes[0], cells)
        carried = np.zeros((sizes[0], cells), dtype=np.float32)  # rows whose last step is yet to come carry nothing
        room = np.empty((6, cells), dtype=np.float32)
        arrays = (_array(dy), _array(product), gates.numpy(), c.numpy(), shown.numpy(), carried, _array(found))
        later = found[:0]
        befores = [-1, *starts[:-1]]
        for size, start, before, here in reversed(
            list(zip(sizes, starts, befores, torch.split(found, sizes), strict=True))
        ):
            if len(later):
                torch.mm(later, recurrent, out=product if len(later) == len(product) else product[: len(later)])
            passes.back(start, size, before, len(later), *arrays, room, room.view(np.uint32))
            later = here
        return found

    def _as_working(self, weight: Tensor) -> Tensor:
        return weight.to(self.flat.dtype)


def _directions(flat: Tensor, packed: Packing, weights: Sequence[Tensor]) -> list[_Direction]:
    halves = zip(packed.routes, (weights[:4], weights[4:]), strict=True)
    return [_Direction(flat, packed, route, w_ih, w_hh, b_ih + b_hh) for route, (w_ih, w_hh, b_ih, b_hh) in halves]


def _blocks(sizes: Sequence[int]) -> list[list[int]]:
    """The steps in groups of about `BLOCK` rows."""
    groups: list[list[int]] = [[]]
    for size in sizes:
        if groups[-1] and sum(groups[-1]) + size > BLOCK:
            groups.append([])
        groups[-1].append(size)
    return groups


def _array(tensor: Tensor) -> NDArray[Any]:
    """The tensor's memory as `recog.models.gates` takes it."""
    found: NDArray[Any] = (tensor.view(torch.uint16) if tensor.dtype == torch.bfloat16 else tensor).numpy()
    return found


def _bits(tensor: Tensor) -> NDArray[np.uint32]:
    found: NDArray[np.uint32] = tensor.numpy().view(np.uint32)
    return found
