"""What each cell of the fused path does with its sums, ahead and back: the equations stand with the cells themselves."""

import torch
from torch import Tensor


def sigmoid_back(error: Tensor, value: Tensor, out: Tensor) -> None:
    """out = error * value * (1 - value), the error before a sigmoid."""
    torch.ops.aten.sigmoid_backward.grad_input(error, value, grad_input=out)


def tanh_back(error: Tensor, value: Tensor, out: Tensor) -> None:
    """out = error * (1 - value^2), the error before a tanh."""
    torch.ops.aten.tanh_backward.grad_input(error, value, grad_input=out)


def output_back(shown: Tensor, o: Tensor, dh: Tensor, dc: Tensor, do: Tensor) -> None:
    """h = o * shown, shown = tanh(c): fills do, the error of the gate's sum, and adds to dc what h says of c."""
    sigmoid_back(dh * shown, o, do)
    through = dh * o
    tanh_back(through, shown, through)
    dc.add_(through)


class NoFurtherWeights:
    """Part of the rules of cells whose only recurrent weights are those of the sums."""

    truncated = False

    def errors_of(self, da: Tensor, c_before: Tensor, c: Tensor) -> None:
        """Nothing to learn."""


class ElmanRule(NoFurtherWeights):
    """h = tanh(a); there is no c."""

    def ahead(self, a: Tensor, c_before: Tensor, c: Tensor, h: Tensor, p: Tensor) -> None:
        """Leaves h in a."""
        h.copy_(a.tanh_())

    def back(self, a: Tensor, c_before: Tensor, c: Tensor, dh: Tensor, dc: Tensor, da: Tensor, p: Tensor) -> None:
        """Through the tanh."""
        tanh_back(dh, a, da)


class OriginalRule(NoFurtherWeights):
    """The cell of 1997: sums of input and output gates (H / block each), then of the cells (H)."""

    def __init__(self, block: int, truncated: bool) -> None:
        self.block, self.truncated = block, truncated

    def ahead(self, a: Tensor, c_before: Tensor, c: Tensor, h: Tensor, p: Tensor) -> None:
        """Leaves sigmas in a; g = 4 sigma - 2."""
        i, o, g = self.parts(a.sigmoid_())
        c3, h3 = c.view(len(c), -1, self.block), h.view(len(c), -1, self.block)
        c3.copy_(4 * g - 2).mul_(i).add_(c_before.view(len(c), -1, self.block))
        torch.mul(o, 2 * torch.sigmoid(c3) - 1, out=h3)

    def back(self, a: Tensor, c_before: Tensor, c: Tensor, dh: Tensor, dc: Tensor, da: Tensor, p: Tensor) -> None:
        """A gate gathers the errors of all cells of its block; c hands its own on unscaled."""
        i, o, g = self.parts(a)
        di, do, dg = self.parts(da)
        dh3, dc3 = dh.view(len(dh), -1, self.block), dc.view(len(dc), -1, self.block)
        shown = torch.sigmoid(c).view(len(c), -1, self.block)
        sigmoid_back((dh3 * (2 * shown - 1)).sum(dim=2, keepdim=True), o, do)
        dc3.addcmul_(dh3 * o, shown * (1 - shown), value=2)
        sigmoid_back((dc3 * (4 * g - 2)).sum(dim=2, keepdim=True), i, di)
        sigmoid_back(dc3 * i * 4, g, dg)

    def parts(self, a: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(n, K) -> input gates and output gates (n, blocks, 1), cells (n, blocks, block)."""
        n = a.shape[1] // (2 + self.block)
        return a[:, :n, None], a[:, n : 2 * n, None], a[:, 2 * n :].view(len(a), n, self.block)


class StandardRule(NoFurtherWeights):
    """The cell with a forget gate: sums of i, f, g, o (H each)."""

    def ahead(self, a: Tensor, c_before: Tensor, c: Tensor, h: Tensor, p: Tensor) -> None:
        """Leaves the gates in a."""
        i, f, g, o = a.chunk(4, dim=1)
        a[:, : 2 * c.shape[1]].sigmoid_()
        g.tanh_()
        o.sigmoid_()
        torch.mul(f, c_before, out=c)
        c.addcmul_(i, g)
        torch.mul(o, torch.tanh(c), out=h)

    def back(self, a: Tensor, c_before: Tensor, c: Tensor, dh: Tensor, dc: Tensor, da: Tensor, p: Tensor) -> None:
        """Through the output to c, then through the other gates to c(t-1)."""
        i, f, g, o = a.chunk(4, dim=1)
        di, df, dg, do = da.chunk(4, dim=1)
        output_back(torch.tanh(c), o, dh, dc, do)
        sigmoid_back(dc * g, i, di)
        sigmoid_back(dc * c_before, f, df)
        tanh_back(dc * i, g, dg)
        dc.mul_(f)


class CoupledRule(NoFurtherWeights):
    """Input gate = 1 - forget gate: sums of f, g, o (H each)."""

    def ahead(self, a: Tensor, c_before: Tensor, c: Tensor, h: Tensor, p: Tensor) -> None:
        """Leaves the gates in a."""
        f, g, o = a.chunk(3, dim=1)
        f.sigmoid_()
        g.tanh_()
        o.sigmoid_()
        torch.lerp(g, c_before, f, out=c)
        torch.mul(o, torch.tanh(c), out=h)

    def back(self, a: Tensor, c_before: Tensor, c: Tensor, dh: Tensor, dc: Tensor, da: Tensor, p: Tensor) -> None:
        """The one gate hears of what it kept and of what it kept out."""
        f, g, o = a.chunk(3, dim=1)
        df, dg, do = da.chunk(3, dim=1)
        output_back(torch.tanh(c), o, dh, dc, do)
        sigmoid_back(dc * (c_before - g), f, df)
        tanh_back(dc * (1 - f), g, dg)
        dc.mul_(f)


class MemoryRule(NoFurtherWeights):
    """The part of a memory that sees itself and no output: sums of i, f, g (H each); h is c, so that c comes back."""

    def ahead(self, a: Tensor, c_before: Tensor, c: Tensor, h: Tensor, p: Tensor) -> None:
        """Leaves the gates in a."""
        i, f, g = a.chunk(3, dim=1)
        a[:, : 2 * c.shape[1]].sigmoid_()
        g.tanh_()
        torch.mul(f, c_before, out=c)
        c.addcmul_(i, g)
        h.copy_(c)

    def back(self, a: Tensor, c_before: Tensor, c: Tensor, dh: Tensor, dc: Tensor, da: Tensor, p: Tensor) -> None:
        """The errors of both names of c, through the gates to c(t-1)."""
        i, f, g = a.chunk(3, dim=1)
        di, df, dg = da.chunk(3, dim=1)
        dc.add_(dh)
        sigmoid_back(dc * g, i, di)
        sigmoid_back(dc * c_before, f, df)
        tanh_back(dc * i, g, dg)
        dc.mul_(f)


class PeepholeRule:
    """The peephole cell: sums of i, f, g, o (H each); p (3, H) are p_i, p_f and p_o; sigma_h is tanh or nothing."""

    truncated = False

    def __init__(self, identity: bool) -> None:
        self.identity = identity

    def ahead(self, a: Tensor, c_before: Tensor, c: Tensor, h: Tensor, p: Tensor) -> None:
        """Leaves the gates in a."""
        i, f, g, o = a.chunk(4, dim=1)
        gates = a.view(len(a), 4, -1)[:, :2]
        gates.addcmul_(c_before[:, None], p[:2]).sigmoid_()
        g.tanh_()
        torch.mul(f, c_before, out=c)
        c.addcmul_(i, g)
        o.addcmul_(c, p[2]).sigmoid_()
        torch.mul(o, c if self.identity else torch.tanh(c), out=h)

    def back(self, a: Tensor, c_before: Tensor, c: Tensor, dh: Tensor, dc: Tensor, da: Tensor, p: Tensor) -> None:
        """Through the output gate to c, then through the other gates to c(t-1)."""
        i, f, g, o = a.chunk(4, dim=1)
        di, df, dg, do = da.chunk(4, dim=1)
        if self.identity:
            sigmoid_back(dh * c, o, do)
            dc.addcmul_(dh, o)
        else:
            output_back(torch.tanh(c), o, dh, dc, do)
        dc.addcmul_(do, p[2])
        sigmoid_back(dc * g, i, di)
        sigmoid_back(dc * c_before, f, df)
        tanh_back(dc * i, g, dg)
        dc.mul_(f).addcmul_(di, p[0]).addcmul_(df, p[1])

    def errors_of(self, da: Tensor, c_before: Tensor, c: Tensor) -> Tensor:
        """Sums over all steps and rows of the error of a gate times what it saw."""
        di, df, _, do = da.chunk(4, dim=2)
        seen = ((di, c_before), (df, c_before), (do, c))
        return torch.stack([(error * cell).sum(dim=(0, 1)) for error, cell in seen])
