"""Cells that walk over what the convolutions see, over time and over features, in a recogniser's network."""

from typing import cast

import torch
from torch import Tensor, nn

from recog.errors import ConfigError
from recog.models.cells.convolutional import ConvLSTM
from recog.models.cells.plane import MultidimensionalLSTM
from recog.models.cells.scan import scan

# "" is none of them.
KINDS = ("", "multidimensional", "convolutional")


class PictureStep(nn.Module):
    """x + spread(cells(x)) on a picture (B, C, T, R), R rows of features at each of T steps; zero past a length.

    "multidimensional": four directions over the plane (Graves & Schmidhuber 2009); "convolutional": a column at a time,
    ahead and back, each row seeing its neighbours (Shi 2015), peepholes tied to the R rows. `hidden` channels a
    direction. Each picture is read as if it were alone. Refuses other kinds (`checked`).
    """

    def __init__(self, kind: str, channels: int, rows: int, hidden: int) -> None:
        super().__init__()
        self.kind = checked(kind)
        if kind == "multidimensional":
            self.plane = MultidimensionalLSTM(channels, hidden)
        else:
            self.ahead, self.back = (ConvLSTM(channels, hidden, (rows, 1), (3, 1)) for _ in range(2))
        self.spread = nn.Linear((4 if kind == "multidimensional" else 2) * hidden, channels)

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        """(B, C, T, R), (B,) -> (B, C, T, R)."""
        with torch.autocast(x.device.type, enabled=False):
            precise = x.to(self.spread.weight.dtype)
            if self.kind == "multidimensional":
                found = cast(Tensor, self.plane(precise.permute(0, 2, 3, 1), lengths))
            else:
                columns = precise.permute(0, 2, 1, 3)[..., None]  # (B, T, C, R, 1)
                both = [scan(self.ahead, columns, lengths)[0], scan(self.back, columns, lengths, reverse=True)[0]]
                found = torch.cat(both, dim=2)[..., 0].permute(0, 1, 3, 2)
            # Past a length the spread's bias alone would stand.
            alive = (torch.arange(x.shape[2], device=x.device) < lengths[:, None])[:, None, :, None]
            said: Tensor = self.spread(found).permute(0, 3, 1, 2) * alive
        return x + said.to(x.dtype)


def checked(kind: str) -> str:
    """The kind, if there is such a one."""
    if kind not in KINDS:
        raise ConfigError(f"network.plane is {kind!r}; expected one of {', '.join(map(repr, KINDS))}")
    return kind
