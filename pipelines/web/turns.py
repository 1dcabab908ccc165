"""One request at a time on the model, in a fair order: whoever was served longest ago is next."""

import threading
from collections import OrderedDict, deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

from pipelines.web.refusals import RefusalError

T = TypeVar("T")


class Turns:
    """Runs work in a thread of its own. Clients take turns, so that a hundred files of one do not hold up another's."""

    def __init__(self, most_waiting: int = 64) -> None:
        self.most_waiting = most_waiting
        self._waiting: OrderedDict[str, deque[tuple[Future[Any], Callable[[], Any]]]] = OrderedDict()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._closed = False

    def ask(self, client: str, work: Callable[[], T]) -> "Future[T]":
        """Queues work and gives its future, which may be cancelled until the work begins.

        Refuses (503) where `most_waiting` are waiting already, or after `close`.
        """
        future: Future[T] = Future()
        with self._changed:
            if self._closed:
                raise RefusalError(503, "the server is stopping")
            if len(self) >= self.most_waiting:
                raise RefusalError(503, f"{self.most_waiting} requests are waiting already; try again in a moment")
            self._waiting.setdefault(client, deque()).append((future, work))
            if self._thread is None:
                self._thread = threading.Thread(target=self._serve, name="turns", daemon=True)
                self._thread.start()
            self._changed.notify()
        return future

    def __len__(self) -> int:
        """How many wait; those that were cancelled while waiting do not count."""
        with self._changed:
            return sum(not future.cancelled() for queue in self._waiting.values() for future, _ in queue)

    def close(self) -> None:
        """Cancels what waits; what runs is run to its end."""
        with self._changed:
            self._closed = True
            left = [future for queue in self._waiting.values() for future, _ in queue]
            self._waiting.clear()
            self._changed.notify()
        for future in left:
            future.cancel()

    def _serve(self) -> None:
        while (turn := self._next()) is not None:
            future, work = turn
            if not future.set_running_or_notify_cancel():
                continue
            try:
                result = work()
            except BaseException as error:
                future.set_exception(error)
            else:
                future.set_result(result)
            del turn, future, work  # what was read is not kept until somebody else comes

    def _next(self) -> tuple[Future[Any], Callable[[], Any]] | None:
        with self._changed:
            while not self._waiting:
                if self._closed:
                    return None
                self._changed.wait()
            client, queue = self._waiting.popitem(last=False)
            turn = queue.popleft()
            if queue:
                self._waiting[client] = queue  # at the end: the others first
            return turn
