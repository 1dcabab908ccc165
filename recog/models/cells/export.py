"""A cell as TorchScript: one file that runs sequences of any length without this package.

Every member of the family and the convolutional LSTM go through `script`; `PlaneLSTM` and `MultidimensionalLSTM` go through
torch.jit.script as they are. Of highways and stacks of CTC export the cells. There is no ONNX: its exporter needs packages
that this project does not ask for.
"""

from typing import cast

import torch
from torch import Tensor, nn

from recog.models.cells.cell import Cell, State


class Flat(nn.Module):
    """A step whose state is one matrix (B, S), so that one script fits every cell."""

    def __init__(self, cell: Cell) -> None:
        super().__init__()
        self.cell = cell
        self.shapes = [part.shape[1:] for part in cell.initial(1)]

    def forward(self, x: Tensor, flat: Tensor) -> tuple[Tensor, Tensor]:
        """x (B, F) and the state (B, S) -> y (B, H) and the new state."""
        parts = torch.split(flat, [shape.numel() for shape in self.shapes], dim=1)
        state = tuple(part.reshape(-1, *shape) for part, shape in zip(parts, self.shapes, strict=True))
        y, state = self.cell.step(x, state)
        return y, flatten(state)


class Exported(nn.Module):
    """x (B, T, F), lengths (B,) and a state (B, S) -> y (B, T, H), zero past a length, and the state after each row's end.
    For a cell on a plane F is (C, R, S) and H (H, R, S).

    `begin` (1, S) is the state to begin with, for all rows: `begin.expand(B, -1)`.
    """

    def __init__(self, cell: Cell) -> None:
        super().__init__()
        state = cell.initial(2)
        self.register_buffer("begin", flatten(state)[:1])
        example = cell.zeros(2, *cell.frame)
        # Traced where it is certain: a step has neither loops nor branches that depend on its input.
        self.step = torch.jit.trace(Flat(cell), (example, flatten(state)))  # type: ignore[no-untyped-call]

    def forward(self, x: Tensor, lengths: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """Step by step; a row that has ended keeps its state."""
        found = []
        for step in range(x.shape[1]):
            y, new = self.step(x[:, step], state)
            alive = lengths > step
            state = torch.where(alive.unsqueeze(1), new, state)
            found.append(torch.where(alive.reshape([-1] + [1] * (y.dim() - 1)), y, torch.zeros_like(y)))
        return torch.stack(found, dim=1), state


def flatten(state: State) -> Tensor:
    """Parts (B, ...) -> (B, S)."""
    return torch.cat([part.flatten(1) for part in state], dim=1)


def script(cell: Cell) -> torch.jit.ScriptModule:
    """The cell, as it stands and as in use, as an `Exported` script; save it with `.save`, load it with torch.jit.load."""
    training = cell.training
    with torch.no_grad():
        exported = torch.jit.script(Exported(cell.eval()).eval())
    cell.train(training)
    return cast(torch.jit.ScriptModule, exported)
