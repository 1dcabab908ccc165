"""Tar files read in place, as if they were folders: `shards/train-03.tar/a/b.flac` is the member a/b.flac of that tar.

Members are only ever looked up and read into memory; no name from a tar is written to disk.
"""

import functools
import tarfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from recog.errors import InputError

# A member larger than this is no recording or picture of ours.
LIMIT_BYTES = 2_000_000_000


@dataclass(frozen=True)
class Place:
    """A member of a tar file, or a folder within it ("" is the whole)."""

    tar: Path
    member: str


@dataclass(frozen=True)
class _Extent:
    """Where the bytes of a member lie in its tar."""

    offset: int
    size: int


def place(path: str | Path) -> Place | None:
    """The tar and member that a path runs into, or None for an ordinary path. A folder named x.tar stays a folder."""
    if ".tar" not in str(path):  # nearly every path: not one look at the disk
        return None
    path = Path(path)
    for above in (path, *path.parents):
        if above.suffix == ".tar" and above.is_file():
            return Place(above, "" if above == path else path.relative_to(above).as_posix())
    return None


def resolve(source: str | Path | bytes) -> str | Path | bytes:
    """What is to be opened: a path into a tar becomes the bytes of its member, anything else stays as it is.

    Refuses a member that is missing, and a damaged or compressed tar, which cannot be read in place.
    """
    if isinstance(source, bytes):
        return source
    found = place(source)
    return read(found) if found and found.member else source


def read(found: Place) -> bytes:
    """The bytes of a member."""
    extent = _index(found.tar).get(found.member)
    if extent is None:
        raise InputError(f"{found.tar} holds no plain file {found.member!r}")
    if extent.size > LIMIT_BYTES:
        raise InputError(f"{found.tar}: {found.member!r} has {extent.size} bytes; the limit is {LIMIT_BYTES}")
    try:
        with found.tar.open("rb") as file:
            file.seek(extent.offset)
            content = file.read(extent.size)
    except OSError as error:
        raise InputError(f"{found.tar} cannot be read: {error.strerror}") from error
    if len(content) < extent.size:
        raise InputError(f"{found.tar} is cut off within {found.member!r}; fetch it again")
    return content


def members(found: Place) -> list[str]:
    """The names of all plain files in a tar or in one folder of it, in the order in which they lie there."""
    within = f"{found.member}/" if found.member else ""
    return [name for name in _index(found.tar) if name.startswith(within)]


def _index(tar: Path) -> dict[str, _Extent]:
    state = tar.stat()
    return _read_index(str(tar), state.st_size, state.st_mtime_ns)


@functools.lru_cache(maxsize=4096)
def _read_index(tar: str, size: int, _changed: int) -> dict[str, _Extent]:
    """Plain files -> where they lie, from the headers alone. Links, devices and sparse files are no members."""
    found: dict[str, _Extent] = {}
    try:
        with tarfile.open(tar, "r:") as file:
            for member in file:
                if member.isreg() and not member.issparse():
                    name = PurePosixPath(member.name).as_posix()  # without a leading ./
                    if name in found:
                        raise InputError(f"{tar} holds {name!r} twice; which one is meant cannot be told")
                    found[name] = _Extent(member.offset_data, member.size)
    except (tarfile.TarError, OSError) as error:
        raise InputError(
            f"{tar} cannot be read as an uncompressed tar ({error}); unpack a compressed one, fetch a damaged one again"
        ) from error
    end = max((extent.offset + extent.size for extent in found.values()), default=0)
    if end > size:
        raise InputError(f"{tar} is cut off: {size} bytes of at least {end}; fetch it again")
    return found
