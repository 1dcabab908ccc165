"""What every memory cell of the family is: parameters, a state, and a step from one state to the next."""

import math
from collections.abc import Iterable
from typing import cast

import torch
from torch import Tensor, nn

# Tensors with the batch first; what they are is the cell's own affair, but y is never hidden in them alone.
State = tuple[Tensor, ...]


class Cell(nn.Module):
    """One step of a recurrent layer: (x (B, F), state) -> (y (B, H), state).

    A step is cut in two: `project` is what x goes through without any memory, and may take all steps of a sequence at
    once; `advance` is what needs the state. A cell that can run a whole sequence faster than step by step says so in
    `sweep`. All of them are pure: nothing is kept in the module between calls but its parameters.
    """

    def __init__(self, features: int, hidden: int) -> None:
        super().__init__()
        self.features, self.hidden = features, hidden

    @property
    def frame(self) -> tuple[int, ...]:
        """The shape of one step's input: (F,)."""
        return (self.features,)

    def initial(self, batch: int) -> State:
        """The state before the first step, on the device and in the precision of the parameters."""
        raise NotImplementedError

    def project(self, x: Tensor) -> Tensor:
        """(..., F) -> (..., K): the part of a step that depends on the input alone."""
        raise NotImplementedError

    def advance(self, z: Tensor, state: State) -> tuple[Tensor, State]:
        """The rest of a step: (B, K) and the state -> y (B, H) and the new state."""
        raise NotImplementedError

    def step(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """(B, F) and the state -> y (B, H) and the new state."""
        return self.advance(self.project(x), state)

    def sweep(self, z: Tensor, lengths: Tensor, state: State) -> tuple[Tensor, State] | None:
        """The whole of z (B, T, K) faster than step by step: y (B, T, H), undefined past a length, and each row's last state.

        None where the cell knows no faster way for such an input.
        """
        return None

    def zeros(self, batch: int, *shape: int) -> Tensor:
        """A state of zeros (B, *shape)."""
        parameter = next(self.parameters())
        return torch.zeros(batch, *shape, dtype=parameter.dtype, device=parameter.device)


def schedule(lengths: Tensor) -> tuple[Tensor, list[int]]:
    """(B,) lengths -> the rows sorted by length, longest first, and for each step the number of rows that have it."""
    ordered, order = torch.sort(lengths, descending=True, stable=True)
    steps = torch.arange(int(ordered[0]), device=lengths.device)
    return order, (ordered[:, None] > steps).sum(dim=0).tolist()


def blocks(rows: int, columns: int, gates: int = 1) -> nn.Parameter:
    """An empty (gates * rows, columns) matrix: `gates` of them, one under the other."""
    return nn.Parameter(torch.empty(gates * rows, columns))


@torch.no_grad()
def start(recurrent: Iterable[tuple[Tensor, int]], inputs: Iterable[Tensor], biases: Iterable[Tensor]) -> None:
    """Orthogonal recurrence gate by gate (Saxe 2014), uniform inputs (Glorot 2010), biases of zero."""
    for matrix, gates in recurrent:
        for gate in matrix.chunk(gates):
            nn.init.orthogonal_(gate)
    for matrix in inputs:
        nn.init.xavier_uniform_(matrix)
    for bias in biases:
        bias.zero_()


def small(parameter: nn.Parameter) -> nn.Parameter:
    """The parameter filled as nn.LSTM fills its own: uniform within 1 / sqrt(H), H the last dimension."""
    bound = 1 / math.sqrt(parameter.shape[-1])
    return cast(nn.Parameter, nn.init.uniform_(parameter, -bound, bound))
