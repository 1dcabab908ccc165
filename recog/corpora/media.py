"""Media that an importer has to make itself, cut out of larger files: written below the manifest's folder."""

import io
from pathlib import Path
from urllib.parse import quote

import numpy as np
from PIL import Image

from recog.audio import Waveform


def file_name(id_: str, suffix: str) -> str:
    """An id as the name of a file in one folder: whatever could lead out of it or hide it is written %XX."""
    name = quote(id_, safe=" +=@,()")
    return (f"%2E{name[1:]}" if name.startswith(".") else name) + suffix


def write(target: Path, content: bytes) -> None:
    """A file, whole or not at all; one that holds the same already is left alone."""
    if target.is_file() and target.stat().st_size == len(content) and target.read_bytes() == content:
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(target.name + ".partial")
    partial.write_bytes(content)
    partial.replace(target)


def flac(waveform: Waveform, rate_hz: int) -> bytes:
    """(n,) in -1..1 as a FLAC file of 16 bits: no sample that `audio.read` gives is changed."""
    import soundfile

    file = io.BytesIO()
    soundfile.write(file, np.rint(waveform * 32767).astype(np.int16), rate_hz, format="FLAC", subtype="PCM_16")
    return file.getvalue()


def png(picture: Image.Image) -> bytes:
    """A grey picture as a PNG file."""
    file = io.BytesIO()
    picture.save(file, "png")
    return file.getvalue()
