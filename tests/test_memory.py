"""Memory: what is freed goes back to the system."""

import os
from pathlib import Path

import pytest
import torch

from recog import memory


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="only Linux tells how much memory a process holds")
def test_memory_between_what_is_kept_is_handed_back() -> None:
    def held() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    blocks = [torch.ones(25_000) for _ in range(800)]  # 80 MB in pieces that come from the heap
    kept = blocks[::20]  # what stays pins the heap's end and parts the holes
    before = held()
    del blocks
    memory.give_back()
    assert before - held() > 50e6
    assert len(kept) == 40
