"""Decoded samples on disk: records in a row, so that a corpus larger than memory is decoded once and then only read.

A folder holds any number of `*.pack` files; each process appends to one of its own, so runs may share the folder. A
record is a line of JSON ("key", "type", "shape", "sum") and the bytes of the array; one that is cut off or does not
match its sum is passed over, as if it were not there. In what order rows were first met, in that order they lie: after a
first epoch from short to long, the rows of a batch are neighbours on the disk.
"""

import hashlib
import json
import sys
import uuid
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recog import archive
from recog.errors import ConfigError

Array = NDArray[np.int16] | NDArray[np.uint8]
_TYPES: dict[str, type[np.generic]] = {"int16": np.int16, "uint8": np.uint8}
# No head of a record is longer.
_HEAD_BYTES = 1000


@dataclass(frozen=True)
class _Record:
    pack: Path
    offset: int
    type: str
    shape: tuple[int, ...]
    sum: int

    @property
    def size(self) -> int:
        return int(np.prod(self.shape)) * np.dtype(_TYPES[self.type]).itemsize


def key(path: Path, how: str) -> str:
    """Names a sample by its file, that file's size and time of change, and how it was decoded."""
    found = archive.place(path)
    state = (found.tar if found else path).stat()
    told = json.dumps([str(path.absolute()), state.st_size, state.st_mtime_ns, how])
    return hashlib.blake2b(told.encode(), digest_size=16).hexdigest()


class Cache:
    """Arrays by key, on disk."""

    def __init__(self, folder: str | Path, limit_gigabytes: float) -> None:
        self.folder = Path(folder)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(
                f"data.cache: {folder} cannot be made a folder ({error.strerror}); name another"
            ) from error
        self._records: dict[str, _Record] = {}
        for pack in sorted(self.folder.glob("*.pack")):
            self._records |= _scan(pack)
        self._left = limit_gigabytes * 1e9 - sum(pack.stat().st_size for pack in self.folder.glob("*.pack"))
        self._own = self.folder / f"{uuid.uuid4().hex}.pack"

    def __len__(self) -> int:
        return len(self._records)

    def get(self, key: str) -> Array | None:
        """The array, or None where there is none that is whole."""
        record = self._records.get(key)
        if record is None:
            return None
        try:
            with record.pack.open("rb") as file:
                file.seek(record.offset)
                content = file.read(record.size)
        except OSError:  # the folder was emptied meanwhile
            content = b""
        if len(content) < record.size or zlib.crc32(content) != record.sum:
            del self._records[key]
            return None
        values: Array = np.frombuffer(content, _TYPES[record.type]).reshape(record.shape)
        return values

    def put(self, key: str, array: Array) -> None:
        """Appends an array unless the folder is full; a disk that takes no more is told of once and left alone."""
        if array.nbytes + _HEAD_BYTES > self._left:
            return
        content = np.ascontiguousarray(array).tobytes()
        head = {"key": key, "type": array.dtype.name, "shape": array.shape, "sum": zlib.crc32(content)}
        written = (json.dumps(head) + "\n").encode()
        try:
            with self._own.open("ab") as file:
                offset = file.tell() + len(written)
                file.write(written + content)
        except OSError as error:
            self._left = 0.0
            print(f"data.cache: {self.folder} takes no more ({error.strerror}); going on without", file=sys.stderr)
            return
        self._left -= len(written) + len(content)
        self._records[key] = _Record(self._own, offset, array.dtype.name, array.shape, zlib.crc32(content))


def _scan(pack: Path) -> dict[str, _Record]:
    """The whole records of a file, from their heads alone."""
    found: dict[str, _Record] = {}
    with pack.open("rb") as file:
        end = file.seek(0, 2)
        file.seek(0)
        while line := file.readline(_HEAD_BYTES):
            try:
                head = json.loads(line)
                record = _Record(pack, file.tell(), head["type"], tuple(map(int, head["shape"])), int(head["sum"]))
                after = record.offset + record.size
            except (ValueError, KeyError, TypeError):
                break  # damaged from here on
            if after > end or min(record.shape, default=0) < 0:
                break  # being written, or cut off
            found[str(head["key"])] = record
            file.seek(after)
    return found
