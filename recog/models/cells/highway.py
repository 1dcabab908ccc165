"""How a layer joins the stream it reads: a gate that lets each value pass or be replaced."""

import torch
from torch import Tensor, nn


class Highway(nn.Module):
    """y = t * new + (1 - t) * x, t = sigma(W x + b) (Srivastava, Greff & Schmidhuber 2015, equations 2 and 3).

    `new` is what a layer made of x, of the same shape (..., D). b starts below zero, so that a deep stack begins by passing
    its input through; the paper takes -1 to -3 with depth.
    """

    def __init__(self, width: int, bias: float = -1.0) -> None:
        super().__init__()
        self.gate = nn.Linear(width, width)
        nn.init.constant_(self.gate.bias, bias)

    def forward(self, x: Tensor, new: Tensor) -> Tensor:
        """(..., D) and (..., D) -> (..., D)."""
        return torch.lerp(x, new, torch.sigmoid(self.gate(x)).to(new.dtype))
