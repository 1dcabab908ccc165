"""A zip that somebody sent -> a folder of samples, within limits: its names and sizes are claims, not facts."""

import lzma
import re
import struct
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from recog.errors import InputError

# Files beyond so many are refused before any is written.
MOST_FILES = 20_000
# What trainings read; anything else in the zip stays there.
SUFFIXES = frozenset(
    (
        *(".wav", ".flac", ".ogg", ".opus", ".mp3", ".webm", ".m4a", ".aac", ".mp4"),
        *(".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp"),
        *(".txt", ".jsonl"),
    )
)
_CHUNK = 1 << 16
# What zipfile raises where bytes are not what they claim to be; OSError, where they point before the file's beginning.
_DAMAGE = (
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError),
    *(NotImplementedError, ValueError, LookupError, struct.error, OSError),
)
# Letters that mean something to a file system, and those that cannot be seen.
_UNFIT = re.compile(r'[\\:*?"<>|\x00-\x1f\x7f]')


def unpack(
    packed: Path, folder: Path, most_bytes: int, tell: Callable[[int, int], object] = lambda done, all_: None
) -> int:
    """Writes the recordings, pictures, texts and manifests of a zip into the new folder; gives how many there were.

    `tell` is told of bytes written, and of how many the zip claims to hold; what it raises ends the unpacking.

    Refuses, in one sentence, what is no zip, is damaged, locked by a password, holds names that lead out of the folder,
    more than MOST_FILES files, or more than `most_bytes` unpacked, counted while they are unpacked.
    """
    try:
        with zipfile.ZipFile(packed) as archive:
            members = _members(archive)
            folder.mkdir(parents=True)
            claimed = sum(member.file_size for member, _ in members)
            written = _Written(packed, claimed, most_bytes, tell)
            for member, place in members:
                target = folder.joinpath(*place.parts)
                target.parent.mkdir(parents=True, exist_ok=True)
                _write(archive, member, target, written)
    except (FileExistsError, NotADirectoryError, IsADirectoryError) as error:
        raise InputError(f"{packed} holds two files of one name") from error
    except _DAMAGE as error:
        raise InputError(f"{packed} is not a zip that can be unpacked, or is cut off ({error})") from error
    except RuntimeError as error:  # zipfile's word for a password
        raise InputError(f"{packed} is locked by a password; pack it without one") from error
    return len(members)


def _members(archive: zipfile.ZipFile) -> list[tuple[zipfile.ZipInfo, PurePosixPath]]:
    """The files that are of use, and where each goes; refuses names that lead out of the folder."""
    files = [member for member in archive.infolist() if not member.is_dir()]
    if len(files) > MOST_FILES:
        raise InputError(f"{archive.filename} holds {len(files)} files; the limit is {MOST_FILES}")
    found = []
    for member in files:
        place = PurePosixPath(member.filename)
        if place.is_absolute() or ".." in place.parts or _UNFIT.search(member.filename) or not place.parts:
            raise InputError(
                f"{archive.filename} holds the name {member.filename!r:.80}, which is not taken; rename it"
            )
        hidden = any(part.startswith((".", "__MACOSX")) for part in place.parts)
        if place.suffix.lower() in SUFFIXES and not hidden:
            found.append((member, place))
    if not found:
        raise InputError(f"{archive.filename} holds no recordings, pictures, texts or manifests")
    return found


@dataclass
class _Written:
    """Counts the bytes that are unpacked: sizes in headers are shown, never believed."""

    packed: Path
    claimed: int
    most: int
    tell: Callable[[int, int], object]
    done: int = 0

    def add(self, count: int) -> None:
        """So many more; refuses those beyond the limit."""
        self.done += count
        if self.done > self.most:
            raise InputError(f"{self.packed} holds more than {self.most / 1e6:g} MB unpacked, the limit")
        self.tell(self.done, max(self.claimed, self.done))


def _write(archive: zipfile.ZipFile, member: zipfile.ZipInfo, target: Path, written: _Written) -> None:
    """Unpacks one file."""
    with archive.open(member) as source, target.open("xb") as file:
        while piece := source.read(_CHUNK):
            written.add(len(piece))
            file.write(piece)
