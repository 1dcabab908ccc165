"""Three hundred uploads that no server should take: what each is, where it goes, and what makes it unreadable."""

import functools
import gzip
import io
import random
import struct
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import soundfile
from api_server import AUDIO, IMAGES, png, wav
from PIL import Image

FORM = "multipart/form-data; boundary=x"
TRICKS = (
    *("../../evil.wav", "/etc/evil", "..\\..\\evil", "a\x00evil.wav", "C:\\evil.wav", "evil/../../evil", "~/evil"),
    *(
        "....//evil",
        "%2e%2e%2fevil",
        "evil\r\nX-Evil: 1",
        "x" * 3000 + "evil",
        ".",
        "..",
        "CON",
        " ",
        "\u202eevil",
        "evil;rm",
    ),
)
NONSENSE = (
    b"hello",
    b"{}",
    b"<svg xmlns='http://www.w3.org/2000/svg'/>",
    b"<!doctype html><script>1</script>",
    b"MZ\x90\x00" + bytes(300),
    b"\x7fELF" + bytes(300),
    b"#EXTM3U\nhttp://127.0.0.1:1/a.wav\n",
    b"#EXTM3U\nfile:///etc/passwd\n",
    b"ffconcat version 1.0\nfile /etc/passwd\n",
    b"SQLite format 3\x00" + bytes(100),
    b"%!PS-Adobe-3.0\n(x) show showpage",
    b"[InternetShortcut]\nURL=http://127.0.0.1:1/",
    b"<?xml version='1.0'?><!DOCTYPE a [<!ENTITY b SYSTEM 'file:///etc/passwd'>]><a>&b;</a>",
    b"BM" + bytes(9),
    b"GIF89a" + bytes(3),
    b"\xff\xd8\xff\xe0" + bytes(20),
)


@dataclass(frozen=True)
class Malformed:
    """One request body that must be refused."""

    kind: str
    path: str
    body: bytes
    content_type: str = FORM


def part(content: bytes, name: str = "a.wav") -> bytes:
    head = b'--x\r\nContent-Disposition: form-data; name="file"; filename="' + name.encode() + b'"\r\n\r\n'
    return head + content + b"\r\n--x--\r\n"


def three_hundred(seed: int = 1) -> Iterator[Malformed]:
    """Always the same 300 for a seed."""
    chance = random.Random(seed)
    both = (AUDIO, IMAGES)

    def somewhere(low: float, high: float, content: bytes) -> int:
        return round(chance.uniform(low, high) * len(content))

    for number in range(40):  # forms that end too early
        whole = part(wav() if number % 2 else png())
        yield Malformed("truncated form", both[number % 2], whole[: somewhere(0.0, 0.99, whole)])
    for _ in range(30):  # files that end too early to show or say anything
        yield Malformed("truncated picture", IMAGES, part(png()[: somewhere(0.05, 0.8, png())]))
    for _ in range(20):
        yield Malformed("truncated recording", AUDIO, part(wav()[: chance.randrange(1, 44)]))
    for number in range(40):  # two files in one: the first bytes promise what the rest is not
        first = chance.choice([png()[:33], b"PK\x03\x04", b"%PDF-1.7\n", b"\x1f\x8b\x08\x00", b"GIF89a", b"<html>"])
        yield Malformed("polyglot", both[number % 2], part(first + chance.randbytes(200) + (wav(), png())[number % 2]))
    bombs = [zip_bomb(), gzip.compress(bytes(3_000_000)), gzip.compress(zip_bomb()), zip_bomb(zip_bomb())]
    for number in range(24):
        yield Malformed("zip bomb", both[number % 2], part(bombs[number // 2 % len(bombs)]))
    for number in range(30):
        yield Malformed("pixel bomb", IMAGES, part(pixel_bomb(number)))
    for _ in range(6):  # a minute of silence in a few kilobytes, where six seconds are allowed
        yield Malformed("endless recording", AUDIO, part(silence()))
    for number in range(32):
        yield Malformed("wrong type", both[number % 2], part(NONSENSE[number // 2]))
    for number in range(34):
        yield Malformed("path in its name", both[number % 2], part(chance.randbytes(60), TRICKS[number // 2]))
    for number in range(20):
        yield Malformed("0 bytes", both[number % 2], part(b""))
    for number in range(12):
        yield Malformed("too large", both[number % 2], part(bytes(1_300_000)))
    kinds = (
        "audio/wav",
        "application/json",
        "multipart/form-data",
        "multipart/mixed; boundary=x",
        "",
        f"{FORM}{'y' * 300}",
    )
    for number in range(12):
        yield Malformed("wrong form", both[number % 2], part(wav()), kinds[number // 2])


def zip_bomb(inside: bytes = bytes(3_000_000)) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(5):
            archive.writestr(f"{number}.wav", inside)
    return file.getvalue()


def pixel_bomb(number: int) -> bytes:
    """Small files that claim, or truly hold, millions of pixels; the tests allow one million."""
    if number % 3 == 0:  # a header alone
        side = 1000 * (2 + number)
        header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
        chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(bytes(10))), (b"IEND", b"")]
        packed = [
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
            for kind, data in chunks
        ]
        return b"\x89PNG\r\n\x1a\n" + b"".join(packed)
    file = io.BytesIO()
    Image.new("1", (1300 + number, 900)).save(
        file, ("PNG", "TIFF", "WEBP")[number % 3], **({"compression": "group4"} if number % 3 == 1 else {})
    )
    return file.getvalue()


@functools.cache
def silence(seconds: int = 60) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, np.zeros(8000 * seconds, np.float32), 8000, format="OGG", subtype="OPUS")
    return file.getvalue()
