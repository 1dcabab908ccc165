"""Searchable PDF: the picture of each page with its words over it, invisible, to be found, marked and copied.

The text is drawn in mode 3, neither filled nor stroked (ISO 32000-1, 9.3.6), in a font of one glyph without any area,
which is made here: every character has a code of its own, and the code's meaning stands in the font's ToUnicode map
(9.10.3). Words are stretched to the width of their places and stand on their line's baseline, however it is turned.
"""

import math
import struct
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import BinaryIO

import numpy as np

from recog.formats.document import Box, Page, Point, TextLine, box_of

# Every glyph is half as wide as high, in units of 1000 to the height.
ADVANCE, EM = 500, 1000
# Objects that every file has; the others are counted on from here.
CATALOG, PAGES, INFO, FONT, DESCENDANT, DESCRIPTOR, FONT_FILE, TO_UNICODE, GLYPHS = range(1, 10)


@dataclass(frozen=True)
class Jpeg:
    """A picture as JPEG, in pixels."""

    content: bytes
    width: int
    height: int
    # Whether it is "DeviceGray", else "DeviceRGB".
    grey: bool


@dataclass(frozen=True)
class Sheet:
    """A page of the file: its words, in pixels of `page`, its picture if it shows one, its size in points of 1/72 inch."""

    page: Page
    width: float
    height: float
    picture: Jpeg | None = None


def write(stream: BinaryIO, sheets: Iterable[Sheet], title: str, creator: str) -> None:
    """Writes a file, sheet by sheet: no more than one picture is held at a time."""
    _Writer(stream).write(sheets, title, creator)


class _Writer:
    def __init__(self, stream: BinaryIO) -> None:
        self.stream = stream
        self.position = 0
        # Where each object begins, by its number.
        self.offsets: dict[int, int] = {}
        self.next = GLYPHS + 1
        # Character -> its code in the font, from 1 on in the order of their first use.
        self.codes: dict[str, int] = {}

    def write(self, sheets: Iterable[Sheet], title: str, creator: str) -> None:
        self._put(b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n")  # bytes above 127: tools that copy it take it for no text
        pages = [self._write_sheet(sheet) for sheet in sheets]
        kids = b" ".join(b"%d 0 R" % page for page in pages)
        self._object(CATALOG, b"<</Type/Catalog/Pages %d 0 R>>" % PAGES)
        self._object(PAGES, b"<</Type/Pages/Kids[%s]/Count %d>>" % (kids, len(pages)))
        moment = datetime.now(UTC).strftime("D:%Y%m%d%H%M%SZ").encode()
        names = (_string(title), _string(creator), moment)
        self._object(INFO, b"<</Title %s/Producer %s/CreationDate(%s)>>" % names)
        self._write_font()
        self._finish()

    def _write_sheet(self, sheet: Sheet) -> int:
        """A page with its content and picture; gives the page's number."""
        page, content, picture = self._number(), self._number(), self._number() if sheet.picture else 0
        drawn = b"q %.2f 0 0 %.2f 0 0 cm /Scan Do Q\n" % (sheet.width, sheet.height) if sheet.picture else b""
        self._stream(content, drawn + self._text(sheet))
        shown = b"/XObject<</Scan %d 0 R>>" % picture if sheet.picture else b""
        self._object(
            page,
            b"<</Type/Page/Parent %d 0 R/MediaBox[0 0 %.2f %.2f]/Contents %d 0 R/Resources<</Font<</Text %d 0 R>>%s>>>>"
            % (PAGES, sheet.width, sheet.height, content, FONT, shown),
        )
        if sheet.picture:
            colours = b"DeviceGray" if sheet.picture.grey else b"DeviceRGB"
            about = (
                b"/Type/XObject/Subtype/Image/Width %d/Height %d/ColorSpace/%s/BitsPerComponent 8/Filter/DCTDecode"
                % (
                    sheet.picture.width,
                    sheet.picture.height,
                    colours,
                )
            )
            self._stream(picture, sheet.picture.content, about)
        return page

    def _text(self, sheet: Sheet) -> bytes:
        """The words of a page as text operators, line by line in reading order."""
        across, down = sheet.width / sheet.page.width, sheet.height / sheet.page.height
        pieces = [b"BT 3 Tr\n"]
        for line in sheet.page.lines:
            words = [(word.text, box_of(word.polygon)) for word in line.words if word.text]
            words = words or [(line.text, box_of(line.polygon))]
            base = _Base(line)
            high = max(float(np.median([base.thickness(box) for _, box in words])) * down, 1.0)
            start, spans = base.place([box for _, box in words])
            # One text object a line, or readers take a skewed line for many: all glyphs are as wide as the widest
            # needed, and after each one goes back to where the next one stands.
            wide = max(max(span.length / len(text) for (text, _), span in zip(words, spans, strict=True)), 1e-3)
            stretch = 100 * wide * across / (high * ADVANCE / EM)
            cos, sin = base.direction
            pieces.append(
                b"/Text %.2f Tf %.3f Tz %.5f %.5f %.5f %.5f %.2f %.2f Tm ["
                % (high, stretch, cos, -sin, sin, cos, start.x * across, sheet.height - start.y * down)
            )
            for (text, _), span, after in zip(words, spans, [*spans[1:], None], strict=True):
                step = span.length / len(text)
                pieces += [b"<%s>%d" % (self._coded(one), round(ADVANCE * (1 - step / wide))) for one in text]
                if after:  # a space fills what is left up to the next word
                    gap = max(after.start - span.start - span.length, 0.0)
                    pieces.append(b"<%s>%d" % (self._coded(" "), round(ADVANCE * (1 - gap / wide))))
            pieces.append(b"]TJ\n")
        return b"".join([*pieces, b"ET\n"])

    def _coded(self, text: str) -> bytes:
        codes = []
        for character in text:
            if character not in self.codes and len(self.codes) >= 0xFFFE:
                character = "\ufffd"  # more characters than a font has codes: not in any writing
            codes.append(self.codes.setdefault(character, len(self.codes) + 1))
        return b"".join(b"%04X" % code for code in codes)

    def _write_font(self) -> None:
        name = b"/BaseFont/Invisible"
        self._object(
            FONT,
            b"<</Type/Font/Subtype/Type0%s/Encoding/Identity-H/DescendantFonts[%d 0 R]/ToUnicode %d 0 R>>"
            % (name, DESCENDANT, TO_UNICODE),
        )
        self._object(
            DESCENDANT,
            b"<</Type/Font/Subtype/CIDFontType2%s/CIDSystemInfo<</Registry(Adobe)/Ordering(Identity)/Supplement 0>>"
            b"/FontDescriptor %d 0 R/DW %d/CIDToGIDMap %d 0 R>>" % (name, DESCRIPTOR, ADVANCE, GLYPHS),
        )
        self._object(
            DESCRIPTOR,
            b"<</Type/FontDescriptor/FontName/Invisible/Flags 4/FontBBox[0 0 %d %d]/ItalicAngle 0/Ascent 800/Descent -200"
            b"/CapHeight 700/StemV 80/FontFile2 %d 0 R>>" % (ADVANCE, EM, FONT_FILE),
        )
        font = _font()
        self._stream(FONT_FILE, font, b"/Length1 %d" % len(font))
        self._stream(GLYPHS, bytes(2 * (len(self.codes) + 1)))  # all codes show glyph 0
        self._stream(TO_UNICODE, _to_unicode(self.codes))

    def _finish(self) -> None:
        start = self.position
        self._put(b"xref\n0 %d\n0000000000 65535 f \n" % self.next)
        self._put(b"".join(b"%010d 00000 n \n" % self.offsets[number] for number in range(1, self.next)))
        trailer = b"trailer\n<</Size %d/Root %d 0 R/Info %d 0 R>>\nstartxref\n%d\n%%%%EOF\n"
        self._put(trailer % (self.next, CATALOG, INFO, start))

    def _number(self) -> int:
        self.next += 1
        return self.next - 1

    def _object(self, number: int, content: bytes) -> None:
        self.offsets[number] = self.position
        self._put(b"%d 0 obj\n%s\nendobj\n" % (number, content))

    def _stream(self, number: int, content: bytes, about: bytes = b"") -> None:
        if b"/Filter" not in about:
            content, about = zlib.compress(content), about + b"/Filter/FlateDecode"
        self._object(number, b"<<%s/Length %d>>stream\n%s\nendstream" % (about, len(content), content))

    def _put(self, content: bytes) -> None:
        self.stream.write(content)
        self.position += len(content)


@dataclass(frozen=True)
class _Span:
    """Where a word begins along its line, and how long it is."""

    start: float
    length: float


class _Base:
    """The baseline of a line: where each of its words begins and which way it runs."""

    def __init__(self, line: TextLine) -> None:
        box = box_of(line.polygon)
        flat = (Point(box.left, box.bottom), Point(box.right, box.bottom))
        base = line.baseline if len(line.baseline) >= 2 else flat
        across, down = base[-1].x - base[0].x, base[-1].y - base[0].y
        length = math.hypot(across, down) or 1.0
        # Cosine and sine of the direction, y downwards.
        self.direction = (across / length, down / length) if across or down else (1.0, 0.0)
        self.level = abs(across) >= abs(down)
        along = sorted((point.x, point.y) if self.level else (point.y, point.x) for point in base)
        self._along, self._beside = np.array(along).T

    def thickness(self, box: Box) -> float:
        """How high the writing in a box is, across the line."""
        return box.height if self.level else box.width

    def place(self, boxes: Sequence[Box]) -> tuple[Point, list[_Span]]:
        """Where on the baseline the first word begins; and of each word how far from there along the line, and how long."""
        cos, sin = self.direction
        if self.level:
            begins = [box.left if cos > 0 else box.right for box in boxes]
            start = Point(begins[0], float(np.interp(begins[0], self._along, self._beside)))
            return start, [
                _Span((x - start.x) / cos, box.width / abs(cos)) for x, box in zip(begins, boxes, strict=True)
            ]
        begins = [box.top if sin > 0 else box.bottom for box in boxes]
        start = Point(float(np.interp(begins[0], self._along, self._beside)), begins[0])
        return start, [_Span((y - start.y) / sin, box.height / abs(sin)) for y, box in zip(begins, boxes, strict=True)]


def _string(text: str) -> bytes:
    """A text string of PDF: UTF-16 with its mark, in hexadecimal."""
    return b"<FEFF%s>" % text.encode("utf-16-be", errors="replace").hex().upper().encode()


def _to_unicode(codes: dict[str, int]) -> bytes:
    """The map from codes to characters (ISO 32000-1, 9.10.3), in sections of at most 100 as it asks for."""
    rows = [
        b"<%04X> <%s>" % (code, character.encode("utf-16-be", errors="replace").hex().upper().encode())
        for character, code in codes.items()
    ]
    sections = [
        b"%d beginbfchar\n%s\nendbfchar\n" % (len(rows[start : start + 100]), b"\n".join(rows[start : start + 100]))
        for start in range(0, len(rows), 100)
    ]
    return (
        b"/CIDInit /ProcSet findresource begin\n12 dict begin\nbegincmap\n"
        b"/CIDSystemInfo <</Registry (Adobe) /Ordering (UCS) /Supplement 0>> def\n"
        b"/CMapName /Adobe-Identity-UCS def\n/CMapType 2 def\n1 begincodespacerange\n<0000> <FFFF>\nendcodespacerange\n"
        + b"".join(sections)
        + b"endcmap\nCMapName currentdict /CMap defineresource pop\nend\nend\n"
    )


def _font() -> bytes:
    """A TrueType font of one glyph (OpenType specification, tables head, hhea, hmtx, loca, glyf, maxp).

    The glyph is a line from a corner of its box to the other and back: without area, so that nothing could ever be
    filled, but with a box, without which readers drop text that runs up or down the page.
    """
    top, bottom = 800, -200
    glyph = struct.pack(">5h2H2B4h", 1, 0, bottom, ADVANCE, top, 1, 0, 1, 1, 0, ADVANCE, bottom, top - bottom)
    head = struct.pack(
        ">IIIIHHqqhhhhHHhhh", 0x10000, 0x10000, 0, 0x5F0F3CF5, 0, EM, 0, 0, 0, bottom, ADVANCE, top, 0, 8, 2, 0, 0
    )
    hhea = struct.pack(">IhhhHhhhhhhhhhhhH", 0x10000, top, bottom, 0, ADVANCE, 0, 0, ADVANCE, 1, 0, 0, 0, 0, 0, 0, 0, 1)
    tables = {
        b"glyf": glyph,
        b"head": head,
        b"hhea": hhea,
        b"hmtx": struct.pack(">Hh", ADVANCE, 0),
        b"loca": struct.pack(">HH", 0, len(glyph) // 2),
        b"maxp": struct.pack(">IH13H", 0x10000, 1, 2, 1, 0, 0, 1, *([0] * 8)),
    }
    offset = 12 + 16 * len(tables)
    directory, body = [struct.pack(">IHHHH", 0x10000, len(tables), 64, 2, 32)], b""
    for tag, content in tables.items():
        padded = content + bytes(-len(content) % 4)
        checksum = sum(struct.unpack(f">{len(padded) // 4}I", padded)) & 0xFFFFFFFF
        directory.append(tag + struct.pack(">III", checksum, offset + len(body), len(content)))
        body += padded
    return b"".join(directory) + body
