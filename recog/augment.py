"""Changes made to training samples only. Every random draw comes from the generator passed in, so a seed repeats them."""

from dataclasses import dataclass, replace

import numpy as np
from PIL import Image, ImageFilter
from torch import Tensor

from recog.audio import SpeechFrontend
from recog.errors import ConfigError


@dataclass(frozen=True)
class Masking:
    """SpecAugment (Park 2019): stretches of features or time set to 0, the mean."""

    # Masks across the features, each 0..feature_width wide.
    feature_masks: int = 0
    feature_width: int = 0
    # Masks along time: one for every `time_every` steps (0: none), each 0..time_width long.
    time_every: int = 0
    time_width: int = 0
    # First epoch that masks, counted from 0: a network that knows nothing yet learns faster unmasked.
    from_epoch: int = 0

    def __post_init__(self) -> None:
        if min(self.feature_masks, self.feature_width, self.time_every, self.time_width, self.from_epoch) < 0:
            raise ConfigError("augment.masking: no number may be below 0")


@dataclass(frozen=True)
class SpeechAugment:
    """Other tempos, other vocal tracts: both are other analysis settings, so they cost nothing."""

    # Tempo factor drawn from 1 - tempo .. 1 + tempo: the hop grows or shrinks.
    tempo: float = 0.0
    # Vocal tract factor drawn from 1 - warp .. 1 + warp: the mel corners move (Jaitly & Hinton 2013).
    warp: float = 0.0
    masking: Masking = Masking()

    def __post_init__(self) -> None:
        if not (0 <= self.tempo < 0.9 and 0 <= self.warp < 0.9):
            raise ConfigError(f"augment: tempo {self.tempo} and warp {self.warp} must lie in 0..0.9, 0.9 not included")


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


def vary_voice(frontend: SpeechFrontend, augment: SpeechAugment, random: np.random.Generator) -> SpeechFrontend:
    """The same frontend as if the speaker were faster or slower and larger or smaller (steps of 1 %)."""
    tempo = 1 + round(random.uniform(-augment.tempo, augment.tempo), 2)
    warp = 1 + round(random.uniform(-augment.warp, augment.warp), 2)
    return replace(frontend, hop_seconds=frontend.hop_seconds * tempo, warp=frontend.warp * warp)


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


def mask(x: Tensor, masking: Masking, epoch: int, random: np.random.Generator) -> Tensor:
    """(T, F) with random stretches zeroed, in place; short samples get fewer time masks."""
    if epoch < masking.from_epoch:
        return x
    steps, features = x.shape
    for _ in range(masking.feature_masks):
        width = int(random.integers(0, masking.feature_width + 1))
        start = int(random.integers(0, max(1, features - width)))
        x[:, start : start + width] = 0
    for _ in range(round(steps / masking.time_every) if masking.time_every else 0):
        width = int(random.integers(0, masking.time_width + 1))
        start = int(random.integers(0, max(1, steps - width)))
        x[start : start + width] = 0
    return x
