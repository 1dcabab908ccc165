"""The same seed, the same weights: what a draw depends on, and how a GPU is made to repeat itself."""

import contextlib
import os
from collections.abc import Iterator

import numpy as np
import torch


def seeded(*numbers: int) -> None:
    """Starts PyTorch's generators from these numbers (at least 0): what comes next depends on nothing that came before."""
    torch.manual_seed(int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0] >> np.uint64(1)))


@contextlib.contextmanager
def deterministic(wanted: bool) -> Iterator[None]:
    """Within the block PyTorch takes only ways that give the same result each time, and refuses an operation without one."""
    if not wanted:
        yield
        return
    before = torch.are_deterministic_algorithms_enabled()
    benchmark = torch.backends.cudnn.benchmark
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # read when cuBLAS is first used
    torch.use_deterministic_algorithms(True)
    torch.backends.cudnn.benchmark = False
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before)
        torch.backends.cudnn.benchmark = benchmark
