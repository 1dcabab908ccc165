"""Files that may be packed (.gz, .xz), read and written; a file cut off in the middle is told from one that ends."""

import gzip
import lzma
import os
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, cast

from recog.errors import LanguageModelError


@contextmanager
def reading(path: str | Path) -> Iterator[IO[bytes]]:
    """The bytes of a file, unpacked by the ending of its name; what goes wrong while it is read is told in a sentence."""
    path = Path(path)
    try:
        with _open(path, "rb") as stream:
            yield stream
    except (EOFError, lzma.LZMAError, gzip.BadGzipFile, zlib.error) as error:
        raise LanguageModelError(f"{path} is cut off or damaged ({error}); fetch or write it again") from error
    except OSError as error:
        raise LanguageModelError(f"{path} cannot be read: {error.strerror or error}") from error


@contextmanager
def writing(path: str | Path) -> Iterator[IO[bytes]]:
    """A file written beside its place, packed by the ending of its name, and moved there only when complete."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.stem}.", suffix=path.suffix, dir=path.parent)
    os.close(handle)
    fresh = Path(name)
    try:
        with _open(fresh, "wb") as stream:
            yield stream
        fresh.chmod(0o644)
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)


def _open(path: Path, mode: str) -> IO[bytes]:
    if path.suffix == ".gz":
        return cast(IO[bytes], gzip.open(path, mode))
    if path.suffix == ".xz":
        return cast(IO[bytes], lzma.open(path, mode))
    return cast(IO[bytes], path.open(mode))
