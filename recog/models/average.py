"""A running average of a network's weights (Polyak & Juditsky 1992; Tarvainen & Valpola 2017)."""

import contextlib
from collections.abc import Iterator

import torch
from torch import Tensor, nn


class Average:
    """Weights and normalisation statistics, averaged over about 1 / (1 - decay) updates."""

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.decay = decay
        self.updates = 0
        self.tensors: dict[str, Tensor] = {
            name: tensor.detach().clone() for name, tensor in network.state_dict().items()
        }

    @torch.no_grad()
    def update(self, network: nn.Module) -> None:
        """Takes in the current weights; early on the window is short, so that the start is soon forgotten."""
        self.updates += 1
        keep = min(self.decay, self.updates / (self.updates + 9))
        for name, tensor in network.state_dict().items():
            if tensor.is_floating_point():
                self.tensors[name].lerp_(tensor, 1 - keep)
            else:
                self.tensors[name].copy_(tensor)

    @contextlib.contextmanager
    def applied(self, network: nn.Module) -> Iterator[None]:
        """Within the block the network has the averaged weights, after it its own again."""
        own = {name: tensor.detach().clone() for name, tensor in network.state_dict().items()}
        network.load_state_dict(self.tensors)
        try:
            yield
        finally:
            network.load_state_dict(own)
