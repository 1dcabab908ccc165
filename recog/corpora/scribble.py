"""Lines of text drawn with the font inside Pillow, shaken a little: handwriting enough to learn on."""

import numpy as np
from PIL import Image, ImageDraw, ImageFont


def draw_line(text: str, random: np.random.Generator) -> Image.Image:
    """A line of text as a grey picture; size, slant, spacing, baseline, ink, paper and noise are drawn at random."""
    size = int(random.integers(26, 40))
    font = ImageFont.load_default(size=size)
    ink, paper = int(random.integers(0, 90)), int(random.integers(200, 256))
    spacing, slant = random.uniform(0, 0.08) * size, random.uniform(-0.25, 0.35)
    margin = size // 2
    width = round(sum(font.getlength(character) + spacing for character in text)) + 2 * margin
    line = Image.new("L", (width, round(size * 1.6)), paper)
    pen = ImageDraw.Draw(line)
    x = float(margin)
    for character in text:
        pen.text((x, size * 0.2 + random.normal(0, 0.03 * size)), character, fill=ink, font=font)
        x += font.getlength(character) + spacing
    # x_in = x_out + slant (y_out - middle): a shear about the line's middle, new corners in paper colour.
    shear = (1, slant, -slant * line.height / 2, 0, 1, 0)
    line = line.transform(line.size, Image.Transform.AFFINE, shear, Image.Resampling.BILINEAR, fillcolor=paper)
    values = np.asarray(line, dtype=np.float64) + random.normal(0, random.uniform(0, 12), (line.height, line.width))
    return Image.fromarray(np.clip(values, 0, 255).astype(np.uint8), "L")
