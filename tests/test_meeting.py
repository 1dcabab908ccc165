"""Processes of a run meet where those before them have left nothing; threads stand for them."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from torch import distributed

from recog.errors import TrainingError
from recog.training import meeting

pytestmark = pytest.mark.skipif(not distributed.is_available(), reason="this PyTorch has no processes to meet")
SIZE = 3


def meet(store: distributed.Store, order: list[int]) -> None:
    """All processes come, in this order, and write where they have met."""
    with ThreadPoolExecutor(SIZE) as pool:
        coming = []
        for rank in order:
            coming.append(pool.submit(meeting.fresh, store, rank, SIZE, 20.0))
            time.sleep(0.05)
        places = [one.result() for one in coming]
    assert not any(place.check(["address/0"]) for place in places)  # nothing of those before
    for rank, place in zip(order, places, strict=True):
        place.set(f"address/{rank}", "somewhere")
    assert all(place.check([f"address/{rank}" for rank in range(SIZE)]) for place in places)


def test_those_who_meet_again_find_nothing_of_the_first_time() -> None:
    store = distributed.HashStore()
    for order in ([0, 1, 2], [0, 2, 1], [2, 1, 0], [1, 0, 2]):
        meet(store, order)


def test_the_sign_of_a_dead_process_is_not_taken_for_a_living_one() -> None:
    store = distributed.HashStore()
    store.set("here/1", "dead")
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(meeting.fresh, store, 0, 2, 20.0)
        while not store.check(["name/dead"]):
            time.sleep(0.01)
        time.sleep(0.1)
        assert not first.done()
        other = pool.submit(meeting.fresh, store, 1, 2, 20.0)
        first.result().set("x", "met")
        assert other.result().get("x") == b"met"


def test_who_waits_in_vain_is_told_for_whom() -> None:
    store = distributed.HashStore()
    with pytest.raises(TrainingError, match="process 1 of this run did not come"):
        meeting.fresh(store, 0, 2, 0.1)
    with pytest.raises(TrainingError, match="the first process of this run did not come"):
        meeting.fresh(store, 1, 2, 0.1)
