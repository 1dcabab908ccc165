"""The two layers recognisers are made of: a masked convolution and a bidirectional LSTM for mixed lengths.

Both give every sequence of a batch the result it would have had alone (padding never leaks in), and both map lengths.
"""

from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

from recog.models import packed, staircase


def length_mask(lengths: Tensor, steps: int) -> Tensor:
    """(B,) lengths -> (B, steps) bool, true where a step exists."""
    return torch.arange(steps, device=lengths.device) < lengths[:, None]


class Convolution(nn.Module):
    """3x3 convolution, batch normalisation, ReLU, residual blocks, dropout on (B, C, F, T); F and T shrink to ceil(F / stride).

    Time comes last, where the kernels of CPUs expect the long side: they learn in half the time that a few features there take.

    Steps past the true length are zeroed on the way out of each, so the next layer sees the same zeros
    that its own border padding would have given to the sequence alone.
    """

    def __init__(
        self, channels_in: int, channels_out: int, stride: tuple[int, int], dropout: float, residuals: int = 0
    ) -> None:
        super().__init__()
        self.stride_time, self.stride_features = stride
        self.convolve = Picturewise(channels_in, channels_out, (self.stride_features, self.stride_time))
        self.normalise = nn.BatchNorm2d(channels_out)
        self.residuals = nn.ModuleList(ResidualConvolution(channels_out) for _ in range(residuals))
        # Whole feature maps are dropped: neighbouring pixels are too alike for single zeros to matter.
        self.dropout = nn.Dropout2d(dropout)

    def forward(self, x: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """(B, C, F, T), (B,) -> (B, C', ceil(F / stride), ceil(T / stride)), new lengths."""
        # A picture of one channel lies in memory either way, so the first convolution would choose channels first, and all
        # behind it follow: a tenth slower.
        x = self.convolve(x).contiguous(memory_format=torch.channels_last)
        lengths = self.map_lengths(lengths)
        x = rectified(self.normalise(x), lengths)
        for residual in self.residuals:
            x = residual(x, lengths)
        return self.dropout(x), lengths

    def map_lengths(self, lengths: Tensor) -> Tensor:
        """The output length of each input length: ceil(length / stride)."""
        return torch.div(lengths + self.stride_time - 1, self.stride_time, rounding_mode="floor")


class Picturewise(nn.Conv2d):
    """3x3 convolution without a bias over (B, C, F, T), its strides those of (F, T); the kernels are kept as (C', C, time, features)."""

    def __init__(self, channels_in: int, channels_out: int, stride: tuple[int, int] = (1, 1)) -> None:
        super().__init__(channels_in, channels_out, 3, stride=stride, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, F, T) -> (B, C', ceil(F / stride), ceil(T / stride))."""
        return functional.conv2d(x, self.weight.transpose(2, 3), stride=self.stride, padding=1)


class ResidualConvolution(nn.Module):
    """Two 3x3 convolutions with batch normalisation, added to what came: relu(x + f(x)) (He 2016).

    It begins as nothing: the last scale is 0 (Goyal 2017), so a network that reads already may be given more of them
    and says at first what it said before, since what comes is a ReLU's and not below 0.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = Picturewise(channels, channels)
        self.normalise_first = nn.BatchNorm2d(channels)
        self.second = Picturewise(channels, channels)
        self.normalise_second = nn.BatchNorm2d(channels)
        nn.init.zeros_(self.normalise_second.weight)

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        """(B, C, F, T) with zeros past the lengths (B,) -> the same."""
        y = rectified(self.normalise_first(self.first(x)), lengths)
        return rectified(x + self.normalise_second(self.second(y)), lengths)


def rectified(x: Tensor, lengths: Tensor) -> Tensor:
    """(B, C, F, T), (B,) -> max(x, 0), and 0 past each length, in the memory of x: its maker must not need its values any more.

    A ReLU that knows the lengths needs no mask on the way back: nothing goes through its zeros.
    """
    return cast(Tensor, _Rectified.apply(x, lengths))  # type: ignore[no-untyped-call]


class _Rectified(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, lengths: Tensor) -> Tensor:
        x.relu_()
        if x.device.type == "cpu":  # the padding alone is written; a GPU would wait for the lengths
            for row, end in zip(x, lengths.tolist(), strict=True):
                row[..., end:] = 0
        else:
            x.mul_(length_mask(lengths, x.shape[3])[:, None, None].to(x.dtype))
        ctx.mark_dirty(x)
        ctx.save_for_backward(x)
        return x

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor, None]:
        (y,) = ctx.saved_tensors
        # What comes from above may lie in memory otherwise than the picture did; every pass further down would jump about in it.
        dy = dy.contiguous(memory_format=torch.channels_last)
        return torch.ops.aten.threshold_backward(dy, y, 0), None


class Dropout(nn.Dropout):
    """Dropout (Srivastava 2014) that takes a fifth of the time on a CPU, where PyTorch draws its zeros one by one."""

    def forward(self, x: Tensor) -> Tensor:
        """Any shape -> the same; in use, or with a share of 0, untouched."""
        if not self.training or not self.p or x.device.type != "cpu":
            return super().forward(x)
        keep = 1 - self.p
        kept = torch.rand(x.shape) < keep
        return x * (kept.to(x.dtype) / keep)


class LockedDropout(nn.Module):
    """Dropout on (B, T, F) whose mask is the same at every step of a sequence, and another for each sequence.

    Variational dropout between layers (Gal & Ghahramani 2016), "locked" by Merity 2018: a cell that is missing is missing
    from the whole sequence, so that the layer above cannot read it off the neighbouring steps.
    """

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, F) -> the same; in use, or with a share of 0, untouched."""
        if not self.training or not self.share:
            return x
        keep = 1 - self.share
        mask = torch.empty(x.shape[0], 1, x.shape[2], dtype=x.dtype, device=x.device).bernoulli_(keep)
        return x * (mask / keep)

    def extra_repr(self) -> str:
        """As nn.Dropout shows itself."""
        return f"share={self.share}"


def reverse_within_lengths(x: Tensor, lengths: Tensor) -> Tensor:
    """(B, T, H) with the first lengths[b] steps of each row in reverse order, the padding left in place."""
    steps = torch.arange(x.shape[1], device=x.device)[None, :]
    index = torch.where(steps < lengths[:, None], lengths[:, None] - 1 - steps, steps)
    return x.gather(1, index[:, :, None].expand_as(x))


class BidirectionalLSTM(nn.Module):
    """One bidirectional LSTM layer (Hochreiter & Schmidhuber 1997; forget gates: Gers 2000; both directions:
    Graves & Schmidhuber 2005), (B, T, F) -> (B, T, 2 H).

    Two one-way LSTMs, the second over the sequence reversed within its true length. This equals
    `pack_padded_sequence` exactly and keeps the fused kernels (oneDNN on a CPU, cuDNN on a GPU), which packing
    loses on a CPU, where it is eight times slower; there, time without a row left to read is not computed either,
    and training goes through frames packed step by step (`recog.models.packed`).
    """

    def __init__(self, features: int, hidden: int) -> None:
        super().__init__()
        self.ahead = nn.LSTM(features, hidden, batch_first=True)
        self.back = nn.LSTM(features, hidden, batch_first=True)
        for lstm in (self.ahead, self.back):
            start_gates(lstm)

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        """x (B, T, F), lengths (B,); what lies past a length in the result is undefined."""
        if x.device.type == "cpu":
            learning = torch.is_grad_enabled() and packed.able(x)
            both = packed.both if learning else staircase.both
            return both(self.ahead, self.back, x, lengths)
        ahead, back = self.ahead(x)[0], self.back(reverse_within_lengths(x, lengths))[0]
        return torch.cat([ahead, reverse_within_lengths(back, lengths)], dim=2)


@torch.no_grad()
def start_gates(lstm: nn.LSTM) -> None:
    """Orthogonal recurrence and a forget bias of 1, so that memory starts by keeping (Gers 2000; Jozefowicz 2015)."""
    hidden = lstm.hidden_size
    for name, parameter in lstm.named_parameters():
        if name.startswith("weight_hh"):
            for gate in parameter.view(4, hidden, hidden):
                nn.init.orthogonal_(gate)
        elif name.startswith("weight_ih"):
            nn.init.xavier_uniform_(parameter)
        else:
            parameter.zero_()
            if name.startswith("bias_ih"):
                parameter[hidden : 2 * hidden] = 1.0
