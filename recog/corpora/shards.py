"""A data folder of tar shards beside JSON-lines manifests, in the rooms `speech` and `hand`: checked, unpacked, sifted."""

import json
import re
import shutil
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from tqdm import tqdm

from recog.corpora.found import Found, Sample
from recog.errors import ManifestError

# A member larger than this is no recording or picture of ours.
LIMIT_BYTES = 64_000_000
# Training texts that the text rules cannot spell: reason -> what gives them away.
UNFIT = {
    "audio": {
        "a figure, £, $ or &": re.compile(r"[0-9£$&]"),
        "an abbreviation with a point": re.compile(
            r"\b(Mr|Mrs|Dr|St|etc|Messrs|Nos?|Esq|Capt|Col|Rev|Co|Hon|Jr|Gen|Maj|Lt|Sgt|ft|vol)\."
        ),
    },
    "image": {"an editorial dummy (# ⋎ ¥ ⎀ ‸)": re.compile("[#⋎¥⎀‸]")},
}


@dataclass(frozen=True)
class Room:
    """One half of a data folder: its manifests and the shards with their media."""

    # "speech" or "hand".
    name: str
    manifests: tuple[Path, ...]
    shards: tuple[Path, ...]


def rooms(source: Path) -> list[Room]:
    """The rooms of a data folder, or the one that the folder itself is. Refuses a folder with neither."""
    found = [room for name in ("speech", "hand") if (room := _room(source / name, name))]
    if not found and (room := _room(source, "")):
        first = _objects(room.manifests[0])[0]
        found = [Room("hand" if "image" in first else "speech", room.manifests, room.shards)]
    if not found:
        raise ManifestError(
            f"{source} holds no tar shards: looked for *.tar beside *.jsonl in speech/, in hand/ and in the folder itself"
        )
    return found


def _room(folder: Path, name: str) -> Room | None:
    manifests, shards = (tuple(sorted(folder.glob(pattern))) for pattern in ("*.jsonl", "*.tar"))
    return Room(name, manifests, shards) if manifests and shards else None


def contents(shards: Sequence[Path]) -> dict[str, int]:
    """Member -> size in bytes over all shards, read from the headers alone; nothing is unpacked.

    Refuses a damaged shard, a name met twice, and any member that could land outside the folder or is no plain file.
    """
    sizes: dict[str, int] = {}
    for shard in tqdm(shards, "checking shards", unit="shard"):
        try:
            with tarfile.open(shard, "r:") as tar:
                for member in tar:
                    if member.isdir():
                        continue
                    name = _safe_name(member, shard)
                    if name in sizes:
                        raise ManifestError(f"{shard} holds {name}, which has already come; nothing was unpacked")
                    sizes[name] = member.size
        except (tarfile.TarError, OSError) as error:
            raise ManifestError(f"{shard} is damaged or cut off ({error}); fetch that shard again") from error
    return sizes


def _safe_name(member: tarfile.TarInfo, shard: Path) -> str:
    """The member's path below the folder. Only plain files under plain relative names pass."""
    name, wrong = PurePosixPath(member.name), ""
    if member.issym() or member.islnk():
        wrong = f"is a link to {member.linkname!r}"
    elif not member.isreg() or member.issparse():
        wrong = "is not a plain file"
    elif name.is_absolute() or PureWindowsPath(member.name).drive or "\\" in member.name:
        wrong = "has an absolute path"
    elif ".." in name.parts or not name.parts:
        wrong = "leaves the folder"
    elif not member.name.isprintable():
        wrong = "has a name with control characters"
    elif member.size > LIMIT_BYTES:
        wrong = f"has {member.size} bytes, more than the limit of {LIMIT_BYTES}"
    if wrong:
        raise ManifestError(f"{shard}: member {member.name!r} {wrong}; the shard is refused and nothing was unpacked")
    return name.as_posix()


def unpack(shards: Sequence[Path], folder: Path, total: int) -> None:
    """Writes the members (`total` of them) below `folder`; those already there with the same size are left alone.

    A file appears under its name only when it is whole, so an interrupted run simply goes on.
    """
    with tqdm(total=total, desc=f"unpacking {folder.name}", unit="file", mininterval=0.5) as bar:
        for shard in shards:
            try:
                with tarfile.open(shard, "r:") as tar:
                    for member in tar:
                        if not member.isdir():
                            _unpack_member(tar, member, folder / _safe_name(member, shard))
                            bar.update()
            except (tarfile.TarError, OSError) as error:
                raise ManifestError(f"{shard} cannot be unpacked into {folder}: {error}") from error


def _unpack_member(tar: tarfile.TarFile, member: tarfile.TarInfo, target: Path) -> None:
    if target.is_file() and target.stat().st_size == member.size:
        return
    content = tar.extractfile(member)
    assert content is not None  # plain files have content
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(target.name + ".partial")
    with content, partial.open("wb") as file:
        shutil.copyfileobj(content, file)
    partial.replace(target)


def sift(path: Path, members: dict[str, int]) -> Found:
    """The objects of a shard manifest whose files are in the shards; ids stay as they are.

    Of train.jsonl and lines-train.jsonl, rows that the text rules cannot spell are left out. Every other manifest keeps
    all its rows or, where none of its files is there (a shard not fetched), is left out as a whole.
    """
    rows, found = _objects(path), Found()
    training = path.name.removeprefix("lines-") == "train.jsonl"
    names = [str(row.get("audio") or row.get("image")) for row in rows]
    absent = [name for name in names if name not in members]
    if absent and not training and len(absent) < len(rows):
        raise ManifestError(
            f"{path} names {len(absent)} files that no shard beside it holds, first {absent[0]}; fetch the missing shard"
        )
    for row, name in zip(rows, names, strict=True):
        reason = "its file in no shard" if name not in members else _unfit(row) if training else ""
        if reason:
            found.leave_out(reason, name)
        else:
            found.samples.append(Sample(name, row))
    return found


def _unfit(row: dict[str, Any]) -> str:
    media = "audio" if "audio" in row else "image"
    text = row.get("text")
    if not isinstance(text, str) or not text.strip():
        return "empty text"
    return next((reason for reason, sign in UNFIT[media].items() if sign.search(text)), "")


def _objects(path: Path) -> list[dict[str, Any]]:
    """The objects of a JSON-lines file, with or without a text (noises and pages have none of their own)."""
    rows = []
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise ManifestError(f"manifest {path} cannot be read as UTF-8 text: {error}") from error
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                row = json.loads(line)
            except json.JSONDecodeError as error:
                raise ManifestError(
                    f"line {number} of {path} is not JSON: {error.msg} at column {error.colno}"
                ) from error
            if not isinstance(row, dict):
                raise ManifestError(f"line {number} of {path} is a {type(row).__name__}; expected an object")
            rows.append(row)
    if not rows:
        raise ManifestError(f"manifest {path} holds no row")
    return rows
