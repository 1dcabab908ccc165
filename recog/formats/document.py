"""A page as transcription formats describe it: regions of lines, each with its outline, its baseline and its text."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Point:
    """A place on the page: x to the right, y downwards, in the page's unit."""

    x: float
    y: float


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
