"""Memory that a layer keeps from its way ahead to its way back, used again in the next step of a training.

The C library hands large blocks back to the system and gets them anew, page by page: tens of thousands of faults a
step, a tenth of its time.
"""

import threading
from collections import deque
from collections.abc import Iterable

import torch
from torch import Tensor

# A free block is taken for as little as this share of it; a smaller tensor would bind too much.
LEAST_SHARE = 0.8


class Buffers:
    """Blocks of memory that lie ready: with those on loan never more than were on loan at once."""

    def __init__(self) -> None:
        self._free: list[Tensor] = []
        self._lent = self._most = 0
        self._lock = threading.Lock()
        # A loan may end while the collector of garbage interrupts `take`, in the same thread: it must not wait for the lock.
        self._back: deque[Tensor] = deque()

    @property
    def free_bytes(self) -> int:
        """What lies ready."""
        with self._lock:
            self._gather()
            return sum(map(len, self._free))

    def lend(self) -> "Loan":
        """An empty loan."""
        return Loan(self)

    def take(self, size: int) -> Tensor:
        """A block of at least so many bytes: the smallest free one that fits, or a new one. What is in it is undefined."""
        with self._lock:
            self._gather()
            fitting = [block for block in self._free if LEAST_SHARE * len(block) <= size <= len(block)]
            block = min(fitting, key=len) if fitting else torch.empty(size, dtype=torch.uint8)
            self._free = [other for other in self._free if other is not block]
            self._lent += len(block)
            self._most = max(self._most, self._lent)
            while self._free and sum(map(len, self._free)) + self._lent > self._most:
                del self._free[0]  # the oldest
        return block

    def bring(self, blocks: Iterable[Tensor]) -> None:
        """Takes blocks back, from wherever it is called."""
        self._back.extend(blocks)

    def clear(self) -> None:
        """Lets go of what is free, and counts anew."""
        with self._lock:
            self._gather()
            self._free, self._most = [], self._lent

    def _gather(self) -> None:
        while self._back:
            block = self._back.popleft()
            self._lent -= len(block)
            self._free.append(block)


class Loan:
    """Blocks that are in use as long as this object is; then they are free again."""

    def __init__(self, buffers: Buffers) -> None:
        self._buffers, self._blocks = buffers, list[Tensor]()

    def empty(self, *shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
        """An undefined tensor."""
        size = torch.Size(shape).numel() * dtype.itemsize
        block = self._buffers.take(size)
        self._blocks.append(block)
        return block[:size].view(dtype).view(shape)

    def __del__(self) -> None:
        self._buffers.bring(self._blocks)
