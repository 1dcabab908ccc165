"""Files that may be packed (.gz, .xz), read and written; a file cut off in the middle is told from one that ends."""

import gzip
import io
import lzma
import os
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

from recog.errors import LanguageModelError


@dataclass(frozen=True)
class Source:
    """An open file: its unpacked content, and how far it has been read."""

    stream: IO[bytes]
    # The file as it lies on disk: `raw.tell()` of `size` bytes are read.
    raw: IO[bytes]
    size: int


@contextmanager
def reading(path: str | Path) -> Iterator[Source]:
    """A file, unpacked by the ending of its name; what goes wrong while it is read is told in a sentence."""
    path = Path(path)
    try:
        with path.open("rb") as raw, _packing(raw, path.suffix, "rb") as stream:
            yield Source(stream, raw, path.stat().st_size)
    except (EOFError, lzma.LZMAError, gzip.BadGzipFile, zlib.error) as error:
        raise LanguageModelError(f"{path} is cut off or damaged ({error}); fetch or write it again") from error
    except OSError as error:
        raise LanguageModelError(f"{path} cannot be read: {error.strerror or error}") from error


@contextmanager
def writing(path: str | Path) -> Iterator[IO[bytes]]:
    """A file written beside its place, packed by the ending of its name, and moved there only when complete."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.stem}.", dir=path.parent)
    fresh = Path(name)
    try:
        with os.fdopen(handle, "wb") as raw, _packing(raw, path.suffix, "wb") as stream:
            yield stream
        fresh.chmod(0o644)
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)


def _packing(raw: IO[bytes], suffix: str, mode: str) -> IO[bytes]:
    if suffix == ".gz":
        return cast(IO[bytes], gzip.open(raw, mode))
    if suffix == ".xz":
        if mode == "rb":  # its own lines come four times slower
            return io.BufferedReader(lzma.open(raw))
        return cast(IO[bytes], lzma.open(raw, mode))
    return raw
