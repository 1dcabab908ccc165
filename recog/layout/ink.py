"""Where there is ink on a picture."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter
from scipy import ndimage

Array = NDArray[np.float32]
Mask = NDArray[np.bool_]


def ink_mask(page: Image.Image) -> Mask:
    """(H, W) true where a pixel is clearly darker than the paper around it; dark borders and bars do not count.

    Shadows are flattened by dividing by the local paper brightness; the threshold is Otsu's (1979), with a floor, so
    that an empty sheet stays empty.
    """
    grey = np.asarray(page, dtype=np.float32)
    tiny = page.resize((max(1, page.width // 8), max(1, page.height // 8)), Image.Resampling.BOX)
    paper = tiny.filter(ImageFilter.MaxFilter(9)).filter(ImageFilter.GaussianBlur(6)).resize(page.size)
    brightness = np.maximum(np.asarray(paper, dtype=np.float32), 1)
    contrast: Array = np.clip(1 - grey / brightness, 0, 1).astype(np.float32)
    # Ink is also darker by a dozen grey values: on nearly black paper noise alone would pass for contrast.
    ink: Mask = (contrast > max(0.15, otsu(contrast))) & (brightness - grey > 12)
    labels, _ = ndimage.label(ink, structure=np.ones((3, 3)))
    for number, where in enumerate(ndimage.find_objects(labels), start=1):
        high, wide = where[0].stop - where[0].start, where[1].stop - where[1].start
        bar = high > 0.25 * ink.shape[0] and len(ink) > 150
        rule = wide > 0.4 * ink.shape[1] and wide > 25 * high
        if bar or rule or (high < 3 and wide < 3):
            ink[where][labels[where] == number] = False
    return ink


def otsu(values: Array) -> float:
    """The threshold that parts a histogram into the two most unlike halves (Otsu 1979, equation 12)."""
    counts, edges = np.histogram(values, bins=64, range=(0, 1))
    centres = (edges[:-1] + edges[1:]) / 2
    below = np.cumsum(counts)
    above = below[-1] - below
    sums = np.cumsum(counts * centres)
    between = below * above * (sums / np.maximum(below, 1) - (sums[-1] - sums) / np.maximum(above, 1)) ** 2
    return float(centres[int(np.argmax(between))])
