"""Memory that is free, and what to say when it has run out."""

import contextlib
import ctypes
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch

from recog.errors import TrainingError

# Where Linux tells a container's limit: cgroup version 2, then 1.
_LIMITS = (
    ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
    ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes"),
)


def free_bytes(device: torch.device) -> int | None:
    """What may still be taken: of the GPU's memory, or of main memory within the container; None where nobody tells."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    found = [free for free in (_of_machine(Path("/proc/meminfo")), _of_container(_LIMITS)) if free is not None]
    return min(found) if found else _by_pages()


def _of_machine(meminfo: Path) -> int | None:
    """Linux: what may be had without swapping, caches that can be dropped included."""
    try:
        lines = meminfo.read_text(encoding="ascii").splitlines()
    except (OSError, UnicodeDecodeError):
        return None
    kilobytes = [line.split()[1] for line in lines if line.startswith("MemAvailable:")]
    return int(kilobytes[0]) * 1024 if kilobytes else None


def _of_container(places: Sequence[tuple[str, str]]) -> int | None:
    for limit, used in places:
        with contextlib.suppress(OSError, ValueError):  # another version, or "max"
            return max(0, int(Path(limit).read_text()) - int(Path(used).read_text()))
    return None


def _by_pages() -> int | None:
    """Elsewhere: all of the machine's memory, where the system tells."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return None


def give_back() -> None:
    """Hands memory that was freed back to the system, where the C library (glibc) keeps it for itself.

    Batches of many shapes leave holes that no later batch fits into: a training that needs 2 GB held 10 after an hour.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    if trim is not None:
        trim(0)


def ran_out(error: BaseException) -> bool:
    """Whether an error says that memory is used up; on a CPU PyTorch says so in a plain RuntimeError."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    told = str(error)
    return isinstance(error, RuntimeError) and (
        "can't allocate memory" in told or "not enough memory" in told or "CUBLAS_STATUS_ALLOC_FAILED" in told
    )


@contextlib.contextmanager
def explained(lengths: Sequence[int], device: torch.device) -> Iterator[None]:
    """Turns an error of used-up memory within the block into a sentence with the setting that would fit.

    `lengths`: in frames, of the samples of the batch at hand.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not ran_out(error):
            raise
        place = "the GPU's memory" if device.type == "cuda" else "main memory"
        if len(lengths) == 1:
            batch, advice = "a single sample,", "cut it into shorter ones, or leave it out"
        else:
            half = rounded(max(*lengths, len(lengths) * max(lengths) // 2))
            batch = f"a batch of {len(lengths)} samples,"
            advice = (
                f"--set data.batch_frames={half} --set fit.accumulate=2 halves the memory and learns the same, in a new "
                "run or with --resume"
            )
        raise TrainingError(
            f"{batch} {len(lengths) * max(lengths)} padded frames, does not fit into {place}; {advice}"
        ) from error


def rounded(number: int) -> int:
    """Down to two leading digits: a setting that people can read."""
    power = 10 ** max(0, len(str(number)) - 2)
    return int(number // power * power)
