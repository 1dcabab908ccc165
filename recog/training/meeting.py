"""Where the processes of a run meet: a part of `torchrun`'s store that nobody has written to before.

The store outlives processes that failed. Those started in their place would find the addresses of the dead there, and
whoever looks before the others have written theirs connects to nobody.
"""

import time
import uuid

from torch.distributed.distributed_c10d import PrefixStore, Store

from recog.errors import TrainingError

# Seconds between two looks, and after which nobody else is expected any more.
_LOOK, _PATIENCE = 0.02, 600.0


def fresh(store: Store, rank: int, size: int, patience_seconds: float = _PATIENCE) -> PrefixStore:
    """The same new part of the store for all `size` processes that call this now, whatever earlier ones have left.

    The first process names it. It learns from a sign that each of the others has drawn who is there, and goes on only
    when all have said that they know the name: a sign of the dead is answered too, but nobody says so.
    Refuses to wait for longer than `patience_seconds` (TrainingError).
    """
    until = time.monotonic() + patience_seconds
    if rank:
        sign = uuid.uuid4().hex
        store.set(f"here/{rank}", sign)
        while not store.check([f"name/{sign}"]):
            _wait(until, "the first process")
        name = store.get(f"name/{sign}").decode()
        store.set(f"{name}/knows/{rank}", "yes")
        return PrefixStore(name, store)
    name, missing = uuid.uuid4().hex, list(range(1, size))
    while missing:
        for other in missing:
            if store.check([f"here/{other}"]):
                store.set(f"name/{store.get(f'here/{other}').decode()}", name)
        missing = [other for other in missing if not store.check([f"{name}/knows/{other}"])]
        if missing:
            _wait(until, f"process {missing[0]}")
    return PrefixStore(name, store)


def _wait(until: float, whom: str) -> None:
    if time.monotonic() > until:
        raise TrainingError(f"{whom} of this run did not come; see what it said, and start all of them again")
    time.sleep(_LOOK)
