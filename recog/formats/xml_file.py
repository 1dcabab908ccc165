"""XML from strangers: parsed with entities, document types and the network off, and within limits.

A page of a few kilobytes can otherwise ask for gigabytes (entities within entities) or for files of the machine that
reads it (external entities). Formats for transcriptions need neither.
"""

import math
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from recog.errors import InputError
from recog.formats.document import Point

LIMIT_BYTES = 64_000_000
LIMIT_LINES = 20_000
LIMIT_POINTS = 10_000
# Nothing that can be scanned is larger; what claims to be would only overflow.
LIMIT_COORDINATE = 1e6
# What XML 1.0 (section 2.2) cannot hold, not even as a reference.
_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def parse(path: Path) -> Any:
    """The root element (lxml) of a file.

    Refuses what is not well-formed XML, larger than LIMIT_BYTES, or declares entities of its own.
    """
    from lxml import etree

    try:
        size = path.stat().st_size
        if size > LIMIT_BYTES:
            raise InputError(f"{path} has {size} bytes; the limit for XML is {LIMIT_BYTES}")
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
    # Before the parser sees it: attributes would be expanded even with resolve_entities off.
    if any("<!ENTITY".encode(encoding) in content for encoding in ("utf-8", "utf-16-le", "utf-16-be")):
        raise InputError(f"{path} declares entities of its own, which no transcription needs; it is refused")
    try:
        return etree.fromstring(content, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise InputError(f"{path} is not well-formed XML ({' '.join(str(error).split())})") from error


def name(element: Any) -> str:
    """The element's name without its namespace, whichever it is; "" for comments and processing instructions."""
    return element.tag.rpartition("}")[2] if isinstance(element.tag, str) else ""


def children(element: Any, *names: str) -> Iterator[Any]:
    """The elements right below one that have one of the names, in order."""
    return (child for child in element if name(child) in names)


def child(element: Any, *path: str) -> Any:
    """The first element at the end of a path of names, or None."""
    for step in path:
        element = next(children(element, step), None)
        if element is None:
            return None
    return element


def descendants(element: Any, *names: str) -> Iterator[Any]:
    """The elements anywhere below one that have one of the names, in document order."""
    return (found for found in element.iter() if name(found) in names and found is not element)


def where(element: Any, path: Path) -> str:
    """The place of an element, to begin a refusal with."""
    return f"line {element.sourceline} of {path}: {name(element)}"


def number(element: Any, attribute: str, path: Path, default: float | None = None) -> float:
    """An attribute as a finite number; refuses anything else, and, without a default, a missing one."""
    written = element.get(attribute)
    if written is None or not written.strip():
        if default is None:
            raise InputError(f"{where(element, path)} has no {attribute}; expected a number")
        return default
    try:
        value = float(written)
    except ValueError:
        value = math.nan
    if not abs(value) <= LIMIT_COORDINATE:
        raise InputError(f"{where(element, path)} has {attribute} {written[:40]!r}; expected a number")
    return value


def points(element: Any, attribute: str, path: Path) -> tuple[Point, ...]:
    """An attribute of the form "x,y x,y" or "x y x y" as points; refuses odd counts, words, and more than LIMIT_POINTS."""
    written = (element.get(attribute) or "").replace(",", " ").split()
    if len(written) > 2 * LIMIT_POINTS:
        raise InputError(f"{where(element, path)} has {len(written) // 2} points; the limit is {LIMIT_POINTS}")
    try:
        values = [float(value) for value in written]
    except ValueError:
        values = [math.nan]
    if len(values) % 2 or not all(abs(value) <= LIMIT_COORDINATE for value in values):
        shown = (element.get(attribute) or "")[:40]
        raise InputError(f"{where(element, path)} has {attribute} {shown!r}; expected x,y pairs of numbers")
    return tuple(Point(x, y) for x, y in zip(values[::2], values[1::2], strict=True))


def check_lines(count: int, path: Path) -> None:
    """Refuses a page with more lines than any page has."""
    if count > LIMIT_LINES:
        raise InputError(f"{path} holds {count} text lines; the limit is {LIMIT_LINES}")


def text(written: str) -> str:
    """A text as XML can hold it: control characters and halves of surrogates become U+FFFD."""
    return _FORBIDDEN.sub("\ufffd", written)


def dumps(root: Any, doctype: str | None = None) -> bytes:
    """A tree (lxml) as the bytes of a UTF-8 file, indented."""
    from lxml import etree

    etree.indent(root)
    content: bytes = etree.tostring(root, encoding="UTF-8", xml_declaration=True, doctype=doctype)
    return content + b"\n"


def written_points(points: Iterable[Point]) -> str:
    """Points as "x,y x,y" in whole units from 0 on, as schemas ask for."""
    return " ".join(f"{max(0, round(point.x))},{max(0, round(point.y))}" for point in points)
