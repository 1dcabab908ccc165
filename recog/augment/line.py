"""Changes to the picture of a line: other hands, pens, papers and scans."""

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageFilter

from recog.augment.masking import Masking
from recog.errors import ConfigError


@dataclass(frozen=True)
class HandwritingAugment:
    """Other slants, sizes, pens and scans."""

    # Shear along the line, drawn from -slant .. slant (0.3: 17 degrees).
    slant: float = 0.0
    # Rotation in degrees, drawn from -rotation .. rotation.
    rotation: float = 0.0
    # Width and height factors drawn from 1 - stretch .. 1 + stretch.
    stretch: float = 0.0
    # Waviness: the corners of a mesh move by up to this many pixels.
    elastic: float = 0.0
    # Chance of a thicker or thinner stroke, and of a blurred scan.
    stroke: float = 0.0
    blur: float = 0.0
    # Chance of sensor noise, of up to `noise_level` grey values.
    noise: float = 0.0
    noise_level: float = 12.0
    masking: Masking = Masking()

    def __post_init__(self) -> None:
        if not 0 <= self.stretch < 0.9 or not 0 <= self.rotation < 45:
            raise ConfigError("augment: expected 0 <= stretch < 0.9 and 0 <= rotation < 45 degrees")
        for name in ("stroke", "blur", "noise"):
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigError(f"augment.{name} is {getattr(self, name)}; a chance lies in 0..1")
        if min(self.slant, self.elastic, self.noise_level) < 0:
            raise ConfigError("augment: slant, elastic and noise_level must not be below 0")


def vary_line(line: Image.Image, augment: HandwritingAugment, random: np.random.Generator) -> Image.Image:
    """A grey line as another hand, pen and scanner would have given it; the height stays."""
    paper = int(np.percentile(np.asarray(line), 70))
    line = _move(line, augment, random, paper)
    if augment.elastic:
        line = _wave(line, augment.elastic, random)
    if random.random() < augment.stroke:
        line = line.filter(ImageFilter.MinFilter(3) if random.random() < 0.5 else ImageFilter.MaxFilter(3))
    if random.random() < augment.blur:
        line = line.filter(ImageFilter.GaussianBlur(random.uniform(0.3, 1.2)))
    if random.random() < augment.noise:
        level = random.uniform(0, augment.noise_level)
        values = np.asarray(line) + random.normal(0, level, (line.height, line.width))
        line = Image.fromarray(np.clip(values, 0, 255).astype(np.uint8), "L")
    return line


def _move(line: Image.Image, augment: HandwritingAugment, random: np.random.Generator, paper: int) -> Image.Image:
    """Slant, rotation and stretch in one affine map (output pixel -> input pixel), drawn on paper colour."""
    slant = random.uniform(-augment.slant, augment.slant)
    slope = np.tan(np.radians(random.uniform(-augment.rotation, augment.rotation)))
    wide, high = 1 + random.uniform(-augment.stretch, augment.stretch, 2)
    margin = abs(slant) * line.height / 2
    width = max(1, round((line.width + 2 * margin) * wide))
    middle = line.height / 2
    # x_in = x_out / wide - margin + slant (y_out - middle);  y_in = slope (x_in - centre) + (y_out - middle) / high + middle
    rise = slope / wide
    return line.transform(
        (width, line.height),
        Image.Transform.AFFINE,
        (1 / wide, slant, -margin - slant * middle, rise, 1 / high, middle - middle / high - rise * width / 2),
        Image.Resampling.BILINEAR,
        fillcolor=paper,
    )


def _wave(line: Image.Image, reach: float, random: np.random.Generator, cell: int = 32) -> Image.Image:
    """Elastic change: a mesh over the line whose inner corners move at random (after Simard 2003)."""
    columns = max(1, round(line.width / cell))
    x = np.linspace(0, line.width, columns + 1)
    corners = np.stack(
        [np.stack([x, np.full_like(x, y)], -1) for y in (0, line.height / 2, line.height)]
    )  # (3, columns + 1, 2)
    # Clamped to the picture: beyond it there is only black.
    corners = np.clip(corners + random.uniform(-reach, reach, corners.shape), 0, np.array(line.size))
    mesh = []
    for row in range(2):
        for column in range(columns):
            box = (
                round(x[column]),
                round(row * line.height / 2),
                round(x[column + 1]),
                round((row + 1) * line.height / 2),
            )
            quad = (
                corners[row, column],
                corners[row + 1, column],
                corners[row + 1, column + 1],
                corners[row, column + 1],
            )
            mesh.append((box, tuple(np.concatenate(quad).tolist())))
    return line.transform(line.size, Image.Transform.MESH, mesh, Image.Resampling.BILINEAR)
