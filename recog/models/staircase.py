"""An LSTM over a batch of mixed lengths that does not compute what padding adds.

Rows are sorted by length, longest first, and time is cut into stretches: the first holds all rows, each later one only the
rows that still go on, from the state in which the stretch before left them. The result is that of running each
row alone, as with packed sequences, but each stretch is one call of the fused kernel; packing falls back to one
small multiplication a step on a CPU.
"""

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

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


def run(lstm: nn.LSTM, x: Tensor, lengths: Tensor) -> Tensor:
    """x (B, T, F), lengths (B,) -> (B, T, H) of a one-way, one-layer LSTM; what lies past a length is undefined."""
    cuts = stretches(lengths)
    if len(cuts) == 1:
        whole: Tensor = lstm(x)[0]
        return whole
    order = torch.argsort(lengths, descending=True)
    x = x.index_select(0, order)
    state, found = None, []
    for start, end, rows in cuts:
        if state is not None:
            state = (state[0][:, :rows].contiguous(), state[1][:, :rows].contiguous())
        y, state = lstm(x[:rows, start:end], state)
        found.append(functional.pad(y, (0, 0, 0, 0, 0, len(x) - rows)))
    together = functional.pad(torch.cat(found, dim=1), (0, 0, 0, x.shape[1] - cuts[-1][1]))
    return together.index_select(0, torch.argsort(order))
