"""A cell over time: true lengths, either direction, from any state; each row as if it were alone."""

import torch
from torch import Tensor

from recog.models.cells.cell import Cell, State, schedule


def scan(
    cell: Cell, x: Tensor, lengths: Tensor, reverse: bool = False, state: State | None = None
) -> tuple[Tensor, State]:
    """x (B, T, F), lengths (B,) in 1..T -> y (B, T, H), zero past a length, and the state after each row's last step.

    With `reverse` a row is read from its last true step to its first; y[:, t] still belongs to x[:, t], and the state is
    the one after the first step. Without a state, reading begins from the cell's own. Under autocast the cell works in
    the precision of its parameters: a memory that adds up a thousand steps has no use for eight bits.
    """
    first = next(cell.parameters())
    with torch.autocast(x.device.type, enabled=False):
        x = x.to(first.dtype)
        if reverse:
            x = turn(x, lengths)
        z = cell.project(x)
        begin = cell.initial(len(x)) if state is None else state
        y, last = cell.sweep(z, lengths, begin) or walk(cell, z, lengths, begin)
        if reverse:
            y = turn(y, lengths)
        steps = torch.arange(y.shape[1], device=y.device)
        alive = (steps < lengths[:, None]).reshape(*y.shape[:2], *(1 for _ in y.shape[2:]))
        return torch.where(alive, y, y.new_zeros(())), last


def walk(cell: Cell, z: Tensor, lengths: Tensor, state: State) -> tuple[Tensor, State]:
    """The plain way: step by step over z (B, T, K), what `Cell.project` gave; y past a length is zero.

    Rows are sorted by length, longest first, and a row leaves the batch with its last step, as in packed sequences.
    """
    order, counts = schedule(lengths)
    z = z.index_select(0, order)
    state = tuple(part.index_select(0, order) for part in state)
    outputs, ended = [], []
    for step, count in enumerate(counts):
        if count < len(state[0]):
            ended.append(tuple(part[count:] for part in state))
            state = tuple(part[:count] for part in state)
        y, state = cell.advance(z[:count, step], state)
        outputs.append(y)
    # The rows that ended last stand first.
    ended.append(state)
    state = tuple(torch.cat(parts) for parts in zip(*reversed(ended), strict=True))
    y = torch.stack([pad_rows(y, len(z)) for y in outputs], dim=1)
    if y.shape[1] < z.shape[1]:
        y = torch.cat([y, y.new_zeros(len(y), z.shape[1] - y.shape[1], *y.shape[2:])], dim=1)
    back = torch.argsort(order)
    return y.index_select(0, back), tuple(part.index_select(0, back) for part in state)


def pad_rows(y: Tensor, rows: int) -> Tensor:
    """(n, ...) -> (rows, ...), zeros below."""
    return y if len(y) == rows else torch.cat([y, y.new_zeros(rows - len(y), *y.shape[1:])])


def turn(x: Tensor, lengths: Tensor) -> Tensor:
    """(B, T, ...) with the first lengths[b] steps of each row in reverse order, the padding left in place."""
    steps = torch.arange(x.shape[1], device=x.device)[None, :]
    index = torch.where(steps < lengths[:, None], lengths[:, None] - 1 - steps, steps)
    return x[torch.arange(len(x), device=x.device)[:, None], index]
