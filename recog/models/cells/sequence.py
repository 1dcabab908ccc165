"""Whole sequences of cells whose step is more than one sum of gates, with a backward pass written by hand.

As `recog.models.cells.fused`, for cells with further states, maps or norms within a step: buffers for all steps, a few
operations in place for each, and gradients of weights as large multiplications at the end. What a cell does is a `Step`.
"""

from collections.abc import Sequence
from typing import Any, Protocol, cast

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from recog.models.cells.cell import State, schedule

Parts = Sequence[Tensor]


class Step(Protocol):
    """One step there and back. n rows; the first part of a state is what the cell says (n, H)."""

    # Values a row that a step keeps for its way back, and errors a row that the weights' gradients need beside those of z.
    kept: int
    noted: int

    def ahead(self, z: Tensor, before: Parts, after: Parts, kept: Tensor, weights: Parts) -> None:
        """From z (n, K) and the state before fills the state after and what is kept (n, kept)."""

    def back(
        self, kept: Tensor, before: Parts, after: Parts, errors: Parts, dz: Tensor, noted: Tensor, weights: Parts
    ) -> None:
        """Turns the errors of the state after into those of the state before, in place; fills dz (n, K) and noted."""

    def gradients(self, kept: Tensor, before: Parts, after: Parts, dz: Tensor, noted: Tensor, weights: Parts) -> Parts:
        """Gradients of the weights from all steps: everything (T, B, ...), zero where there was no step."""


class Run(torch.autograd.Function):
    """z (T, B, K) -> y (T, B, H) and each row's last state, by a step; rows sorted by length, longest first.

    `counts` has the number of rows that have each step, `lengths` (B,) the sorted lengths; `states` of the tensors that
    follow z are the parts of the first state, the rest weights.
    """

    @staticmethod
    def forward(
        ctx: Any, step: Step, counts: list[int], states: int, lengths: Tensor, z: Tensor, *tensors: Tensor
    ) -> tuple[Tensor, ...]:
        """Runs ahead; keeps what the step asks for, and all states."""
        begin, weights = tensors[:states], tensors[states:]
        every = [part.new_zeros(len(counts) + 1, *part.shape) for part in begin]
        for buffer, part in zip(every, begin, strict=True):
            buffer[0] = part
        kept = z.new_zeros(*z.shape[:2], step.kept)
        for t, n in enumerate(counts):
            before, after = ([buffer[t + later, :n] for buffer in every] for later in (0, 1))
            step.ahead(z[t, :n], before, after, kept[t, :n], weights)
        ctx.step, ctx.counts, ctx.width = step, counts, z.shape[2]
        ctx.save_for_backward(kept, *every, *weights)
        rows = torch.arange(z.shape[1], device=z.device)
        return every[0][1:].clone(), *(buffer[lengths, rows] for buffer in every)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dy: Tensor, *last: Tensor) -> tuple[Tensor | None, ...]:
        """Errors of z, the first state and the weights."""
        kept, *rest = ctx.saved_tensors
        every, weights = rest[: len(last)], rest[len(last) :]
        dz = kept.new_zeros(*kept.shape[:2], ctx.width)
        noted = kept.new_zeros(*kept.shape[:2], ctx.step.noted)
        # A row's last errors lie ready until its last step is reached: before that no step has the row.
        errors = [part.clone() for part in last]
        for t in range(len(ctx.counts) - 1, -1, -1):
            n = ctx.counts[t]
            errors[0][:n] += dy[t, :n]
            before, after = ([buffer[t + later, :n] for buffer in every] for later in (0, 1))
            ctx.step.back(kept[t, :n], before, after, [part[:n] for part in errors], dz[t, :n], noted[t, :n], weights)
        before, after = [buffer[:-1] for buffer in every], [buffer[1:] for buffer in every]
        found = ctx.step.gradients(kept, before, after, dz, noted, weights)
        return None, None, None, None, dz, *errors, *found


def run(step: Step, z: Tensor, lengths: Tensor, state: State, weights: Parts) -> tuple[Tensor, State]:
    """z (B, T, K), lengths (B,), the state (B, ...) -> y (B, T, H), zero past a length, and each row's last state."""
    order, counts = schedule(lengths)
    ahead = z.transpose(0, 1).index_select(1, order)[: len(counts)]
    begin = [part.index_select(0, order) for part in state]
    y, *last = cast(
        tuple[Tensor, ...],
        Run.apply(step, counts, len(begin), lengths[order], ahead, *begin, *weights),  # type: ignore[no-untyped-call]
    )
    back = torch.argsort(order)
    y = torch.nn.functional.pad(y.index_select(1, back).transpose(0, 1), (0, 0, 0, z.shape[1] - len(counts)))
    return y, tuple(part.index_select(0, back) for part in last)


def outer(errors: Tensor, seen: Tensor) -> Tensor:
    """(T, B, R), (T, B, C) -> (R, C): the gradient of a map from what was seen to what has the errors."""
    return errors.flatten(0, 1).t() @ seen.flatten(0, 1)
