"""One network for several requests at once: what they ask it while it works goes through it together, next."""

import contextlib
import threading
from collections import deque
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from recog.recognizer import Recognition, Recognizer
from recog.views import Look


class Recognising(Protocol):
    """A pipeline: what it reads with may be exchanged."""

    recognizer: Recognizer


P = TypeVar("P", bound=Recognising)


@dataclass
class _Asked:
    """The samples of one request, and what became of them."""

    features: list[Tensor]
    # The ways they are looked at.
    looks: tuple[Look, ...]
    found: list[tuple[int, NDArray[np.float32]]] = field(default_factory=list)
    failure: Exception | None = None
    done: bool = False

    @property
    def frames(self) -> int:
        return sum(len(matrix) for matrix in self.features)


class Cores:
    """Shares the processor's cores out among those who recognise at the same time.

    PyTorch gives every thread that asks a team of as many threads as there are cores, and teams wait for their next
    piece of work by spinning: two requests on two cores would spend more time in waiting than in work.
    """

    def __init__(self, every: int) -> None:
        self.every, self.busy = every, 0
        self._lock, self._own = threading.Lock(), threading.local()

    @contextlib.contextmanager
    def taken(self) -> Iterator[None]:
        """While a thread recognises it has the cores that the others, one each, leave; inside another `taken` of the
        same thread nothing changes.
        """
        if getattr(self._own, "inside", False):
            yield
            return
        with self._lock:
            self.busy += 1
        self._own.inside = True
        self.settle()
        try:
            yield
        finally:
            self._own.inside = False
            with self._lock:
                self.busy -= 1
                last = not self.busy
            if last:
                self.settle()  # new threads begin with what was said last

    def settle(self) -> None:
        """Gives the calling thread its cores as things stand now."""
        wanted = max(1, self.every - max(0, self.busy - 1))
        if torch.get_num_threads() != wanted:
            torch.set_num_threads(wanted)


# Of the whole process, as PyTorch's own setting is.
CORES = Cores(torch.get_num_threads())


class SharedRecognizer(Recognizer):
    """A recogniser that several threads may ask at the same time; everyone gets what it would have got alone.

    Nobody waits for others to come: who finds the network free takes along all that wait, up to `batch_frames` frames,
    in the order in which they came. A small batch costs nearly as much time as one sample, since the recurrence over
    time is what takes it.
    """

    def __init__(self, own: Recognizer) -> None:
        # The very same network and decoder: neither keeps anything between calls.
        self.__dict__.update(vars(own))
        self._changed = threading.Condition()
        self._waiting: deque[_Asked] = deque()
        self._busy = False
        # How often the network was run, and for how many requests together.
        self.runs = self.requests = 0

    def looks(
        self, features: Sequence[Tensor], looks: Sequence[Look] | None = None
    ) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """As `Recognizer.looks`, together with what others ask now."""
        asked = _Asked(list(features), tuple(self.views if looks is None else looks))
        with CORES.taken():
            self._ask(asked)
        if asked.failure is not None:
            raise asked.failure
        yield from asked.found

    def read(
        self, samples: Sequence[NDArray[np.float32]], documents: Sequence[Hashable] | None = None
    ) -> list[Recognition]:
        """As `Recognizer.read`, beside others."""
        with CORES.taken():
            return super().read(samples, documents)

    def _ask(self, asked: _Asked) -> None:
        """Waits until it is answered, or the network is free: then answers it with whoever else waits."""
        with self._changed:
            self._waiting.append(asked)
        while True:
            with self._changed:
                self._changed.wait_for(lambda: asked.done or not self._busy)
                if asked.done:
                    return
                group = self._group()
                self._busy = True
            try:
                self._run(group)
            finally:
                with self._changed:
                    self._busy = False
                    self._changed.notify_all()

    def _group(self) -> list[_Asked]:
        """Those who came first, as many as fit into a batch and want the same looks; at least one."""
        group = [self._waiting.popleft()]
        room = self.options.batch_frames - group[0].frames
        while self._waiting and self._waiting[0].frames <= room and self._waiting[0].looks == group[0].looks:
            group.append(self._waiting.popleft())
            room -= group[-1].frames
        return group

    def _run(self, group: Sequence[_Asked]) -> None:
        """Answers all of a group. What fails together is tried alone, so that one bad request harms no other."""
        CORES.settle()
        places = [(asked, number) for asked in group for number in range(len(asked.features))]
        try:
            features = [asked.features[number] for asked, number in places]
            for index, looks in super().looks(features, group[0].looks):
                asked, number = places[index]
                asked.found.append((number, looks))
        except Exception as error:
            for asked in group:
                asked.found.clear()
            if len(group) == 1:
                group[0].failure = error
            else:
                for asked in group:
                    self._run([asked])
                return
        finally:
            for asked in group:
                asked.done = True
        self.runs += 1
        self.requests += len(group)


def share(pipeline: P) -> P:
    """The pipeline, which from now on several threads ask together."""
    pipeline.recognizer = SharedRecognizer(pipeline.recognizer)
    return pipeline
