"""Whole sequences of cells that no library has a kernel for, with a backward pass written by hand.

Autograd over a Python loop keeps a dozen small tensors a step and adds up weight gradients step by step. Here a step is one
multiplication into a buffer that holds all steps and a few operations in place; backward likewise, and the gradient of the
recurrent weights is one large multiplication at the end. What a cell does with its sums is a `Rule`.
"""

from typing import Any, Protocol, cast

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from recog.models.cells.cell import State, schedule


class Rule(Protocol):
    """What happens between the sums a = z + U h(t-1) and the new h and c, there and back, all in place.

    n rows, K sums and H cells a row; `p` are further weights of the cell, (anything, H), for those that have any.
    """

    # Whether errors end at h(t-1) instead of going on to the step before (Hochreiter & Schmidhuber 1997).
    truncated: bool

    def ahead(self, a: Tensor, c_before: Tensor, c: Tensor, h: Tensor, p: Tensor) -> None:
        """a (n, K) sums -> what `back` needs of them; fills c and h (n, H)."""

    def back(self, a: Tensor, c_before: Tensor, c: Tensor, dh: Tensor, dc: Tensor, da: Tensor, p: Tensor) -> None:
        """From dh and dc (n, H), the errors of h and c, fills da (n, K), the errors of the sums; dc becomes that of c_before."""

    def errors_of(self, da: Tensor, c_before: Tensor, c: Tensor) -> Tensor | None:
        """Gradient of p from all steps: da (T, B, K), c_before and c (T, B, H); None without p."""


class Sweep(torch.autograd.Function):
    """z (T, B, K) -> y (T, B, H), last h and c (B, H), by a rule; rows sorted by length, longest first.

    `counts` has the number of rows that have each step, `lengths` (B,) the sorted lengths.
    """

    @staticmethod
    def forward(
        ctx: Any,
        rule: Rule,
        counts: list[int],
        lengths: Tensor,
        z: Tensor,
        h: Tensor,
        c: Tensor,
        weight: Tensor,
        p: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Runs ahead; keeps what the rule left of the sums, and all h and c."""
        steps, batch, _ = z.shape
        a = torch.empty_like(z)
        hs, cs = h.new_zeros(steps + 1, *h.shape), c.new_zeros(steps + 1, *c.shape)
        hs[0], cs[0] = h, c
        turned = weight.t()
        for step, n in enumerate(counts):
            torch.addmm(z[step, :n], hs[step, :n], turned, out=a[step, :n])
            rule.ahead(a[step, :n], cs[step, :n], cs[step + 1, :n], hs[step + 1, :n], p)
        ctx.rule, ctx.counts = rule, counts
        ctx.save_for_backward(lengths, a, hs, cs, weight, p)
        rows = torch.arange(batch, device=z.device)
        return hs[1:].clone(), hs[lengths, rows], cs[lengths, rows]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dy: Tensor, dh_last: Tensor, dc_last: Tensor) -> tuple[Tensor | None, ...]:
        """Errors of z, the first h and c, and the weights."""
        _, a, hs, cs, weight, p = ctx.saved_tensors
        da = torch.zeros_like(a)
        # A row's last errors lie ready until its last step is reached: before that no step has the row.
        dh, dc = dh_last.clone(), dc_last.clone()
        for step in range(len(ctx.counts) - 1, -1, -1):
            n = ctx.counts[step]
            dh[:n] += dy[step, :n]
            ctx.rule.back(a[step, :n], cs[step, :n], cs[step + 1, :n], dh[:n], dc[:n], da[step, :n], p)
            if ctx.rule.truncated:
                dh[:n] = 0
            else:
                torch.mm(da[step, :n], weight, out=dh[:n])
        dp = ctx.rule.errors_of(da, cs[:-1], cs[1:]) if ctx.needs_input_grad[7] else None
        dweight = da.flatten(0, 1).t() @ hs[:-1].flatten(0, 1) if ctx.needs_input_grad[6] else None
        return None, None, None, da, dh, dc, dweight, dp


def sweep(
    rule: Rule, z: Tensor, lengths: Tensor, state: State, weight: Tensor, p: Tensor | None = None
) -> tuple[Tensor, State]:
    """z (B, T, K), lengths (B,), the state h, c (B, H) -> y (B, T, H), zero past a length, and each row's last h, c."""
    order, counts = schedule(lengths)
    h, c = (part.index_select(0, order) for part in state)
    ahead = z.transpose(0, 1).index_select(1, order)[: len(counts)]
    further = weight.new_zeros(0) if p is None else p
    y, h, c = cast(
        tuple[Tensor, Tensor, Tensor],
        Sweep.apply(rule, counts, lengths[order], ahead, h, c, weight, further),  # type: ignore[no-untyped-call]
    )
    back = torch.argsort(order)
    y = torch.nn.functional.pad(y.index_select(1, back).transpose(0, 1), (0, 0, 0, z.shape[1] - len(counts)))
    return y, (h.index_select(0, back), c.index_select(0, back))
