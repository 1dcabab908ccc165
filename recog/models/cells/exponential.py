"""Exponential gates: the sLSTM and mLSTM of xLSTM (Beck 2024), with the stabiliser that keeps them finite.

The stabiliser m(t) = max(log f + m(t-1), log i) is taken off the logarithm of every gate; c and n are then smaller by
exp(-m) alike, and what is read from them is the same. Before the first step m is -infinity, written as a large number.
"""

import math
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from recog.errors import ConfigError
from recog.models.cells.cell import Cell, State, blocks, start
from recog.models.cells.sequence import run
from recog.models.cells.steps import SLSTMStep

Forget = Literal["sigmoid", "exponential"]
# In place of minus infinity, of which the difference is no number.
NOTHING_YET = -1e30


class SLSTM(Cell):
    """Scalar memory with exponential gates and memory mixing within heads (Beck 2024, equations 8 to 17).

        i, f, z, o = W x + U h(t-1) + b             U has a block for each head
        c(t) = f' * c(t-1) + i' * tanh(z)           i' = exp(i - m(t)), f' = exp(log f + m(t-1) - m(t))
        n(t) = f' * n(t-1) + i'                     h(t) = sigma(o) * c(t) / n(t)

    `forget` is the function of the forget gate: sigma, or exp. Rows of `weight_ih` and bias: i, f, z, o (H each);
    `weight_hh` (heads, 4, H / heads, H / heads). State: h, c, n, m.
    """

    def __init__(self, features: int, hidden: int, heads: int = 1, forget: Forget = "sigmoid") -> None:
        super().__init__(features, hidden)
        width = head_width("slstm", hidden, heads, forget)
        self.heads, self.forget = heads, forget
        self.weight_ih, self.bias = blocks(hidden, features, 4), nn.Parameter(torch.empty(4 * hidden))
        self.weight_hh = nn.Parameter(torch.empty(heads, 4, width, width))
        start([(self.weight_hh.view(-1, width), 4 * heads)], [self.weight_ih], [self.bias])
        spread_forget(self.bias, hidden)

    def initial(self, batch: int) -> State:
        """h, c and n zero, m below everything."""
        h, c, n = (self.zeros(batch, self.hidden) for _ in range(3))
        return h, c, n, self.zeros(batch, self.hidden) + NOTHING_YET

    def project(self, x: Tensor) -> Tensor:
        """(..., F) -> (..., 4 H)."""
        return functional.linear(x, self.weight_ih, self.bias)

    def advance(self, z: Tensor, state: State) -> tuple[Tensor, State]:
        """One step."""
        h, c, n, m = state
        back = torch.einsum(
            "khoi,bki->bhko", self.weight_hh, h.reshape(-1, self.heads, self.hidden // self.heads)
        ).flatten(1)
        i, f, cell, o = (z + back).chunk(4, dim=1)
        log_f = functional.logsigmoid(f) if self.forget == "sigmoid" else f
        m_new = torch.maximum(log_f + m, i)
        i, f = torch.exp(i - m_new), torch.exp(log_f + m - m_new)
        c, n = f * c + i * torch.tanh(cell), f * n + i
        h = torch.sigmoid(o) * c / n
        return h, (h, c, n, m_new)

    def sweep(self, z: Tensor, lengths: Tensor, state: State) -> tuple[Tensor, State] | None:
        """All steps with a backward pass by hand, on one map with zeros between the heads."""
        whole = torch.cat([torch.block_diag(*gate) for gate in self.weight_hh.unbind(1)])  # type: ignore[no-untyped-call]
        return run(SLSTMStep(self.hidden, self.forget == "exponential"), z, lengths, state, (whole,))


class MLSTM(Cell):
    """Matrix memory, read by a query and written by key and value (Beck 2024, equations 19 to 27, a head at a time).

        q, v = W x + b, k = (W_k x + b_k) / sqrt(d)            d = H / heads; i, f = w x + b, one each a head
        C(t) = f' C(t-1) + i' v k^T                            i' = exp(i - m(t)), f' = exp(log f + m(t-1) - m(t))
        n(t) = f' n(t-1) + i' k
        h(t) = sigma(o) * C(t) q / max(|n(t)^T q|, exp(-m(t)))

    Nothing of h comes back, so that all steps of a `chunk` are one multiplication (`sweep`). Rows of `weight_ih` and
    bias: q, k, v, o (H each); of `weight_gates` and `bias_gates`: i, f (one a head). State: C (B, heads, d, d), n, m.
    """

    def __init__(self, features: int, hidden: int, heads: int = 1, forget: Forget = "sigmoid", chunk: int = 64) -> None:
        super().__init__(features, hidden)
        self.width = head_width("mlstm", hidden, heads, forget)
        if chunk < 1:
            raise ConfigError(f"mlstm: a chunk of {chunk} steps; expected at least 1")
        self.heads, self.forget, self.chunk = heads, forget, chunk
        self.weight_ih, self.bias = blocks(hidden, features, 4), nn.Parameter(torch.empty(4 * hidden))
        self.weight_gates, self.bias_gates = blocks(heads, features, 2), nn.Parameter(torch.empty(2 * heads))
        start([], [self.weight_ih], [self.bias, self.bias_gates])
        nn.init.zeros_(self.weight_gates)
        spread_forget(self.bias_gates, heads)

    def initial(self, batch: int) -> State:
        """C and n zero, m below everything."""
        shape = (batch, self.heads)
        c, n, m = self.zeros(*shape, self.width, self.width), self.zeros(*shape, self.width), self.zeros(*shape)
        return c, n, m + NOTHING_YET

    def project(self, x: Tensor) -> Tensor:
        """(..., F) -> (..., 4 H + 2 heads): q, k, v, o, then log i and log f."""
        gates = functional.linear(x, self.weight_gates, self.bias_gates)
        i, f = gates.chunk(2, dim=-1)
        log_f = functional.logsigmoid(f) if self.forget == "sigmoid" else f
        return torch.cat([functional.linear(x, self.weight_ih, self.bias), i, log_f], dim=-1)

    def advance(self, z: Tensor, state: State) -> tuple[Tensor, State]:
        """One step."""
        c, n, m = state
        q, k, v, i, log_f = (part[:, :, 0] for part in self.parts(z[:, None]))
        m_new = torch.maximum(log_f + m, i)
        i, f = torch.exp(i - m_new), torch.exp(log_f + m - m_new)
        c = f[..., None, None] * c + i[..., None, None] * v[..., :, None] * k[..., None, :]
        n = f[..., None] * n + i[..., None] * k
        h = (c @ q[..., None])[..., 0] / floor((n * q).sum(dim=-1), m_new)[..., None]
        return torch.sigmoid(self.output_gate(z)) * h.flatten(1), (c, n, m_new)

    def sweep(self, z: Tensor, lengths: Tensor, state: State) -> tuple[Tensor, State] | None:
        """All steps, chunk after chunk: within one the steps are parallel, from one to the next C, n and m are handed on."""
        alive = (torch.arange(z.shape[1], device=z.device) < lengths[:, None])[:, None]
        q, k, v, i, log_f = self.parts(z)
        # A step past the end writes nothing and forgets nothing, so that the state stays the row's last.
        i, log_f = torch.where(alive, i, NOTHING_YET), torch.where(alive, log_f, 0.0)
        found = []
        for begin in range(0, z.shape[1], self.chunk):
            part = slice(begin, begin + self.chunk)
            h, state = chunkwise(q[:, :, part], k[:, :, part], v[:, :, part], i[:, :, part], log_f[:, :, part], state)
            found.append(h)
        h = torch.cat(found, dim=2).transpose(1, 2).flatten(2)
        return torch.sigmoid(self.output_gate(z)) * h, state

    def parts(self, z: Tensor) -> tuple[Tensor, ...]:
        """(B, T, K) -> q, k, v (B, heads, T, d), log i and log f (B, heads, T)."""
        q, k, v = (
            part.unflatten(-1, (self.heads, self.width)).transpose(1, 2)  # type: ignore[no-untyped-call]
            for part in z[..., : 3 * self.hidden].chunk(3, dim=-1)
        )
        i, log_f = z[..., 4 * self.hidden :].transpose(1, 2).chunk(2, dim=1)
        return q, k / math.sqrt(self.width), v, i, log_f

    def output_gate(self, z: Tensor) -> Tensor:
        """(..., K) -> (..., H), before the sigma."""
        return z[..., 3 * self.hidden : 4 * self.hidden]


def chunkwise(q: Tensor, k: Tensor, v: Tensor, i: Tensor, log_f: Tensor, state: State) -> tuple[Tensor, State]:
    """L steps of matrix memory at once: q, k, v (B, heads, L, d), log i, log f (B, heads, L) and the state before them
    -> C(t) q / max(|n(t)^T q|, exp(-m(t))) (B, heads, L, d) and the state after them (the parallel form of Beck 2024, begun from a state).

    What step s wrote has faded at step t to exp(log i(s) + log f(s + 1) + ... + log f(t)): all of it is one lower triangle.
    """
    c, n, m = state
    faded = log_f.cumsum(dim=-1)
    written = faded[..., :, None] - faded[..., None, :] + i[..., None, :]
    later = torch.ones(q.shape[2], q.shape[2], dtype=torch.bool, device=q.device).triu(1)
    written = written.masked_fill(later, NOTHING_YET)
    m_all = torch.maximum(faded + m[..., None], written.amax(dim=-1))
    old = torch.exp(faded + m[..., None] - m_all)
    new = torch.exp(written - m_all[..., None])
    seen = (q @ k.transpose(-1, -2)) * new
    read = seen @ v + old[..., None] * (q @ c.transpose(-1, -2))
    h = read / floor(seen.sum(dim=-1) + old * (q @ n[..., None])[..., 0], m_all)[..., None]
    last, kept = new[..., -1, :], old[..., -1]
    c = kept[..., None, None] * c + (v * last[..., None]).transpose(-1, -2) @ k
    n = kept[..., None] * n + (last[..., None, :] @ k)[..., 0, :]
    return h, (c, n, m_all[..., -1])


def floor(size: Tensor, m: Tensor) -> Tensor:
    """max(|n^T q|, exp(-m)): what is read is divided by at least 1 before the stabiliser; beyond exp(60) nothing is left to read."""
    return torch.maximum(size.abs(), torch.exp(-m.clamp(min=-60.0)))


def head_width(cell: str, hidden: int, heads: int, forget: Forget) -> int:
    """Cells of one head; refuses heads that do not divide them, and unknown forget gates."""
    if heads < 1 or hidden % heads:
        raise ConfigError(f"{cell}: {heads} heads do not divide {hidden} cells; give a divisor")
    if forget not in ("sigmoid", "exponential"):
        raise ConfigError(f"{cell}: forget is {forget!r}; expected 'sigmoid' or 'exponential'")
    return hidden // heads


@torch.no_grad()
def spread_forget(bias: Tensor, gates: int) -> None:
    """Forget biases of rows i, f from 3 to 6, so that memories of many lifetimes are there (after Beck 2024)."""
    bias[gates : 2 * gates] = torch.linspace(3.0, 6.0, gates)
