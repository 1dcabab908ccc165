"""Weights in 8 bits, for files: half the size of float16, and no text is read otherwise that is not a toss-up.

A matrix keeps whole numbers from -127 to 127, and for each row the step between two of them (symmetric quantisation
by rows, Jacob 2018); what has one dimension, biases for instance, stays float16.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

STEPS = 127
# What the steps of a matrix are called in a file.
SUFFIX = ".step"


def packed(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights of a model by name -> what a file holds of them."""
    found: dict[str, Tensor] = {}
    for name, tensor in weights.items():
        if tensor.ndim != 2:
            found[name] = tensor.half().contiguous()
            continue
        step = (tensor.abs().amax(dim=1) / STEPS).half()
        # A step that rounds to nothing would be divided by: such a row is all but zero.
        parts = tensor / step.float().clamp(min=1e-7)[:, None]
        found[name] = parts.round().clamp(-STEPS, STEPS).to(torch.int8)
        found[name + SUFFIX] = step
    return found


def unpacked(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """What a file holds -> float32 weights by name; counters stay as they are. Refuses (LookupError) a matrix without its steps."""
    return {name: _unpacked(tensors, name) for name in tensors if not name.endswith(SUFFIX)}


def _unpacked(tensors: Mapping[str, Tensor], name: str) -> Tensor:
    tensor = tensors[name]
    if tensor.dtype == torch.int8:
        return tensor.float() * tensors[name + SUFFIX].float()[:, None]
    return tensor.float() if tensor.is_floating_point() else tensor
