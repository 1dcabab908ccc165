"""What the files of a corpus are like: really decoded, over worker processes, as plain records."""

import hashlib
import io
import math
import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from recog import archive, audio
from recog import frontend as frontends
from recog.audio import SpeechFrontend, Waveform
from recog.errors import InputError
from recog.frontend import Frontend

# Below this many files, starting a worker process takes longer than it saves.
_WORTH_A_WORKER = 400
# Samples this near to full scale are taken for clipped.
_FULL_SCALE = 0.999


@dataclass(frozen=True)
class Sound:
    """Measures of a recording."""

    seconds: float
    # Root mean square of what is not silence, in decibels of full scale; -inf for a recording without any.
    level_db: float
    # Share of 20 ms windows that are silence: 40 dB below the loud ones, or under -70 dB.
    silence: float
    # Share of samples at full scale.
    clipped: float


@dataclass(frozen=True)
class Picture:
    """Measures of a line's picture at the frontend's height, in grey levels 0 (black) to 255."""

    # The 0.1th, 50th and 99th percentile: ditto marks are less than a hundredth of their line.
    dark: float
    middle: float
    bright: float

    @property
    def contrast(self) -> float:
        """Grey levels between the darkest and the brightest."""
        return self.bright - self.dark

    @property
    def inverted(self) -> bool:
        """Whether most of the picture is near its dark end: light ink on dark paper."""
        return self.bright - self.middle > 2 * (self.middle - self.dark)


@dataclass(frozen=True)
class Facts:
    """What one file is like, as far as it could be decoded."""

    # "" or "missing", "unreadable", "damaged"; with the reason, what follows is then empty.
    trouble: str = ""
    reason: str = ""
    # Stretches that could not be decoded, though the rest could.
    damage: tuple[str, ...] = ()
    # BLAKE2b of the bytes.
    digest: str = ""
    # T, before the network's shortening.
    frames: int = 0
    content: Sound | Picture | None = None


def examine(path: Path, frontend: Frontend) -> Facts:
    """Decodes one file as training would, and measures it; never raises for what the file is like."""
    if not path.is_file() and archive.place(path) is None:
        return Facts("missing", f"{path} does not exist or is not a file")
    try:
        with open_bytes(path) as file:
            digest = hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()
    except OSError as error:
        return Facts("unreadable", f"{path} cannot be read ({error.strerror})")
    except InputError as error:  # a tar without this member
        return Facts("missing", str(error))
    damage: list[str] = []
    try:
        if isinstance(frontend, SpeechFrontend):
            waveform = audio.read(path, frontend.rate_hz, damage=damage)
            hop = round(frontend.hop_seconds * frontend.rate_hz)
            return Facts(
                damage=tuple(damage),
                digest=digest,
                frames=1 + len(waveform) // hop,
                content=sound(waveform, frontend.rate_hz),
            )
        line = frontends.decode(path, frontend)
        assert isinstance(line, Image.Image)
        return Facts(digest=digest, frames=line.width, content=picture(line))
    except InputError as error:
        return Facts("damaged", str(error), digest=digest)


def open_bytes(path: Path) -> io.BytesIO | io.BufferedReader:
    """A file, or a member of a tar, for reading its bytes."""
    source = archive.resolve(path)
    return io.BytesIO(source) if isinstance(source, bytes) else path.open("rb")


def sound(waveform: Waveform, rate_hz: int) -> Sound:
    """(n,) samples, n > 0 -> measures, over windows of 20 ms."""
    size = max(1, round(0.02 * rate_hz))
    whole = np.pad(waveform, (0, -len(waveform) % size)).reshape(-1, size)
    power = np.square(whole, dtype=np.float64).mean(axis=1)
    # "Loud" is what the five loudest windows reach, not the peak: one click makes no speech.
    loud = np.sort(power)[-min(5, power.size)]
    active = power > max(loud * 1e-4, 1e-7)
    level = float(power[active].mean()) if active.any() else 0.0
    return Sound(
        len(waveform) / rate_hz,
        10 * math.log10(level) if level > 0 else -math.inf,
        1 - float(active.mean()),
        float((np.abs(waveform) >= _FULL_SCALE).mean()),
    )


def picture(line: Image.Image) -> Picture:
    """A grey line -> measures."""
    dark, middle, bright = np.percentile(np.asarray(line), [0.1, 50, 99])
    return Picture(float(dark), float(middle), float(bright))


def workers_for(files: int) -> int:
    """How many worker processes that many files are worth: 0 for none."""
    return min(os.cpu_count() or 1, files // _WORTH_A_WORKER)


def examine_all(
    paths: Sequence[Path], frontend: Frontend, workers: int = 0, progress: Callable[[int], object] | None = None
) -> dict[Path, Facts]:
    """Facts of each file, over `workers` processes (0: here); `progress` is told how many more are done.

    Ctrl-C ends it at once. A file that makes FFmpeg crash takes its worker along: refused with the files in question.
    """
    found: dict[Path, Facts] = {}
    for part in _here(paths, frontend) if workers < 1 else _apart(paths, frontend, workers):
        found |= part
        if progress:
            progress(len(part))
    return found


def _here(paths: Sequence[Path], frontend: Frontend) -> Iterator[dict[Path, Facts]]:
    return ({path: examine(path, frontend)} for path in paths)


def _apart(paths: Sequence[Path], frontend: Frontend, workers: int) -> Iterator[dict[Path, Facts]]:
    # Spawned, not forked: PyTorch's threads do not survive a fork.
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, context, initializer=_start_worker)
    try:
        waiting: dict[Future[dict[Path, Facts]], Sequence[Path]] = {}
        for first in range(0, len(paths), 16):
            chunk = paths[first : first + 16]
            waiting[pool.submit(_examine_chunk, chunk, frontend)] = chunk
        for future in as_completed(waiting):
            try:
                yield future.result()
            except BrokenProcessPool as error:
                raise InputError(
                    f"a worker process died while it decoded files, one of those from {waiting[future][0]} to "
                    f"{waiting[future][-1]} or read at that time; --workers 0 goes through them one by one"
                ) from error
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _start_worker() -> None:
    """Ctrl-C is the parent's affair; one thread each, since there is a worker for each core."""
    import torch

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    torch.set_num_threads(1)


def _examine_chunk(paths: Sequence[Path], frontend: Frontend) -> dict[Path, Facts]:
    return {path: examine(path, frontend) for path in paths}
