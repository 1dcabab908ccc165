"""Whether a recording goes on to where its file says it ends: FFmpeg reads one that is cut off as if it were whole.

Only headers are read, never the sound. Formats that do not say how long they are (raw AC-3, MPEG streams, a pipe's
WAV) cannot be told.
"""

import io
from dataclasses import dataclass
from typing import BinaryIO

# A pipe cannot go back and write a size: its writers leave 0, or one of these and larger.
_PLACEHOLDER = 0x7FFFF000
# Matroska: the elements that hold others, and may be of unknown size (RFC 9559).
_SEGMENT, _CLUSTER = 0x18538067, 0x1F43B675
# The first box of files after ISO 14496-12 and of QuickTime.
_BOXES = (b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"styp", b"pnot")
# kbit/s by MPEG version 1 or later, layer, and index (ISO 11172-3, 2.4.2.3; ISO 13818-3, 2.4.2.3).
_KILOBITS = {
    (1, 1): (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (1, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (1, 3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (2, 1): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (2, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (2, 3): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_MPEG_RATES_HZ = (44100, 48000, 32000)
# How far after its tags an mp3 may begin.
_MP3_SEARCH_BYTES = 2**16


def cut_off(file: BinaryIO) -> str:
    """What is missing at the end of a recording, in words; "" where nothing is, or nothing can be told."""
    size = file.seek(0, io.SEEK_END)
    file.seek(0)
    head = file.read(12)
    if head[:4] == b"OggS":
        return _ogg(file, size)
    if head[:4] in (b"RIFF", b"RF64"):
        return _riff(file, size)
    if head[:4] == b"\x1a\x45\xdf\xa3":
        return _matroska(file, size)
    if head[4:8] in _BOXES:
        return _boxes(file, size)
    tag = mp3_tag(file)
    return _lacking(tag.end, size) if tag else ""


def _lacking(end: int, size: int) -> str:
    return f"the file ends after {size} bytes of {end}" if end > size else ""


def _ogg(file: BinaryIO, size: int) -> str:
    """The last page is whole and carries the end-of-stream flag (RFC 3533, section 6)."""
    file.seek(max(0, size - 2**17))  # a page is at most 65307 bytes
    tail = file.read()
    last = tail.rfind(b"OggS\0")
    page = tail[last:] if last >= 0 else b""
    # 27 bytes, of which the last counts the sizes that follow, then as many bytes as these add up to.
    if len(page) < 27 or not page[5] & 4:
        return "its last page has no end mark"
    sizes = page[27 : 27 + page[26]]
    return _lacking(size - len(page) + 27 + page[26] + sum(sizes), size)


def _riff(file: BinaryIO, size: int) -> str:
    """The chunk with the samples lies within the file (WAV's "data", AVI's list "movi"; RF64 has long sizes apart)."""
    place, long_size = 12, 0
    while place + 8 <= size:
        file.seek(place)
        name, length = file.read(4), int.from_bytes(file.read(4), "little")
        inside = file.read(24)
        if name == b"ds64":  # EBU Tech 3306: sizes of RIFF and data, each of 64 bits
            long_size = int.from_bytes(inside[8:16], "little")
        if name == b"data" or (name == b"LIST" and inside[:4] == b"movi"):
            if length == 0xFFFFFFFF and long_size:
                return _lacking(place + 8 + long_size, size)
            return _lacking(place + 8 + length, size) if length < _PLACEHOLDER else ""
        place += 8 + length + length % 2
    return ""


def _boxes(file: BinaryIO, size: int) -> str:
    """The boxes of the file follow one another to its end (ISO 14496-12, section 4.2)."""
    place = 0
    while place + 8 <= size:
        file.seek(place)
        length, name = int.from_bytes(file.read(4), "big"), file.read(4)
        if length == 1:
            length = int.from_bytes(file.read(8), "big")
        if length < 8 or not name.isascii():  # 0: to the end of the file; anything else is no box
            return ""
        place += length
    return _lacking(place, size)


def _matroska(file: BinaryIO, size: int) -> str:
    """The elements of the file follow one another to its end; what is of unknown size is entered."""
    place = 0
    while place < size:
        file.seek(place)
        head = file.read(12)
        width = _width(head[0]) if head else 9
        if width > 4:
            return ""  # no element begins so
        identity, rest = int.from_bytes(head[:width], "big"), head[width:]
        if not rest or len(rest) < _width(rest[0]):
            return _lacking(place + len(head) + 1, size)
        length, unknown = _number(rest)
        place += width + _width(rest[0])
        if not (unknown and identity in (_SEGMENT, _CLUSTER)):
            place += length
    return _lacking(place, size)


def _width(first: int) -> int:
    """Bytes of a Matroska number by its first one: as many as it has leading zeros, and one (RFC 8794, section 4)."""
    return 9 - first.bit_length()


def _number(data: bytes) -> tuple[int, bool]:
    """A Matroska size, and whether it is the one that means "unknown": all ones."""
    width = _width(data[0])
    most = (1 << 7 * width) - 1
    value = int.from_bytes(data[:width], "big") & most
    return value, value == most


@dataclass(frozen=True)
class Mp3Tag:
    """What the first frame of an mp3 tells of all: without it, any length is a guess from the bit rate."""

    # Where the last frame should end, in bytes of the file; 0 where it does not tell.
    end: int


def mp3_tag(file: BinaryIO) -> Mp3Tag | None:
    """The Xing, Info or VBRI tag of an mp3; None where there is none, or no mp3."""
    place = _after_id3(file)
    file.seek(place)
    data = file.read(_MP3_SEARCH_BYTES)
    first = data.find(b"\xff")
    while first >= 0 and not frame_bytes(data[first : first + 4]):
        first = data.find(b"\xff", first + 1)
    if first < 0:
        return None
    frame = data[first : first + 192]
    if frame[36:40] == b"VBRI":
        return Mp3Tag(place + first + int.from_bytes(frame[46:50], "big"))
    # After the side information, whose size goes by version and channels.
    later, mono = not frame[1] & 8, frame[3] >> 6 == 3
    side = (9 if mono else 17) if later else (17 if mono else 32)
    tag = frame[4 + side :]
    if tag[:4] not in (b"Xing", b"Info"):
        return None
    flags = int.from_bytes(tag[4:8], "big")
    count = tag[8:12] if not flags & 1 else tag[12:16]  # after the number of frames, where that is told
    return Mp3Tag(place + first + int.from_bytes(count, "big") if flags & 2 else 0)


def _after_id3(file: BinaryIO) -> int:
    place = 0
    while True:
        file.seek(place)
        head = file.read(10)
        if head[:3] != b"ID3" or len(head) < 10:
            return place
        # Four times seven bits; a footer is another ten bytes (ID3v2.4, sections 3.1 and 3.4).
        length = sum((byte & 127) << shift for byte, shift in zip(head[6:10], (21, 14, 7, 0), strict=True))
        place += 10 + length + (10 if head[5] & 16 else 0)


def frame_bytes(header: bytes) -> int:
    """Bytes of a frame of MPEG audio, layers 1 to 3, by its header of 4 bytes; 0 where that is no such header."""
    if len(header) < 4 or header[0] != 0xFF or header[1] & 0xE0 != 0xE0:
        return 0
    version, layer = header[1] >> 3 & 3, 4 - (header[1] >> 1 & 3)
    bitrate, rate, padding = header[2] >> 4, header[2] >> 2 & 3, header[2] >> 1 & 1
    if version == 1 or layer == 4 or bitrate in (0, 15) or rate == 3:
        return 0
    later = version != 3
    bits = 1000 * _KILOBITS[2 if later else 1, layer][bitrate - 1]
    rate_hz = _MPEG_RATES_HZ[rate] >> {3: 0, 2: 1, 0: 2}[version]
    if layer == 1:
        return (12 * bits // rate_hz + padding) * 4
    return (72 if later and layer == 3 else 144) * bits // rate_hz + padding
