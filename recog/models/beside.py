"""Two computations side by side, each on half of the threads that PyTorch may use.

Many small operations in a row leave a second thread within each of them little to do; two such rows fill both. PyTorch
and compiled loops (`recog.compile`) let go of Python's lock while they compute.
"""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch

Found = TypeVar("Found")

# The helper of each process: a fork inherits the object, but not its thread.
_helpers: dict[int, ThreadPoolExecutor] = {}


def side_by_side(one: Callable[[], Found], other: Callable[[], Found]) -> tuple[Found, Found]:
    """What both find, computed without gradients; one after the other where PyTorch has a single thread."""
    threads = torch.get_num_threads()
    with torch.no_grad():
        if threads < 2:
            return one(), other()
        helper = _helpers.get(os.getpid())
        if helper is None:
            helper = _helpers[os.getpid()] = ThreadPoolExecutor(1, "beside")
        coming = helper.submit(_on, threads // 2, other)
        torch.set_num_threads(threads - threads // 2)
        try:
            found = one()
        finally:
            coming.exception()  # waits: the other must not go on in a computation that has ended
            torch.set_num_threads(threads)
        return found, coming.result()


def _on(threads: int, call: Callable[[], Found]) -> Found:
    if torch.get_num_threads() != threads:  # asked first: a thread's number is set when it is first asked for
        torch.set_num_threads(threads)
    with torch.no_grad():
        return call()
