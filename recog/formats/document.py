"""A page as transcription formats describe it: regions of lines, each with its outline, its baseline and its text."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Point:
    """A place on the page: x to the right, y downwards, in the page's unit."""

    x: float
    y: float


@dataclass(frozen=True)
class Box:
    """The upright rectangle round something."""

    left: float
    top: float
    right: float
    bottom: float

    @property
    def width(self) -> float:
        """From left to right."""
        return self.right - self.left

    @property
    def height(self) -> float:
        """From top to bottom."""
        return self.bottom - self.top

    @property
    def corners(self) -> tuple[Point, Point, Point, Point]:
        """Clockwise from the top left."""
        return (
            Point(self.left, self.top),
            Point(self.right, self.top),
            Point(self.right, self.bottom),
            Point(self.left, self.bottom),
        )


def box_of(points: Iterable[Point]) -> Box:
    """The box round at least one point."""
    found = list(points)
    across, down = [point.x for point in found], [point.y for point in found]
    return Box(min(across), min(down), max(across), max(down))


@dataclass(frozen=True)
class Word:
    """A word of a line. Writers need it to have an outline; readers of lines leave words out."""

    text: str
    polygon: tuple[Point, ...]
    # 0 to 1: how likely it is right; None where nobody says.
    confidence: float | None = None


@dataclass(frozen=True)
class TextLine:
    """One line of writing. A file may give the outline, the baseline, both or neither; what is missing is empty."""

    id: str
    # Corners of the outline, in order round the line.
    polygon: tuple[Point, ...]
    # The line that the letters stand on, in reading direction.
    baseline: tuple[Point, ...]
    # "" where the file has no transcription.
    text: str
    # Words in reading order, for formats that tell where each stands; `text` is theirs with spaces between.
    words: tuple[Word, ...] = ()


@dataclass(frozen=True)
class Region:
    """A block of lines that belong together, in reading order."""

    id: str
    polygon: tuple[Point, ...]
    lines: tuple[TextLine, ...]
    # What the file says the region is, such as "paragraph" or "marginalia"; "" if nothing.
    kind: str = ""
    # The text is turned by so many degrees anticlockwise; 90: it runs up the page.
    degrees: float = 0.0


@dataclass(frozen=True)
class Page:
    """One page. Coordinates are in the unit of `width` and `height`: pixels of the picture that was transcribed."""

    # Name of the picture as the file gives it, often with folders of another machine; "" if it gives none.
    image: str
    # 0 where the file does not tell.
    width: float
    height: float
    # In reading order, where the file tells one.
    regions: tuple[Region, ...]

    @property
    def lines(self) -> tuple[TextLine, ...]:
        """The lines of all regions, in order."""
        return tuple(line for region in self.regions for line in region.lines)
