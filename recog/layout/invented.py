"""Pages that nobody wrote, for the segmenter to learn from: drawn text in columns, and pictures without any writing."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from recog.layout.marked import Course, resample

Random = np.random.Generator
Grey = NDArray[np.float64]

_LETTERS = "eeeeaaaiiioooutttnnnsssrrrllldddmmccpphhbgfvyqjxkwzESTLMAC0123456789"


@dataclass(frozen=True)
class Invented:
    """A grey picture and the lines that were drawn on it."""

    picture: Image.Image
    lines: tuple[Course, ...]


def drawn(size: int, random: Random) -> Invented:
    """A square of drawn text in the font inside Pillow: one to three columns, lines of any length, ink on paper."""
    paper, letters = (
        int(random.integers(120, 256)),
        int(random.integers(22, 44)),
    )  # no small print: it is no handwriting
    picture = Image.new("L", (size, size), paper)
    pen, font = ImageDraw.Draw(picture), ImageFont.load_default(letters)
    ink = max(0, paper - int(random.integers(60, 230)))
    pitch, columns = letters * random.uniform(1.15, 2.4), int(random.integers(1, 4))
    lines, margin = [], letters * random.uniform(0.5, 2.0)
    width = (size - margin * (columns + 1)) / columns
    if random.random() < 0.3:
        ruled(picture, paper - 25, pitch, random.random() < 0.4)
    for column in range(columns):
        left, y = margin + column * (width + margin), random.uniform(0, 3) * pitch
        while y < size and width > 2 * letters:
            y += pitch * (1.0 if random.random() < 0.85 else random.uniform(1.3, 4.0))
            x = left + (random.uniform(0, 0.6) * width if random.random() < 0.3 else 0)
            text = sentence((left + width - x) * random.uniform(0.2, 1.0) / (0.55 * letters), random)
            end = x + font.getlength(text)
            if end > left + width + margin / 2:
                continue
            pen.text((x, y), text, fill=ink, font=font, anchor="ls")
            points = resample(np.array([[x, y], [end, y]]), 6.0)
            reach = np.full(len(points), 1.0)
            lines.append(Course(points, 0.85 * letters * reach, 0.25 * letters * reach))
    return Invented(picture, tuple(lines))


def sentence(letters: float, random: Random) -> str:
    """Words of drawn letters, about so many letters together, at least one."""
    words: list[str] = []
    while not words or sum(map(len, words)) + len(words) < letters:
        words.append("".join(random.choice(list(_LETTERS), int(random.integers(1, 9)))))
    return " ".join(words)


def ruled(picture: Image.Image, grey: int, pitch: float, squared: bool) -> None:
    """Draws the rules of writing paper onto a picture, `pitch` pixels apart."""
    pen = ImageDraw.Draw(picture)
    for number in range(1, int(max(picture.size) / pitch) + 1):
        place = number * pitch
        pen.line([(0, place), (picture.width, place)], fill=grey)
        if squared:
            pen.line([(place, 0), (place, picture.height)], fill=grey)


def empty(size: int, random: Random) -> Image.Image:
    """A square without writing: blank or ruled paper, a cloudy or cut-out "photograph", a pattern, specks of print."""
    kind = int(random.integers(0, 6))
    if kind == 0:
        values = np.full((size, size), random.uniform(10, 255)) + random.normal(0, random.uniform(0, 12), (size, size))
    elif kind == 1:
        values = clouds(size, random)
    elif kind == 2:
        values = _shapes(clouds(size, random), random)
    elif kind == 3:
        values = _pattern(size, random)
    elif kind == 4:
        values = _specks(size, random)
    else:
        paper = Image.new("L", (size, size), int(random.integers(150, 256)))
        ruled(paper, int(random.integers(40, 200)), random.uniform(8, 70), random.random() < 0.5)
        values = np.asarray(paper, dtype=np.float64)
    if random.random() < 0.4:
        values = values * (0.4 + 0.6 * clouds(size, random) / 255)
    return Image.fromarray(np.clip(values, 0, 255).astype(np.uint8))


def clouds(size: int, random: Random) -> Grey:
    """(size, size) grey values of smooth noise of several scales, as out-of-focus photographs have."""
    total, roughness = np.zeros((size, size)), random.uniform(0.3, 0.9)
    for octave in range(1, int(random.integers(3, 9))):
        cells = 2**octave + 1
        noise = Image.fromarray(random.normal(0, roughness**octave, (cells, cells)).astype(np.float32), mode="F")
        total += np.asarray(noise.resize((size, size), Image.Resampling.BICUBIC), dtype=np.float64)
    span = max(float(np.ptp(total)), 1e-9)
    low, high = np.sort(random.uniform(0, 255, 2))
    values: Grey = low + (total - total.min()) / span * (high - low)
    return values


def _shapes(values: Grey, random: Random) -> Grey:
    picture = Image.fromarray(np.clip(values, 0, 255).astype(np.uint8))
    pen = ImageDraw.Draw(picture)
    for _ in range(int(random.integers(2, 60))):
        grey, width = int(random.integers(0, 256)), int(random.integers(1, 12))
        middle, reach = random.uniform(0, picture.width, 2), picture.width * random.uniform(0.01, 0.5) ** 1.5
        box = [*(middle - reach * random.uniform(0.2, 1, 2)), *(middle + reach * random.uniform(0.2, 1, 2))]
        draw = (pen.ellipse, pen.rectangle)[int(random.integers(0, 2))]
        if random.random() < 0.4:
            pen.line([tuple(point) for point in random.uniform(0, picture.width, (4, 2))], fill=grey, width=width)
        elif random.random() < 0.5:
            draw(box, fill=grey)
        else:
            draw(box, outline=grey, width=width)
    return np.asarray(picture, dtype=np.float64)


def _pattern(size: int, random: Random) -> Grey:
    """Waves, checks or dots that repeat, turned by any angle."""
    angle, period = random.uniform(0, np.pi), random.uniform(4, 90, 2)
    y, x = np.mgrid[:size, :size]
    u, v = x * np.cos(angle) + y * np.sin(angle), -x * np.sin(angle) + y * np.cos(angle)
    first, second = np.sin(2 * np.pi * u / period[0]), np.sin(2 * np.pi * v / period[1])
    wave = (first, first * second, np.minimum(first, second), first + second)[int(random.integers(0, 4))]
    if random.random() < 0.5:
        wave = np.sign(wave - random.uniform(-0.6, 0.9))
    low, high = np.sort(random.uniform(0, 255, 2))
    values: Grey = low + (wave + 2) / 4 * (high - low)
    return values


def _specks(size: int, random: Random) -> Grey:
    """Specks of toner or dust on paper, all over or in patches."""
    grain = int(random.integers(1, 5))
    cells = -(-size // grain)
    share = random.uniform(0.001, 0.3) * (clouds(cells, random) / 255 if random.random() < 0.5 else 1.0)
    dark = np.kron(random.random((cells, cells)) < share, np.ones((grain, grain)))[:size, :size]
    paper = random.uniform(150, 255)
    values: Grey = (paper - dark * random.uniform(40, paper)).astype(np.float64)
    return values
