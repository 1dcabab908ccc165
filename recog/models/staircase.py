"""An LSTM over a batch of mixed lengths that does not compute what padding adds.

Rows are sorted by length, longest first, and time is cut into stretches: the first holds all rows, each later one only the
rows that still go on, from the state in which the stretch before left them. The result is that of running each
row alone, as with packed sequences, but each stretch is one call of the fused kernel; packing falls back to one
small multiplication a step on a CPU. So recordings and lines are read; training has a faster way (`recog.models.packed`),
but not in every precision nor without numba.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from recog.models.route import Route

# What a step costs beside its rows, and a stretch beside its steps, in rows of one step (measured on two cores).
STEP_COST, STRETCH_COST = 6, 40
# Ends that are looked at; more would take longer to choose among than they save.
MOST_ENDS = 12


def stretches(lengths: Tensor) -> list[tuple[int, int, int]]:
    """(B,) lengths -> (start, end, rows) of each stretch of time, by the cheapest of all ways to cut at a few lengths."""
    sorted_lengths = sorted(lengths.tolist())
    places = torch.linspace(0, len(sorted_lengths) - 1, min(len(sorted_lengths), MOST_ENDS)).round().int().tolist()
    ends = [0, *sorted({max(1, sorted_lengths[place]) for place in places})]
    rows = [sum(length > end for length in sorted_lengths) for end in ends]
    costs, before = [0.0], [0]
    for number in range(1, len(ends)):
        options = [
            costs[start] + (ends[number] - ends[start]) * (rows[start] + STEP_COST) + STRETCH_COST
            for start in range(number)
        ]
        best = min(range(number), key=options.__getitem__)
        costs.append(options[best])
        before.append(best)
    chosen = [len(ends) - 1]
    while chosen[-1]:
        chosen.append(before[chosen[-1]])
    chosen.reverse()
    return [(ends[first], ends[last], max(1, rows[first])) for first, last in pairwise(chosen)]


def routes(lengths: Tensor, steps: int, cuts: Sequence[tuple[int, int, int]]) -> tuple[Route, Route]:
    """Ahead, and in reverse order within each length; frames past a length stay where they are, after all others."""
    order = torch.argsort(lengths, descending=True)
    sorted_lengths = lengths[order][:, None]
    ahead, turned = [], []
    for start, end, rows in cuts:
        time = torch.arange(start, end)[None, :]
        first = order[:rows, None] * steps
        reverse = torch.where(time < sorted_lengths[:rows], sorted_lengths[:rows] - 1 - time, time)
        ahead.append((first + time).flatten())
        turned.append((first + reverse).flatten())
    return Route.of(torch.cat(ahead), len(lengths) * steps), Route.of(torch.cat(turned), len(lengths) * steps)


class _Move(torch.autograd.Function):
    """Rows of a matrix in another order. The gradient goes the other way by the same means: every row has one place,
    so nothing need be added up, as the gradient of a general `index_select` must.
    """

    @staticmethod
    def forward(ctx: Any, matrix: Tensor, there: Tensor, back: Tensor, covered: Tensor | None) -> Tensor:
        ctx.save_for_backward(back, covered)
        return matrix.index_select(0, there)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None]:
        back, covered = ctx.saved_tensors
        found = gradients[0].index_select(0, back)
        if covered is not None:
            found *= covered[:, None].to(found.dtype)
        return found, None, None, None


def _moved(matrix: Tensor, there: Tensor, back: Tensor, covered: Tensor | None = None) -> Tensor:
    moved: Tensor = _Move.apply(matrix, there, back, covered)  # type: ignore[no-untyped-call]
    return moved


def both(ahead: nn.LSTM, back: nn.LSTM, x: Tensor, lengths: Tensor) -> Tensor:
    """x (B, T, F), lengths (B,) -> (B, T, 2 H) of two one-way, one-layer LSTMs, the second from each sequence's end.

    What lies past a length is undefined, and no gradient comes from there.
    """
    batch, steps, features = x.shape
    cuts = stretches(lengths)
    flat = x.reshape(batch * steps, features)
    if torch.is_autocast_enabled(x.device.type):
        flat = flat.to(torch.get_autocast_dtype(x.device.type))  # once, before it is moved twice
    found = []
    for lstm, route in zip((ahead, back), routes(lengths, steps, cuts), strict=True):
        y = run(lstm, _moved(flat, route.there, route.back, route.covered), cuts)
        found.append(_moved(y, route.back, route.there))
    return torch.cat(found, dim=1).reshape(batch, steps, -1)


def run(lstm: nn.LSTM, frames: Tensor, cuts: Sequence[tuple[int, int, int]]) -> Tensor:
    """(N, F) frames of the stretches, one after another, row by row -> (N, H)."""
    sizes = [(end - start) * rows for start, end, rows in cuts]
    state, found = None, []
    for part, (start, end, rows) in zip(torch.split(frames, sizes), cuts, strict=True):
        if state is not None:
            state = (state[0][:, :rows].contiguous(), state[1][:, :rows].contiguous())
        y, state = lstm(part.reshape(rows, end - start, -1), state)
        found.append(y.reshape(rows * (end - start), -1))
    return torch.cat(found)
