"""What cells with more than one sum a step do, ahead and back: the equations stand with the cells themselves."""

from typing import cast

import torch
from torch import Tensor

from recog.models.cells.rules import OriginalRule, PeepholeRule, StandardRule, sigmoid_back, tanh_back
from recog.models.cells.sequence import Parts, outer


class GatedStep:
    """The cell of 1997 whose sums see the gates of the step before, too. Weight: (K, K), K = 2 H / block + H; state: h, c, gates.

    Kept: the gates and sigmas of the cells, as `OriginalRule` leaves them.
    """

    noted = 0

    def __init__(self, rows: int, block: int, truncated: bool) -> None:
        self.rule, self.kept = OriginalRule(block, truncated), rows

    def ahead(self, z: Tensor, before: Parts, after: Parts, kept: Tensor, weights: Parts) -> None:
        """One map of all that is seen; the gates are handed on as they are."""
        h, c, seen = before
        torch.addmm(z, torch.cat([h, seen], dim=1), weights[0].t(), out=kept)
        self.rule.ahead(kept, c, after[1], after[0], weights[0])
        after[2].copy_(kept[:, : seen.shape[1]])

    def back(
        self, kept: Tensor, before: Parts, after: Parts, errors: Parts, dz: Tensor, noted: Tensor, weights: Parts
    ) -> None:
        """Errors of a gate come from its own step and, unless truncated, from the next one, which saw it."""
        (dh, dc, dseen), n = errors, before[2].shape[1]
        self.rule.back(kept, before[1], after[1], dh, dc, dz, weights[0])
        later = torch.empty_like(dseen)
        sigmoid_back(dseen, kept[:, :n], later)
        dz[:, :n] += later
        if self.rule.truncated:
            dh.zero_()
            dseen.zero_()
            return
        torch.mm(dz, weights[0][:, : dh.shape[1]], out=dh)
        torch.mm(dz, weights[0][:, dh.shape[1] :], out=dseen)

    def gradients(self, kept: Tensor, before: Parts, after: Parts, dz: Tensor, noted: Tensor, weights: Parts) -> Parts:
        """Of the one map."""
        return (outer(dz, torch.cat([before[0], before[2]], dim=2)),)


class GRUStep:
    """Sums of r, u, n (H each), u the update gate. Weights: (3 H, H), and d (H,) where the reset gate comes after the map.

    Kept: r, u, n and, with the gate after, the bracket U_n h + d that it scales.
    """

    noted = 0

    def __init__(self, hidden: int, after: bool) -> None:
        self.hidden, self.after, self.kept = hidden, after, (4 if after else 3) * hidden

    def ahead(self, z: Tensor, before: Parts, after: Parts, kept: Tensor, weights: Parts) -> None:
        """The gates first, then what they let in."""
        (h,), n, weight = before, self.hidden, weights[0]
        gates, new = kept[:, : 2 * n], kept[:, 2 * n : 3 * n]
        torch.addmm(z[:, : 2 * n], h, weight[: 2 * n].t(), out=gates)
        r, update = gates.sigmoid_().chunk(2, dim=1)
        if self.after:
            torch.addmm(weights[1], h, weight[2 * n :].t(), out=kept[:, 3 * n :])
            torch.addcmul(z[:, 2 * n :], r, kept[:, 3 * n :], out=new)
        else:
            torch.addmm(z[:, 2 * n :], r * h, weight[2 * n :].t(), out=new)
        torch.lerp(new.tanh_(), h, update, out=after[0])

    def back(
        self, kept: Tensor, before: Parts, after: Parts, errors: Parts, dz: Tensor, noted: Tensor, weights: Parts
    ) -> None:
        """To h straight, through both gates, and through what was let in."""
        (h,), (dh,), n, weight = before, errors, self.hidden, weights[0]
        r, update, new = kept[:, : 3 * n].chunk(3, dim=1)
        dr, du, dn = dz.chunk(3, dim=1)
        tanh_back(dh * (1 - update), new, dn)
        sigmoid_back(dh * (h - new), update, du)
        dh.mul_(update)
        if self.after:
            sigmoid_back(dn * kept[:, 3 * n :], r, dr)
            dh.addmm_(dn * r, weight[2 * n :])
        else:
            let_in = dn @ weight[2 * n :]
            sigmoid_back(let_in * h, r, dr)
            dh.addcmul_(let_in, r)
        dh.addmm_(dz[:, : 2 * n], weight[: 2 * n])

    def gradients(self, kept: Tensor, before: Parts, after: Parts, dz: Tensor, noted: Tensor, weights: Parts) -> Parts:
        """Of the gates' rows, of those of n, and of d."""
        (h,), n = before, self.hidden
        r, dn = kept[..., :n], dz[..., 2 * n :]
        gates = outer(dz[..., : 2 * n], h)
        if self.after:
            bracket = dn * r
            return torch.cat([gates, outer(bracket, h)]), bracket.sum(dim=(0, 1))
        return (torch.cat([gates, outer(dn, r * h)]),)


class ZoneoutStep:
    """Sums of i, f, g, o (H each). Weight: (4 H, H). Kept: the gates, then what share of h and of c stayed."""

    noted = 0

    def __init__(self, hidden: int, share_h: float, share_c: float, drawn: bool) -> None:
        self.hidden, self.shares, self.drawn, self.kept = hidden, (share_h, share_c), drawn, 6 * hidden

    def ahead(self, z: Tensor, before: Parts, after: Parts, kept: Tensor, weights: Parts) -> None:
        """Draws as the step itself does, h first."""
        (h, c), n = before, self.hidden
        gates, stayed = kept[:, : 4 * n], kept[:, 4 * n :].chunk(2, dim=1)
        torch.addmm(z, h, weights[0].t(), out=gates)
        StandardRule().ahead(gates, c, after[1], after[0], weights[0])
        for old, new, share, part in zip(before, after, self.shares, stayed, strict=True):
            part.copy_(torch.bernoulli(torch.full_like(new, share)) if self.drawn else torch.full_like(new, share))
            new.copy_(part * old + (1 - part) * new)

    def back(
        self, kept: Tensor, before: Parts, after: Parts, errors: Parts, dz: Tensor, noted: Tensor, weights: Parts
    ) -> None:
        """What stayed takes its share of the errors past the step."""
        (_, c), (dh, dc), n = before, errors, self.hidden
        gates, (stayed_h, stayed_c) = kept[:, : 4 * n], kept[:, 4 * n :].chunk(2, dim=1)
        i, f, g, _ = gates.chunk(4, dim=1)
        new, dc_new = f * c + i * g, dc * (1 - stayed_c)
        StandardRule().back(gates, c, new, dh * (1 - stayed_h), dc_new, dz, weights[0])
        dc.mul_(stayed_c).add_(dc_new)
        dh.mul_(stayed_h).addmm_(dz, weights[0])

    def gradients(self, kept: Tensor, before: Parts, after: Parts, dz: Tensor, noted: Tensor, weights: Parts) -> Parts:
        """Of the recurrent map."""
        return (outer(dz, before[0]),)


class ProjectedStep:
    """Sums of i, f, g, o (C each). Weights: (4 C, H), the projection V (H, C), peepholes (3, C) where there are some.

    Kept: the gates. Noted: the errors of r.
    """

    def __init__(self, hidden: int, cells: int, peepholes: bool) -> None:
        self.kept, self.noted = 4 * cells, hidden
        self.rule = PeepholeRule(identity=False) if peepholes else StandardRule()

    def ahead(self, z: Tensor, before: Parts, after: Parts, kept: Tensor, weights: Parts) -> None:
        """The rule of the wide cell, then the narrow way out."""
        (r, c), (said, c_new) = before, after
        torch.addmm(z, r, weights[0].t(), out=kept)
        wide = torch.empty_like(c_new)
        self.rule.ahead(kept, c, c_new, wide, weights[-1])
        torch.mm(wide, weights[1].t(), out=said)

    def back(
        self, kept: Tensor, before: Parts, after: Parts, errors: Parts, dz: Tensor, noted: Tensor, weights: Parts
    ) -> None:
        """Up the projection, through the rule, and down the recurrent map."""
        dr, dc = errors
        noted.copy_(dr)
        self.rule.back(kept, before[1], after[1], dr @ weights[1], dc, dz, weights[-1])
        torch.mm(dz, weights[0], out=dr)

    def gradients(self, kept: Tensor, before: Parts, after: Parts, dz: Tensor, noted: Tensor, weights: Parts) -> Parts:
        """Of both maps and the peepholes."""
        o = kept.chunk(4, dim=2)[3]
        maps = outer(dz, before[0]), outer(noted, o * torch.tanh(after[1]))
        errors = self.rule.errors_of(dz, before[1], after[1])
        return maps if errors is None else (*maps, errors)


class LayerNormStep:
    """Sums of i, f, g, o (H each). Weights: (4 H, H), gain of LN_h (4 H,), gain and bias of LN_c (H,).

    Kept: the gates, U h without mean and deviation, 1 / that deviation, c likewise. Noted: errors of U h, of LN_c's result.
    """

    def __init__(self, hidden: int, eps_h: float, eps_c: float) -> None:
        self.hidden, self.eps_h, self.eps_c = hidden, eps_h, eps_c
        self.kept, self.noted = 9 * hidden + 2, 5 * hidden

    def parts(self, kept: Tensor) -> tuple[Tensor, ...]:
        """Gates (.., 4 H), U h (.., 4 H) and c (.., H) normalised, 1 / deviations (.., 1)."""
        n = self.hidden
        return torch.split(kept, [4 * n, 4 * n, n, 1, 1], dim=-1)

    def ahead(self, z: Tensor, before: Parts, after: Parts, kept: Tensor, weights: Parts) -> None:
        """Two norms, one before the gates and one on the way out."""
        (h, c), (said, c_new) = before, after
        weight, gain_h, gain_c, bias_c = weights
        gates, sums, shown, over_h, over_c = self.parts(kept)
        normalise(h @ weight.t(), self.eps_h, sums, over_h)
        torch.addcmul(z, sums, gain_h, out=gates)
        StandardRule().ahead(gates, c, c_new, said, weight)
        normalise(c_new, self.eps_c, shown, over_c)
        torch.mul(gates[:, 3 * self.hidden :], torch.tanh(shown * gain_c + bias_c), out=said)

    def back(
        self, kept: Tensor, before: Parts, after: Parts, errors: Parts, dz: Tensor, noted: Tensor, weights: Parts
    ) -> None:
        """Through the norm of c, the gates, and the norm of the sums."""
        (_, c), (dh, dc), n = before, errors, self.hidden
        weight, gain_h, gain_c, bias_c = weights
        gates, sums, shown, over_h, over_c = self.parts(kept)
        i, f, g, o = gates.chunk(4, dim=1)
        di, df, dg, do = dz.chunk(4, dim=1)
        through = torch.tanh(shown * gain_c + bias_c)
        sigmoid_back(dh * through, o, do)
        tanh_back(dh * o, through, noted[:, 4 * n :])
        dc.add_(normalise_back(noted[:, 4 * n :] * gain_c, shown, over_c))
        sigmoid_back(dc * g, i, di)
        sigmoid_back(dc * c, f, df)
        tanh_back(dc * i, g, dg)
        dc.mul_(f)
        noted[:, : 4 * n] = normalise_back(dz * gain_h, sums, over_h)
        torch.mm(noted[:, : 4 * n], weight, out=dh)

    def gradients(self, kept: Tensor, before: Parts, after: Parts, dz: Tensor, noted: Tensor, weights: Parts) -> Parts:
        """Of the recurrent map, of both gains, and of LN_c's bias."""
        _, sums, shown, _, _ = self.parts(kept)
        recurrent, out = noted[..., : 4 * self.hidden], noted[..., 4 * self.hidden :]
        gains = ((dz * sums).sum(dim=(0, 1)), (out * shown).sum(dim=(0, 1)))
        return outer(recurrent, before[0]), *gains, out.sum(dim=(0, 1))


class TimeAwareStep:
    """Sums of i, f, g, o (H each), then the share of short-term memory that is left. Weights: (4 H, H), V (H, H), d (H,).

    Kept: the gates, the short-term memory, that share. Noted: the errors of V c + d.
    """

    def __init__(self, hidden: int) -> None:
        self.hidden, self.kept, self.noted = hidden, 5 * hidden + 1, hidden

    def ahead(self, z: Tensor, before: Parts, after: Parts, kept: Tensor, weights: Parts) -> None:
        """The memory fades, then a step as any other."""
        (h, c), n = before, self.hidden
        gates, short, left = torch.split(kept, [4 * n, n, 1], dim=1)
        left.copy_(z[:, 4 * n :])
        torch.addmm(weights[2], c, weights[1].t(), out=short)
        short.tanh_()
        torch.addmm(z[:, : 4 * n], h, weights[0].t(), out=gates)
        StandardRule().ahead(gates, c - short * (1 - left), after[1], after[0], weights[0])

    def back(
        self, kept: Tensor, before: Parts, after: Parts, errors: Parts, dz: Tensor, noted: Tensor, weights: Parts
    ) -> None:
        """Through the step to the faded memory, from there to c straight and through its short-term part."""
        (_, c), (dh, dc), n = before, errors, self.hidden
        gates, short, left = torch.split(kept, [4 * n, n, 1], dim=1)
        sums = dz[:, : 4 * n]
        StandardRule().back(gates, c - short * (1 - left), after[1], dh, dc, sums, weights[0])
        dz[:, 4 * n :] = (dc * short).sum(dim=1, keepdim=True)
        tanh_back(dc * (left - 1), short, noted)
        dc.addmm_(noted, weights[1])
        torch.mm(sums, weights[0], out=dh)

    def gradients(self, kept: Tensor, before: Parts, after: Parts, dz: Tensor, noted: Tensor, weights: Parts) -> Parts:
        """Of the recurrent map, of V and of d."""
        h, c = before
        return outer(dz[..., : 4 * self.hidden], h), outer(noted, c), noted.sum(dim=(0, 1))


class SLSTMStep:
    """Sums of i, f, z, o (H each). Weight: (4 H, H), zero between heads. State: h, c, n, m.

    Kept: i' and f', tanh(z) and sigma(o), d log f / d f, and whether the old stabiliser won (1), or the new (0).
    """

    noted = 0

    def __init__(self, hidden: int, exponential: bool) -> None:
        self.hidden, self.exponential, self.kept = hidden, exponential, 6 * hidden

    def ahead(self, z: Tensor, before: Parts, after: Parts, kept: Tensor, weights: Parts) -> None:
        """The greater of both logarithms is taken off both."""
        (h, c, norm, m), (said, c_new, norm_new, m_new) = before, after
        i, f, cell, o = torch.addmm(z, h, weights[0].t()).chunk(4, dim=1)
        write, keep, new, gate, slope, old_won = kept.chunk(6, dim=1)
        slope.copy_(torch.ones_like(f) if self.exponential else torch.sigmoid(-f))
        faded = m + (f if self.exponential else torch.nn.functional.logsigmoid(f))
        torch.maximum(faded, i, out=m_new)
        old_won.copy_((faded > i) + 0.5 * (faded == i))  # a tie is shared, as by autograd
        torch.exp(i - m_new, out=write)
        torch.exp(faded - m_new, out=keep)
        torch.tanh(cell, out=new)
        torch.sigmoid(o, out=gate)
        torch.addcmul(keep * c, write, new, out=c_new)
        torch.addcmul(write, keep, norm, out=norm_new)
        torch.div(gate * c_new, norm_new, out=said)

    def back(
        self, kept: Tensor, before: Parts, after: Parts, errors: Parts, dz: Tensor, noted: Tensor, weights: Parts
    ) -> None:
        """From what is read to c and n, from them to both gates, and from these to the stabiliser that won."""
        (_, c, norm, _), (said, c_new, norm_new, _), (dh, dc, dn, dm) = before, after, errors
        write, keep, new, gate, slope, old_won = kept.chunk(6, dim=1)
        di, df, dcell, do = dz.chunk(4, dim=1)
        sigmoid_back(dh * c_new / norm_new, gate, do)
        dc.addcdiv_(dh * gate, norm_new)
        dn.addcdiv_(dh * said, norm_new, value=-1)
        tanh_back(dc * write, new, dcell)
        written, faded = write * (dc * new + dn), keep * (dc * c + dn * norm)
        stabiliser = dm - written - faded
        torch.addcmul(written, stabiliser, 1 - old_won, out=di)
        torch.addcmul(faded, stabiliser, old_won, out=dm)
        torch.mul(dm, slope, out=df)
        dc.mul_(keep)
        dn.mul_(keep)
        torch.mm(dz, weights[0], out=dh)

    def gradients(self, kept: Tensor, before: Parts, after: Parts, dz: Tensor, noted: Tensor, weights: Parts) -> Parts:
        """Of the recurrent map."""
        return (outer(dz, before[0]),)


def normalise(x: Tensor, eps: float, out: Tensor, over: Tensor) -> None:
    """Fills out = (x - mean) / deviation over the last dimension, and over = 1 / deviation, as nn.LayerNorm has it."""
    normed, _, found = torch.native_layer_norm(x, x.shape[-1:], None, None, eps)
    out.copy_(normed)
    over.copy_(found)


def normalise_back(error: Tensor, normed: Tensor, over: Tensor) -> Tensor:
    """Errors of what was normalised -> of what it was made of."""
    # The library's kernel wants what was normalised; what comes out of it is as good, with a mean of 0 and a deviation of 1.
    mean, deviation = torch.zeros_like(over), torch.ones_like(over)
    found = torch.ops.aten.native_layer_norm_backward(
        error, normed, normed.shape[-1:], mean, deviation, None, None, (True, False, False)
    )
    return over * cast(Tensor, found[0])
