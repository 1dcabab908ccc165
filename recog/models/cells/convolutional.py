"""An LSTM whose cells lie on a plane and look at their neighbours: for pictures over time, or bands of a spectrogram."""

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.grad import conv2d_weight

from recog.errors import ConfigError
from recog.models.cells.cell import Cell, State, small
from recog.models.cells.lstm import keep
from recog.models.cells.rules import PeepholeRule, StandardRule
from recog.models.cells.sequence import Parts, run


class ConvLSTM(Cell):
    """The convolutional LSTM with peepholes (Shi 2015, equation 3), one step (B, C, R, S) -> (B, H, R, S).

        i, f = sigma(W * X + U * H(t-1) + P o C(t-1) + b)      * is a convolution, o the product place by place
        C(t) = f o C(t-1) + i o tanh(W_g * X + U_g * H(t-1) + b_g)
        o = sigma(W_o * X + U_o * H(t-1) + P_o o C(t) + b_o)   H(t) = o o tanh(C(t))

    `features` are the channels C of a frame, `hidden` those of the memory; `size` (R, S) is the plane, which peepholes tie
    the layer to: for a spectrogram (B, T, 1, F, 1) it is (F, 1). `kernel` (rows, columns), odd, keeps the plane's size.
    A sequence is (B, T, C, R, S), read by `scan` as any other. Channels of weights and bias: i, f, g, o (H each);
    `peepholes` (3, H, R, S): those of i, f, o. State: H, C.
    """

    def __init__(
        self,
        features: int,
        hidden: int,
        size: tuple[int, int],
        kernel: tuple[int, int] = (3, 3),
        peepholes: bool = True,
    ) -> None:
        super().__init__(features, hidden)
        if min(kernel) < 1 or not (kernel[0] % 2 and kernel[1] % 2):
            raise ConfigError(
                f"convolutional LSTM: a kernel of {kernel}; expected odd numbers, so that the plane keeps its size"
            )
        self.size, self.margin = size, (kernel[0] // 2, kernel[1] // 2)
        self.weight_ih = nn.Parameter(torch.empty(4 * hidden, features, *kernel))
        self.weight_hh = nn.Parameter(torch.empty(4 * hidden, hidden, *kernel))
        self.bias = nn.Parameter(torch.zeros(4 * hidden))
        self.peepholes = small(nn.Parameter(torch.empty(3, hidden, *size))) if peepholes else None
        for weight in (self.weight_ih, self.weight_hh):
            nn.init.xavier_uniform_(weight)
        keep(self.bias, hidden)

    @property
    def frame(self) -> tuple[int, ...]:
        """The shape of one step's input: (C, R, S)."""
        return (self.features, *self.size)

    def initial(self, batch: int) -> State:
        """H and C, zero."""
        return self.zeros(batch, self.hidden, *self.size), self.zeros(batch, self.hidden, *self.size)

    def project(self, x: Tensor) -> Tensor:
        """(..., C, R, S) -> (..., 4 H, R, S); refuses another plane."""
        if not torch.jit.is_tracing() and tuple(x.shape[-3:]) != self.frame:  # type: ignore[attr-defined,no-untyped-call]
            raise ConfigError(
                f"convolutional LSTM: frames of {tuple(x.shape[-3:])}; expected {self.frame} as it was made for"
            )
        frames = functional.conv2d(x.reshape(-1, *x.shape[-3:]), self.weight_ih, self.bias, padding=self.margin)
        return frames.view(*x.shape[:-3], *frames.shape[1:])

    def advance(self, z: Tensor, state: State) -> tuple[Tensor, State]:
        """One step."""
        h, c = state
        i, f, g, o = (z + functional.conv2d(h, self.weight_hh, padding=self.margin)).chunk(4, dim=1)
        if self.peepholes is not None:
            i, f = i + self.peepholes[0] * c, f + self.peepholes[1] * c
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        if self.peepholes is not None:
            o = o + self.peepholes[2] * c
        h = torch.sigmoid(o) * torch.tanh(c)
        return h, (h, c)

    def sweep(self, z: Tensor, lengths: Tensor, state: State) -> tuple[Tensor, State] | None:
        """All steps with a backward pass by hand, planes as long rows."""
        peepholes = () if self.peepholes is None else (self.peepholes,)
        step = ConvolutionalStep(self.hidden, self.size, self.margin, self.peepholes is not None)
        flat = tuple(part.flatten(1) for part in state)
        y, last = run(step, z.flatten(2), lengths, flat, (self.weight_hh, *peepholes))
        plane = (self.hidden, *self.size)
        return y.unflatten(2, plane), tuple(part.unflatten(1, plane) for part in last)  # type: ignore[no-untyped-call]


class ConvolutionalStep:
    """Sums of i, f, g, o over a plane (H R S each). Weights: (4 H, H, *kernel), peepholes (3, H, R, S) where there are some.

    Kept: the gates. Place by place it is the step of an ordinary cell; what recurs is a convolution.
    """

    noted = 0

    def __init__(self, hidden: int, size: tuple[int, int], margin: tuple[int, int], peepholes: bool) -> None:
        self.hidden, self.size, self.margin = hidden, size, margin
        self.kept = 4 * hidden * size[0] * size[1]
        self.rule = PeepholeRule(identity=False) if peepholes else StandardRule()

    def planes(self, rows: Tensor) -> Tensor:
        """(..., C R S) -> (N, C, R, S)."""
        return rows.reshape(-1, rows.shape[-1] // (self.size[0] * self.size[1]), *self.size)

    def ahead(self, z: Tensor, before: Parts, after: Parts, kept: Tensor, weights: Parts) -> None:
        """The convolution, then the rule of the cells."""
        h, c = before
        back = functional.conv2d(self.planes(h), weights[0], padding=self.margin)
        torch.add(z, back.flatten(1), out=kept)
        self.rule.ahead(kept, c, after[1], after[0], weights[-1].flatten(1))

    def back(
        self, kept: Tensor, before: Parts, after: Parts, errors: Parts, dz: Tensor, noted: Tensor, weights: Parts
    ) -> None:
        """Through the cells, and to the neighbours that each of them saw."""
        dh, dc = errors
        self.rule.back(kept, before[1], after[1], dh, dc, dz, weights[-1].flatten(1))
        dh.copy_(functional.conv_transpose2d(self.planes(dz), weights[0], padding=self.margin).flatten(1))

    def gradients(self, kept: Tensor, before: Parts, after: Parts, dz: Tensor, noted: Tensor, weights: Parts) -> Parts:
        """Of the kernels, all steps as one batch, and of the peepholes."""
        seen, errors = self.planes(before[0]), self.planes(dz)
        kernels = conv2d_weight(seen, list(weights[0].shape), errors, padding=self.margin)  # type: ignore[no-untyped-call]
        peepholes = self.rule.errors_of(dz, before[1], after[1])
        return (kernels,) if peepholes is None else (kernels, peepholes.view_as(weights[1]))
