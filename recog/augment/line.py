"""Changes to the picture of a line: other hands, pens, papers and scans."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageFilter

from recog import image
from recog.augment import paper
from recog.augment.masking import Masking
from recog.augment.passage import Passage
from recog.errors import ConfigError

# What is drawn by chance, in the order in which it happens.
CHANCES = ("bleed", "stroke", "neighbours", "ruled", "erase", "crop", "close", "light", "contrast", "blur", "noise")


@dataclass(frozen=True)
class HandwritingAugment:
    """Other slants, sizes, pens, papers and scans."""

    # Shear along the line, drawn from -slant .. slant (0.3: 17 degrees).
    slant: float = 0.0
    # Rotation in degrees, drawn from -rotation .. rotation.
    rotation: float = 0.0
    # Width and height factors drawn from 1 - stretch .. 1 + stretch.
    stretch: float = 0.0
    # Smaller writing inside the height, at another place in it: factor drawn from 1 - scale .. 1.
    scale: float = 0.0
    # Chance of a line cut to the middle of its letters, as by an outline drawn too tight: paper above and below a strip of it.
    close: float = 0.0
    # Waviness: the corners of a mesh move by up to this many pixels.
    elastic: float = 0.0
    # Chance of a thicker or thinner stroke (a step of grey morphology), and of a blurred scan.
    stroke: float = 0.0
    blur: float = 0.0
    # Chance of paler, darker or duller pictures, and of uneven light.
    contrast: float = 0.0
    light: float = 0.0
    # Chance of printed lines, and of the other side's writing showing through.
    ruled: float = 0.0
    bleed: float = 0.0
    # Chance of small holes in the writing.
    erase: float = 0.0
    # Chance of a line cut too close, and of one with remains of its neighbours.
    crop: float = 0.0
    neighbours: float = 0.0
    # Chance of sensor noise, of up to `noise_level` grey values.
    noise: float = 0.0
    noise_level: float = 12.0
    passage: Passage = Passage()
    masking: Masking = Masking()

    def __post_init__(self) -> None:
        if not 0 <= self.stretch < 0.9 or not 0 <= self.scale < 0.9 or not 0 <= self.rotation < 45:
            raise ConfigError("augment: expected 0 <= stretch < 0.9, 0 <= scale < 0.9 and 0 <= rotation < 45 degrees")
        for name in CHANCES:
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigError(f"augment.{name} is {getattr(self, name)}; a chance lies in 0..1")
        if min(self.slant, self.elastic, self.noise_level) < 0:
            raise ConfigError("augment: slant, elastic and noise_level must not be below 0")


@dataclass(frozen=True)
class Motion:
    """One drawn slant, rotation and size; what makes a line longer or shorter."""

    slant: float
    # Rise over run.
    slope: float
    wide: float
    high: float
    # Where the writing moves to within the height: -1 the top, 1 the bottom, as far as its smaller size leaves room.
    shift: float

    def width(self, width: int, height: int) -> int:
        """The width of a line that was `width` by `height`."""
        return max(1, round((width + abs(self.slant) * height) * self.wide))


def draw_motion(augment: HandwritingAugment, random: np.random.Generator) -> Motion:
    """The first draws for a line."""
    slant = random.uniform(-augment.slant, augment.slant)
    slope = float(np.tan(np.radians(random.uniform(-augment.rotation, augment.rotation))))
    wide, high = (1 + random.uniform(-augment.stretch, augment.stretch, 2)).tolist()
    if not augment.scale:
        return Motion(slant, slope, wide, high, 0.0)
    size = 1 - random.uniform(0, augment.scale)
    return Motion(slant, slope, wide * size, high * size, random.uniform(-1, 1))


def vary_line(
    line: Image.Image,
    augment: HandwritingAugment,
    random: np.random.Generator,
    other: Callable[[], Image.Image] | None = None,
    motion: Motion | None = None,
) -> Image.Image:
    """A grey line as another hand, pen, paper and scanner would have given it; the height stays.

    `other` gives the picture of another row each time, for what shows through and what stands above and below; the line
    itself serves where there is none. `motion` is drawn where it has not been drawn before.
    """
    other = other or line.copy
    line = _move(line, motion or draw_motion(augment, random), int(image.percentiles(line, 70)[0]))
    if augment.elastic:
        line = _wave(line, augment.elastic, random)
    for name in CHANCES:
        chance = getattr(augment, name)
        if chance and random.random() < chance:
            line = _change(name, line, augment, random, other)
    return line


def _change(
    name: str,
    line: Image.Image,
    augment: HandwritingAugment,
    random: np.random.Generator,
    other: Callable[[], Image.Image],
) -> Image.Image:
    if name == "stroke":
        thicker = random.random() < 0.5
        moved = line.filter(ImageFilter.MinFilter(3) if thicker else ImageFilter.MaxFilter(3))
        # Less than a whole step: a stroke of two pixels would be gone after one.
        return Image.blend(line, moved, random.uniform(0.4, 1) if thicker else random.uniform(0.3, 0.7))
    if name == "blur":
        return line.filter(ImageFilter.GaussianBlur(random.uniform(0.3, 1.2)))
    values = np.asarray(line, np.float32)
    if name == "noise":
        level = random.uniform(0, augment.noise_level)
        values = values + random.standard_normal(values.shape, np.float32) * np.float32(level)
    elif name in ("bleed", "neighbours"):
        values = (paper.bleed if name == "bleed" else paper.neighbours)(values, other(), random)
    else:
        values = _ALONE[name](values, random)
    return Image.fromarray(np.clip(values, 0, 255).astype(np.uint8))


_ALONE: dict[str, Callable[[paper.Values, np.random.Generator], paper.Values]] = {
    "ruled": paper.ruled,
    "erase": paper.erase,
    "crop": paper.crop,
    "close": paper.close,
    "light": paper.light,
    "contrast": paper.contrast,
}


def _move(line: Image.Image, motion: Motion, background: int) -> Image.Image:
    """Slant, rotation and size in one affine map (output pixel -> input pixel), drawn on paper colour."""
    margin = abs(motion.slant) * line.height / 2
    width, middle = motion.width(line.width, line.height), line.height / 2
    # Where the middle of the line comes to lie.
    seat = middle + motion.shift * middle * max(0.0, 1 - motion.high)
    # x_in = x_out / wide - margin + slant (y_out - seat);  y_in = slope (x_in - centre) + (y_out - seat) / high + middle
    rise = motion.slope / motion.wide
    return line.transform(
        (width, line.height),
        Image.Transform.AFFINE,
        (
            *(1 / motion.wide, motion.slant, -margin - motion.slant * seat),
            *(rise, 1 / motion.high, middle - seat / motion.high - rise * width / 2),
        ),
        Image.Resampling.BILINEAR,
        fillcolor=background,
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
