"""A few requests at a time on the model, in a fair order: whoever was served longest ago is next."""

import threading
from collections import Counter, OrderedDict, deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

from pipelines.web.refusals import RefusalError

T = TypeVar("T")


class Turns:
    """Runs work in threads of its own. Clients take turns, so that a hundred files of one do not hold up another's.

    `together` pieces of work run side by side; of one client at most all but one, so that its long recordings always
    leave room for somebody else.
    """

    def __init__(self, most_waiting: int = 64, together: int = 1) -> None:
        self.most_waiting, self.together = most_waiting, together
        self._waiting: OrderedDict[str, deque[tuple[Future[Any], Callable[[], Any]]]] = OrderedDict()
        self._running: Counter[str] = Counter()
        self._changed = threading.Condition()
        self._threads = 0
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
            if self._threads < self.together:
                self._threads += 1
                threading.Thread(target=self._serve, name="turns", daemon=True).start()
            self._changed.notify_all()
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
            self._changed.notify_all()
        for future in left:
            future.cancel()

    def _serve(self) -> None:
        while (turn := self._next()) is not None:
            client, future, work = turn
            try:
                if future.set_running_or_notify_cancel():
                    try:
                        result = work()
                    except BaseException as error:
                        future.set_exception(error)
                    else:
                        future.set_result(result)
                        del result
            finally:
                with self._changed:
                    self._running[client] -= 1
                    self._running += Counter()  # forgets who has nothing running
                    self._changed.notify_all()
            del turn, future, work  # what was read is not kept until somebody else comes

    def _next(self) -> tuple[str, Future[Any], Callable[[], Any]] | None:
        most = max(1, self.together - 1)
        with self._changed:
            while True:
                client = next((one for one in self._waiting if self._running[one] < most), None)
                if client is not None:
                    break
                if self._closed:
                    return None
                self._changed.wait()
            queue = self._waiting.pop(client)
            future, work = queue.popleft()
            if queue:
                self._waiting[client] = queue  # at the end: the others first
            self._running[client] += 1
            return client, future, work
