"""Slow twins of the memory cells: one row, one step after another, each equation as its paper prints it."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

sigma, tanh, exp = torch.sigmoid, torch.tanh, torch.exp
Weights = dict[str, Tensor]


def zeros(n: int) -> Tensor:
    return torch.zeros(n, dtype=torch.float64)


def sums(w: Weights, x: Tensor, h: Tensor, gates: int) -> list[Tensor]:
    """W x + U h + b of each gate, row by row."""
    rows = [w["weight_ih"][k] @ x + w["weight_hh"][k] @ h + w["bias"][k] for k in range(len(w["bias"]))]
    n = len(rows) // gates
    return [torch.stack(rows[gate * n : (gate + 1) * n]) for gate in range(gates)]


def lstm_1997(w: Weights, x: Tensor, block: int = 1, gated: bool = False) -> Tensor:
    n = len(w["bias"]) * block // (2 + block)
    h, c, gates, found = zeros(n), zeros(n), zeros(2 * (n // block)), []
    for step in x:
        net = torch.cat(sums(w, step, torch.cat([h, gates]) if gated else h, 1))
        gates = 1 / (1 + exp(-net[: len(gates)]))
        y, memory = [], []
        for cell in range(n):
            b = cell // block
            y_in, y_out = 1 / (1 + exp(-net[b])), 1 / (1 + exp(-net[n // block + b]))
            g = 4 / (1 + exp(-net[2 * (n // block) + cell])) - 2
            memory.append(c[cell] + y_in * g)
            y.append(y_out * (2 / (1 + exp(-memory[-1])) - 1))
        h, c = torch.stack(y), torch.stack(memory)
        found.append(h)
    return torch.stack(found)


def lstm(w: Weights, x: Tensor) -> Tensor:
    h = c = zeros(w["weight_hh"].shape[1])
    found = []
    for step in x:
        i, f, g, o = sums(w, step, h, 4)
        c = sigma(f) * c + sigma(i) * tanh(g)
        h = sigma(o) * tanh(c)
        found.append(h)
    return torch.stack(found)


def peephole(w: Weights, x: Tensor, squash: str = "tanh") -> Tensor:
    h = c = zeros(w["weight_hh"].shape[1])
    p_i, p_f, p_o = w["peepholes"]
    found = []
    for step in x:
        i, f, g, o = sums(w, step, h, 4)
        i, f = sigma(i + p_i * c), sigma(f + p_f * c)
        c = f * c + i * tanh(g)
        o = sigma(o + p_o * c)
        h = o * (tanh(c) if squash == "tanh" else c)
        found.append(h)
    return torch.stack(found)


def peephole_c(w: Weights, x: Tensor, squash: str = "tanh") -> Tensor:
    n = w["weight_ch"].shape[1]
    c, found = zeros(n), []
    w_i, w_f, w_g, w_o = w["weight_ih"].split(n)
    b_i, b_f, b_g, b_o = w["bias"].split(n)
    u_i, u_f, u_o = w["weight_ch"].split(n)
    for step in x:
        i = sigma(w_i @ step + u_i @ c + b_i)
        f = sigma(w_f @ step + u_f @ c + b_f)
        o = sigma(w_o @ step + u_o @ c + b_o)
        c = f * c + i * tanh(w_g @ step + b_g)
        found.append(o * (tanh(c) if squash == "tanh" else c))
    return torch.stack(found)


def coupled(w: Weights, x: Tensor) -> Tensor:
    h = c = zeros(w["weight_hh"].shape[1])
    found = []
    for step in x:
        f, g, o = sums(w, step, h, 3)
        c = sigma(f) * c + (1 - sigma(f)) * tanh(g)
        h = sigma(o) * tanh(c)
        found.append(h)
    return torch.stack(found)


def gru(w: Weights, x: Tensor, reset_after: bool = False) -> Tensor:
    n = w["weight_hh"].shape[1]
    h, found = zeros(n), []
    w_r, w_z, w_n = w["weight_ih"].split(n)
    u_r, u_z, u_n = w["weight_hh"].split(n)
    b_r, b_z, b_n = w["bias"].split(n)
    for step in x:
        r, z = sigma(w_r @ step + u_r @ h + b_r), sigma(w_z @ step + u_z @ h + b_z)
        back = r * (u_n @ h + w["bias_reset"]) if reset_after else u_n @ (r * h)
        h = z * h + (1 - z) * tanh(w_n @ step + back + b_n)
        found.append(h)
    return torch.stack(found)


def projected(w: Weights, x: Tensor, cells: int = 0, peepholes: bool = True) -> Tensor:
    r, c = zeros(w["weight_hh"].shape[1]), zeros(cells)
    p_i, p_f, p_o = w["peepholes"] if peepholes else zeros(3)
    found = []
    for step in x:
        i, f, g, o = sums(w, step, r, 4)
        i, f = sigma(i + p_i * c), sigma(f + p_f * c)
        c = f * c + i * tanh(g)
        r = w["weight_projection"] @ (sigma(o + p_o * c) * tanh(c))
        found.append(r)
    return torch.stack(found)


def layer_norm(w: Weights, x: Tensor) -> Tensor:
    def normed(a: Tensor, gain: Tensor) -> Tensor:
        mean = a.sum() / len(a)
        return gain * (a - mean) / torch.sqrt(((a - mean) ** 2).sum() / len(a) + 1e-5)

    h = c = zeros(w["weight_hh"].shape[1])
    found = []
    for step in x:
        a = normed(w["weight_ih"] @ step, w["norm_ih.weight"]) + normed(w["weight_hh"] @ h, w["norm_hh.weight"])
        i, f, g, o = (a + w["bias"]).chunk(4)
        c = sigma(f) * c + sigma(i) * tanh(g)
        h = sigma(o) * tanh(normed(c, w["norm_c.weight"]) + w["norm_c.bias"])
        found.append(h)
    return torch.stack(found)


def zoneout(w: Weights, x: Tensor, zoneout_c: float = 0.5, zoneout_h: float = 0.05) -> Tensor:
    h = c = zeros(w["weight_hh"].shape[1])
    found = []
    for step in x:
        i, f, g, o = sums(w, step, h, 4)
        c_new = sigma(f) * c + sigma(i) * tanh(g)
        h = zoneout_h * h + (1 - zoneout_h) * sigma(o) * tanh(c_new)
        c = zoneout_c * c + (1 - zoneout_c) * c_new
        found.append(h)
    return torch.stack(found)


def elman(w: Weights, x: Tensor) -> Tensor:
    h, found = zeros(w["weight_hh"].shape[1]), []
    for step in x:
        h = tanh(*sums(w, step, h, 1))
        found.append(h)
    return torch.stack(found)


def time_aware(w: Weights, x: Tensor, clock: int | None = None, decay: str = "log") -> Tensor:
    h = c = zeros(w["weight_hh"].shape[1])
    found = []
    for step in x:
        elapsed = 1.0 if clock is None else float(step[clock])
        g_elapsed = 1 / math.log(math.e + elapsed) if decay == "log" else 1 / elapsed
        short = tanh(w["weight_short"] @ c + w["bias_short"])
        adjusted = (c - short) + short * g_elapsed
        i, f, g, o = sums(w, step, h, 4)
        c = sigma(f) * adjusted + sigma(i) * tanh(g)
        h = sigma(o) * tanh(c)
        found.append(h)
    return torch.stack(found)


def slstm(w: Weights, x: Tensor, heads: int = 1, forget: str = "sigmoid") -> Tensor:
    """Beck 2024, equations 8 to 14: gates without a stabiliser, which float64 bears for short sequences."""
    recurrent = w["weight_hh"]  # (heads, 4, d, d)
    n = heads * recurrent.shape[2]
    h = c = norm = zeros(n)
    found = []
    for step in x:
        seen = [torch.cat([recurrent[k, gate] @ part for k, part in enumerate(h.chunk(heads))]) for gate in range(4)]
        i, f, z, o = (a + u for a, u in zip((w["weight_ih"] @ step + w["bias"]).chunk(4), seen, strict=True))
        f = sigma(f) if forget == "sigmoid" else exp(f)
        c = f * c + exp(i) * tanh(z)
        norm = f * norm + exp(i)
        h = sigma(o) * c / norm
        found.append(h)
    return torch.stack(found)


def mlstm(w: Weights, x: Tensor, heads: int = 1, forget: str = "sigmoid") -> Tensor:
    """Beck 2024, equations 19 to 27: gates without a stabiliser."""
    n = len(w["weight_ih"]) // 4
    d = n // heads
    memory, norm = [torch.zeros(d, d, dtype=torch.float64)] * heads, [zeros(d)] * heads
    found = []
    for step in x:
        q, k, v, o = (w["weight_ih"] @ step + w["bias"]).chunk(4)
        i, f = (w["weight_gates"] @ step + w["bias_gates"]).chunk(2)
        y = []
        for head in range(heads):
            part = slice(head * d, (head + 1) * d)
            key = k[part] / math.sqrt(d)
            keep = sigma(f[head]) if forget == "sigmoid" else exp(f[head])
            memory[head] = keep * memory[head] + exp(i[head]) * torch.outer(v[part], key)
            norm[head] = keep * norm[head] + exp(i[head]) * key
            read = memory[head] @ q[part] / max(abs(float(norm[head] @ q[part])), 1.0)
            y.append(sigma(o[part]) * read)
        found.append(torch.cat(y))
    return torch.stack(found)


TWINS: dict[str, Callable[..., Tensor]] = {
    "lstm-1997": lstm_1997,
    "lstm": lstm,
    "peephole": peephole,
    "peephole-c": peephole_c,
    "coupled": coupled,
    "gru": gru,
    "projected": projected,
    "layer-norm": layer_norm,
    "zoneout": zoneout,
    "elman": elman,
    "time-aware": time_aware,
    "slstm": slstm,
    "mlstm": mlstm,
}
