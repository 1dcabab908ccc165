"""Gaussian noise on the weights while a gradient is taken (Graves 2011; Graves, Mohamed & Hinton 2013)."""

import contextlib
from collections.abc import Iterator

import torch
from torch import nn


@contextlib.contextmanager
def weight_noise(network: nn.Module, deviation: float) -> Iterator[None]:
    """Within the block every trained weight carries noise of this standard deviation; after it, bit for bit, none.

    The gradient that is taken inside belongs to the noisy weights, the update that follows goes to the clean ones.
    Only matrices and kernels are disturbed: biases and normalisations are few and cannot be learnt by heart with.
    Draws from PyTorch's global generator.
    """
    noisy = [parameter for parameter in network.parameters() if parameter.requires_grad and parameter.ndim > 1]
    clean = [parameter.detach().clone() for parameter in noisy] if deviation else []
    with torch.no_grad():
        for parameter, _ in zip(noisy, clean, strict=False):  # nothing at all without a deviation
            parameter.add_(torch.randn_like(parameter), alpha=deviation)
    try:
        yield
    finally:
        with torch.no_grad():
            for parameter, before in zip(noisy, clean, strict=False):
                parameter.copy_(before)
