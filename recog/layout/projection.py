"""Lines of a page by projection: level the page, find the rows of ink, give every stroke to its nearest row.

A simple, trained-by-nobody method (after Likforman-Sulem, Zahour & Taconet 2007, section 4.1) for one column of
roughly straight lines.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter
from scipy import ndimage

Array = NDArray[np.float32]
Mask = NDArray[np.bool_]
Places = NDArray[np.float64]

# Work is done on a copy with this long side; more pixels do not move the lines.
WORK_PX = 1400
# Pages are levelled within this many degrees.
STEEPEST_DEGREES = 6.0


@dataclass(frozen=True)
class LinePicture:
    """One line cut from a page, and the way from its pixels back to the page's."""

    # Grey, level, other lines' ink painted over with paper.
    picture: Image.Image
    # Corner of the cut on the levelled page, in pixels of the page as given.
    left: float
    top: float
    # Page pixels per picture pixel.
    scale: float
    # The page was turned by this many degrees (anticlockwise) about its middle.
    degrees: float
    page_width: int
    page_height: int

    def box(self, left: float, top: float, right: float, bottom: float) -> tuple[int, int, int, int]:
        """A box in this picture -> the upright box around it on the page as given, clipped to the page."""
        page_x, page_y = self._on_page([left, right, right, left], [top, top, bottom, bottom])
        return (int(page_x.min()), int(page_y.min()), int(np.ceil(page_x.max())), int(np.ceil(page_y.max())))

    @property
    def polygon(self) -> tuple[tuple[int, int], ...]:
        """The corners of this picture in pixels of the page as given, from the top left one on, clockwise."""
        width, height = self.picture.size
        return _points(*self._on_page([0, width, width, 0], [0, 0, height, height]))

    @property
    def baseline(self) -> tuple[tuple[int, int], ...]:
        """Where the letters stand, in pixels of the page as given, from left to right: a quarter above the bottom."""
        width, height = self.picture.size
        return _points(*self._on_page([0, width], [0.75 * height] * 2))

    def _on_page(self, across: Sequence[float], down: Sequence[float]) -> tuple[Places, Places]:
        x = np.array(across) * self.scale + self.left - self.page_width / 2
        y = np.array(down) * self.scale + self.top - self.page_height / 2
        turn = np.radians(self.degrees)
        page_x = x * np.cos(turn) - y * np.sin(turn) + self.page_width / 2
        page_y = x * np.sin(turn) + y * np.cos(turn) + self.page_height / 2
        return page_x.clip(0, self.page_width), page_y.clip(0, self.page_height)


def _points(x: Places, y: Places) -> tuple[tuple[int, int], ...]:
    return tuple((round(float(across)), round(float(down))) for across, down in zip(x, y, strict=True))


def find_lines(page: Image.Image) -> list[LinePicture]:
    """A grey page -> its lines from top to bottom; empty for a page without writing.

    A picture that is far wider than high, or that holds one row of ink, is a line already and comes back whole.
    """
    if page.width >= 6 * page.height or page.height < 80:
        return [_whole(page)] if ink_mask(page).any() else []
    scale = max(1.0, max(page.size) / WORK_PX)
    small = page.resize((max(1, round(page.width / scale)), max(1, round(page.height / scale))), Image.Resampling.BOX)
    ink = ink_mask(small)
    if not ink.any():
        return []
    degrees = skew(ink)
    level = small.rotate(degrees, Image.Resampling.BILINEAR, fillcolor=_paper(small))
    ink = ink_mask(level)
    rows = find_rows(ink)
    if len(rows) == 0:
        return []
    if len(rows) == 1 and page.width >= 2 * page.height:
        return [_whole(page)]
    lines = []
    for box, foreign in assign_ink(ink, rows):
        left, top, right, bottom = box
        cut = np.asarray(level)[top:bottom, left:right].copy()
        own = ~foreign
        if own.any():
            cut[foreign] = np.percentile(cut[own], 70)
        lines.append(
            LinePicture(Image.fromarray(cut), left * scale, top * scale, scale, degrees, page.width, page.height)
        )
    return lines


def _whole(page: Image.Image) -> LinePicture:
    return LinePicture(page, 0.0, 0.0, 1.0, 0.0, page.width, page.height)


def _paper(page: Image.Image) -> int:
    return int(np.percentile(np.asarray(page), 70))


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
    ink: Mask = (contrast > max(0.15, _otsu(contrast))) & (brightness - grey > 12)
    labels, _ = ndimage.label(ink, structure=np.ones((3, 3)))
    for number, where in enumerate(ndimage.find_objects(labels), start=1):
        high, wide = where[0].stop - where[0].start, where[1].stop - where[1].start
        bar = high > 0.25 * ink.shape[0] and len(ink) > 150
        rule = wide > 0.4 * ink.shape[1] and wide > 25 * high
        if bar or rule or (high < 3 and wide < 3):
            ink[where][labels[where] == number] = False
    return ink


def _otsu(values: Array) -> float:
    """The threshold that parts a histogram into the two most unlike halves (Otsu 1979, equation 12)."""
    counts, edges = np.histogram(values, bins=64, range=(0, 1))
    centres = (edges[:-1] + edges[1:]) / 2
    below = np.cumsum(counts)
    above = below[-1] - below
    sums = np.cumsum(counts * centres)
    between = below * above * (sums / np.maximum(below, 1) - (sums[-1] - sums) / np.maximum(above, 1)) ** 2
    return float(centres[int(np.argmax(between))])


def skew(ink: Mask) -> float:
    """Degrees to turn the page anticlockwise so that its lines lie level: where the row sums are the most uneven."""
    picture = Image.fromarray((ink * 255).astype(np.uint8))
    picture.thumbnail((700, 700), Image.Resampling.BOX)

    def unevenness(degrees: float) -> float:
        rows = np.asarray(picture.rotate(degrees, Image.Resampling.BILINEAR), dtype=np.float32).sum(axis=1)
        return float(np.square(np.diff(rows)).sum())

    coarse = max(np.arange(-STEEPEST_DEGREES, STEEPEST_DEGREES + 0.1, 0.5), key=unevenness)
    best = max(np.arange(coarse - 0.4, coarse + 0.41, 0.1), key=unevenness)
    # Turning costs sharpness: a page that is level within the method's own error is left alone.
    return 0.0 if abs(best) < 0.15 or unevenness(best) < 1.02 * unevenness(0.0) else float(round(best, 2))


def find_rows(ink: Mask) -> NDArray[np.int64]:
    """Rows of pixels about which the lines of writing lie, from top to bottom.

    Ink that lies farther than a line's distance from all of them (a page number, a signature) gets rows of its own.
    """
    pitch = line_pitch(ink.sum(axis=1).astype(np.float32))
    rows = _peaks(ink, pitch)
    if len(rows):
        away = np.abs(np.arange(len(ink))[:, None] - rows).min(axis=1) > 0.9 * pitch
        rows = np.sort(np.concatenate([rows, _peaks(ink & away[:, None], pitch)]))
    return rows


def _peaks(ink: Mask, pitch: float) -> NDArray[np.int64]:
    smooth = ndimage.gaussian_filter1d(ink.sum(axis=1).astype(np.float32), 0.16 * pitch, mode="constant")
    top = np.percentile(smooth[smooth > 0], 95) if (smooth > 0).any() else 0.0
    reach = max(1, round(0.4 * pitch))
    peaks = (smooth == ndimage.maximum_filter1d(smooth, 2 * reach + 1)) & (smooth > 0.08 * top) & (smooth > 1.0)
    return np.flatnonzero(peaks)


def line_pitch(profile: Array) -> float:
    """Distance between lines in pixels: the first strong maximum of the profile's autocorrelation."""
    centred = profile - ndimage.gaussian_filter1d(profile, len(profile) / 8)
    spectrum = np.abs(np.fft.rfft(centred, 2 * len(centred))) ** 2
    correlation = np.fft.irfft(spectrum)[: len(profile) // 2]
    correlation = ndimage.gaussian_filter1d(correlation, 2)
    lowest = max(8, len(profile) // 120)
    peaks = [
        lag
        for lag in range(lowest, len(correlation) - 1)
        if correlation[lag - 1] < correlation[lag] >= correlation[lag + 1] and correlation[lag] > 0
    ]
    if not peaks:
        return max(8.0, len(profile) / 12)
    strongest = max(correlation[lag] for lag in peaks)
    return float(next(lag for lag in peaks if correlation[lag] > 0.6 * strongest))


def assign_ink(ink: Mask, rows: NDArray[np.int64]) -> list[tuple[tuple[int, int, int, int], Mask]]:
    """For each row with ink of its own: its box (left, top, right, bottom) and the mask, in the box, of foreign ink.

    A connected stroke belongs to the row nearest to its middle; one that reaches across several rows is cut half way.
    """
    pitch = float(np.median(np.diff(rows))) if len(rows) > 1 else ink.shape[0] / 2
    borders = np.concatenate(([0], (rows[1:] + rows[:-1]) // 2, [ink.shape[0]]))
    band = np.searchsorted(borders[1:-1], np.arange(ink.shape[0]), side="right")
    labels, count = ndimage.label(ink, structure=np.ones((3, 3)))
    owner = np.zeros(count + 1, dtype=np.int64)
    long = np.zeros(count + 1, dtype=bool)
    for number, where in enumerate(ndimage.find_objects(labels), start=1):
        middle = ndimage.center_of_mass(labels[where] == number)[0] + where[0].start
        owner[number] = int(np.argmin(np.abs(rows - middle)))
        long[number] = where[0].stop - where[0].start > 1.7 * pitch
    owners = np.where(long[labels], band[:, None], owner[labels])
    margin = max(2, round(0.08 * pitch))
    found = []
    for number in range(len(rows)):
        own = ink & (owners == number)
        if own.sum() < 0.05 * pitch**2:
            continue  # specks
        across, down = np.flatnonzero(own.any(axis=0)), np.flatnonzero(own.any(axis=1))
        left, right = max(0, across[0] - margin), min(ink.shape[1], across[-1] + 1 + margin)
        top, bottom = max(0, down[0] - margin), min(ink.shape[0], down[-1] + 1 + margin)
        foreign = (ink & (owners != number))[top:bottom, left:right]
        # The grey fringe of foreign strokes goes with them, that of own strokes stays.
        foreign = ndimage.binary_dilation(foreign, iterations=2) & ~own[top:bottom, left:right]
        found.append(((int(left), int(top), int(right), int(bottom)), foreign))
    return found
