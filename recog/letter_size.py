"""The size of letters, brought to the one a network is used to: lines of small writing are made larger about their middle, and
those cut out of large writing smaller.

How high a line was cut says little of how large its letters are; how many columns each takes says it well. When a network
is trained its texts tell how many letters there are, later its own first glance does.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from recog.image import percentiles

# So many letters of the wanted size are counted with those there are: "I" and "my" alone tell little of how large they are.
PRIOR_LETTERS = 3
# Sizes between these shares of the wanted one stay as they are, and none is changed by more than these factors: an outline
# drawn too tight may leave a quarter of a line's height, and four times as large then is what is left of its letters.
NEAR = (0.85, 1.2)
BOUNDS = (0.15, 1.6)
# Less ink than this, of 0 to 1, is paper.
PAPER = 0.1


def zoom(columns: int, letters: int, wanted: float) -> float:
    """What a line of so many columns and letters is scaled by, so that a letter takes `wanted` columns; 1 where it stays as it is."""
    if letters < 1 or wanted <= 0:
        return 1.0
    share = (columns / wanted + PRIOR_LETTERS) / (letters + PRIOR_LETTERS)
    return 1.0 if NEAR[0] <= share <= NEAR[1] else min(BOUNDS[1], max(BOUNDS[0], 1 / share))


def zoomed(features: Tensor, scale: float) -> Tensor:
    """(T, F) features of a line, ink 1 and paper 0 -> (T scale, F): as they were with letters so many times as large."""
    if scale == 1:
        return features
    columns = np.ascontiguousarray(features.numpy().T, np.float32)
    seen = _about_the_middle(Image.fromarray(columns), columns, scale, 0.0)
    return torch.from_numpy(np.ascontiguousarray(np.asarray(seen, np.float32).T))


def sized(features: Tensor, letters: int, wanted: float) -> Tensor:
    """(T, F) features of a line of so many letters -> as they were if each took `wanted` columns on average (0: as they are)."""
    return zoomed(features, zoom(len(features), letters, wanted))


def redrawn(line: Image.Image, scale: float) -> Image.Image:
    """The grey picture of a line with letters so many times as large; its height stays."""
    if scale == 1:
        return line
    ink, paper = percentiles(line, 1, 70)
    share = (paper - np.asarray(line, np.float32)) / max(paper - ink, 32.0)
    return _about_the_middle(line, share, scale, int(paper))


def _about_the_middle(line: Image.Image, ink: NDArray[np.float32], scale: float, fill: float) -> Image.Image:
    """A larger line is seen about the rows its ink is in, as far as it has rows; a smaller one stands in the middle."""
    height, rows = line.height, np.clip(ink - PAPER, 0, None).sum(axis=1)
    middle = height / 2
    if scale > 1 and rows.sum() > 0:
        reach = height / scale / 2
        middle = float(np.clip(rows @ (np.arange(height) + 0.5) / rows.sum(), reach, height - reach))
    size = max(1, round(line.width * scale)), height
    box = (1 / scale, 0, 0, 0, 1 / scale, middle - height / scale / 2)
    return line.transform(size, Image.Transform.AFFINE, box, Image.Resampling.BICUBIC, fillcolor=fill)
