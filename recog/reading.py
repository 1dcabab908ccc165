"""Examples read and changed ahead of the network, by worker processes, so that a fast device need not wait.

Every item has its worker (its row number modulo their number), so that what is kept in memory is kept once. Which worker
computes an example changes nothing in it. A worker ends with the process it works for, whatever ends that one.
"""

import contextlib
import json
import multiprocessing
import queue
import signal
import sys
import threading
import traceback
from collections import deque
from collections.abc import Iterator, Sequence
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any

import numpy as np
import torch

from recog import errors
from recog.data import Example, Samples, examples
from recog.errors import RecogError, TrainingError

# Batches under way beside the one in use.
AHEAD = 4


class Reader:
    """Batches of examples in order; use it as a context, at whose end the workers end."""

    def __init__(self, samples: Samples, workers: int = 0) -> None:
        self.samples = samples
        self._workers = [_Worker(samples.share(number, workers)) for number in range(workers)]

    def __enter__(self) -> "Reader":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Ends the workers."""
        for worker in self._workers:
            worker.hang_up()
        for worker in self._workers:
            worker.end()
        self._workers = []

    def batches(self, batches: Sequence[Sequence[int]], epoch: int, seed: int) -> Iterator[list[Example]]:
        """The examples of each batch, the next ones already under way. What a worker refuses is raised here."""
        waiting: deque[Sequence[int]] = deque()
        coming = iter(batches)
        try:
            while True:
                while len(waiting) <= AHEAD and (batch := next(coming, None)) is not None:
                    waiting.append(batch)
                    for worker, items in zip(self._workers, self._shares(batch), strict=True):
                        worker.ask(items, epoch, seed)
                if not waiting:
                    return
                yield self._collect(waiting.popleft(), epoch, seed)
        finally:  # who stops in the middle of an epoch leaves nothing behind for the next one
            for batch in waiting:
                for worker, items in zip(self._workers, self._shares(batch), strict=True):
                    worker.forget(items)

    def _shares(self, batch: Sequence[int]) -> list[list[int]]:
        count, rows = len(self._workers), len(self.samples)
        return [[item for item in batch if item % rows % count == number] for number in range(count)]

    def _collect(self, batch: Sequence[int], epoch: int, seed: int) -> list[Example]:
        if not self._workers:
            return list(examples(self.samples, batch, epoch, seed))
        shares = self._shares(batch)
        # All are heard before a refusal is raised: no answer may be left over for another question.
        answers = [worker.answer(items) for worker, items in zip(self._workers, shares, strict=True)]
        found: dict[int, Example] = {}
        for items, answer in zip(shares, answers, strict=True):
            found |= zip(items, unpack(answer) if items else [], strict=True)
        return [found[item] for item in batch]


class _Worker:
    """A process and the line to it. Answers come in the order of the questions."""

    def __init__(self, samples: Samples) -> None:
        # A fresh process, since one forked from a process with threads may hang in them.
        method = "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"
        context: Any = multiprocessing.get_context(method)
        context.set_forkserver_preload(["recog.data"])
        self._line, other = context.Pipe()
        self._process = context.Process(target=_work, args=(other, samples), daemon=True)
        self._process.start()
        other.close()
        # Answers are taken in at once, so that the worker goes on while the device computes.
        self._answers: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()
        self._forgotten = 0

    def _listen(self) -> None:
        try:
            while True:
                self._answers.put(self._line.recv_bytes())
        except (EOFError, OSError):
            self._answers.put(None)

    def ask(self, items: Sequence[int], epoch: int, seed: int) -> None:
        """Asks for examples."""
        if items:
            with contextlib.suppress(OSError):  # it has ended; the answer, which will not come, says so
                self._line.send_bytes(json.dumps([list(items), epoch, seed]).encode())

    def answer(self, items: Sequence[int]) -> bytes:
        """The answer to the oldest question that has none yet; nothing where nothing was asked."""
        while items and self._forgotten:
            self._next()
            self._forgotten -= 1
        return self._next() if items else b""

    def forget(self, items: Sequence[int]) -> None:
        """The answer to one more question is not wanted any more."""
        self._forgotten += bool(items)

    def _next(self) -> bytes:
        content = self._answers.get()
        if content is None:
            self._answers.put(None)
            self._process.join(5)
            raise TrainingError(
                f"a process that reads samples has ended by itself (exit code {self._process.exitcode}; -9 is often a "
                "lack of memory); set data.workers lower, or to 0, and guard your own script by __name__ == '__main__'"
            )
        return content

    def hang_up(self) -> None:
        """Tells the worker that no question will follow."""
        with contextlib.suppress(OSError):
            self._line.send_bytes(b"")

    def end(self) -> None:
        """Waits for the worker to end; one that does not hear is ended."""
        self._process.join(3)
        if self._process.is_alive():
            self._process.terminate()
            self._process.join()
        self._listener.join()
        self._line.close()


def _work(line: Connection, samples: Samples) -> None:
    """A worker's life: questions in, answers out, until there are no more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all; the process that asks decides what it means
    torch.set_num_threads(1)
    with contextlib.suppress(EOFError, OSError):  # who asked is gone
        while question := line.recv_bytes():
            items, epoch, seed = json.loads(question)
            line.send_bytes(_answer(samples, items, epoch, seed))


def _answer(samples: Samples, items: Sequence[int], epoch: int, seed: int) -> bytes:
    done: list[Example] = []
    try:
        for item in items:
            done.append(samples.example(item, epoch, seed))
    except RecogError as error:
        return pack([], {"error": type(error).__name__, "text": str(error)})
    except Exception as error:
        traceback.print_exc(file=sys.stderr)  # a fault of ours: where it is must not be lost
        row = samples.rows[items[len(done)] % len(samples)]
        return pack([], {"error": "TrainingError", "text": f"row {row.id}: {type(error).__name__}: {error}"})
    return pack(done, {})


def pack(done: Sequence[Example], told: dict[str, Any]) -> bytes:
    """Examples, or a refusal, as bytes: a line of JSON and the features one after the other."""
    head = [
        {"id": one.id, "shape": list(one.features.shape), "target": one.target, "phones": one.phones} for one in done
    ]
    return b"".join(
        [json.dumps({"examples": head, **told}).encode(), b"\n", *(one.features.numpy().tobytes() for one in done)]
    )


def unpack(content: bytes) -> list[Example]:
    """The way back; a refusal is raised."""
    rest = content.index(b"\n") + 1
    told = json.loads(content[:rest])
    if "error" in told:
        raise getattr(errors, told["error"], TrainingError)(told["text"])
    values, start, found = np.frombuffer(content, np.float32, offset=rest).copy(), 0, []
    for head in told["examples"]:
        steps, width = head["shape"]
        features = torch.from_numpy(values[start : start + steps * width].reshape(steps, width))
        start += steps * width
        said = None if head["phones"] is None else tuple(head["phones"])
        found.append(Example(head["id"], features, tuple(head["target"]), said))
    return found
