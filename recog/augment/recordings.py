"""Recordings that are no rows: noises and room responses, from a manifest, a folder or a tar, decoded when first wanted."""

import functools
import json
from collections import OrderedDict
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recog import archive, audio
from recog.audio import Waveform
from recog.errors import ConfigError

SOUNDS = (".wav", ".flac", ".ogg", ".opus", ".mp3", ".m4a", ".webm")
# Decoded recordings kept, over all of a collection, in bytes of 16 bit samples.
KEPT_BYTES = 500_000_000


class Recordings:
    """A collection of recordings at one rate; the most recently used stay decoded in memory."""

    def __init__(self, paths: list[Path], rate_hz: int) -> None:
        self.paths, self.rate_hz = paths, rate_hz
        self._kept: OrderedDict[int, NDArray[np.int16]] = OrderedDict()
        self._bytes = 0

    def __len__(self) -> int:
        return len(self.paths)

    def waveform(self, index: int) -> Waveform:
        """(n,) float32 in -1..1."""
        kept = self._kept.get(index)
        if kept is None:
            kept = np.rint(audio.read(self.paths[index], self.rate_hz) * 32767).astype(np.int16)
            self._kept[index] = kept
            self._bytes += kept.nbytes
            while self._bytes > KEPT_BYTES and len(self._kept) > 1:
                self._bytes -= self._kept.popitem(last=False)[1].nbytes
        self._kept.move_to_end(index)
        return kept.astype(np.float32) / np.float32(32767)


@functools.lru_cache(maxsize=16)
def collection(source: str, rate_hz: int, kind: str = "", part: str = "") -> Recordings:
    """The recordings of a manifest (.jsonl), a folder, a tar or a folder in a tar, in a fixed order.

    In a manifest, only rows with this `kind` and `part` count, where the row and the caller name one. Its paths are
    relative to it; where they are missing there, they are looked for in the tar of its name beside it. Refuses a source
    that holds none.
    """
    path = Path(source)
    found = archive.place(path)
    if found:
        paths = [found.tar / name for name in archive.members(found) if name.endswith(SOUNDS)]
    elif path.is_dir():
        paths = sorted(file for file in path.rglob("*") if file.suffix in SOUNDS)
    elif path.is_file():
        paths = _listed(path, kind, part)
    else:
        raise ConfigError(f"augment: {source} does not exist; name a manifest, a folder or a tar of recordings")
    if not paths:
        raise ConfigError(f"augment: {source} holds no recordings{f' of part {part!r}' if part else ''}")
    return Recordings(paths, rate_hz)


def _listed(manifest: Path, kind: str, part: str) -> list[Path]:
    tar, paths = manifest.with_suffix(".tar"), []
    try:
        lines = manifest.read_text(encoding="utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"augment: {manifest} cannot be read as a manifest of recordings ({error})") from error
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise ConfigError(f"augment: line {number} of {manifest} is not JSON: {error.msg}") from error
        if not isinstance(row, dict) or not isinstance(row.get("audio"), str):
            raise ConfigError(f"augment: line {number} of {manifest} has no 'audio'; expected the path of a recording")
        if (kind and row.get("kind", kind) != kind) or (part and row.get("part", part) != part):
            continue
        beside = manifest.parent / row["audio"]
        paths.append(tar / row["audio"] if tar.is_file() and not beside.exists() else beside)
    return paths
