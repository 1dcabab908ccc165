"""Work that takes longer than a second: how far it is, how long it will take, and a way to stop it."""

import html
import queue
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import gradio as gr

T = TypeVar("T")

# What is left is told from the second second on, when there is something to reckon with.
_FIRST_SECONDS = 1.0
# How often the page hears of the work, at most and at least.
_SOONEST_SECONDS, _LATEST_SECONDS = 0.4, 2.0
# Where the time was guessed: the most that is shown as done, and how many times as long as guessed is late.
_MOST_GUESSED, _LATE = 0.95, 1.5


class StoppedError(Exception):
    """The user stopped the work."""


@dataclass(frozen=True)
class Step:
    """How far the work is."""

    # In one unit or another; no total where nobody knows.
    done: float = 0.0
    total: float | None = None
    # What it is about, in plain text.
    about: str = ""
    # What there is so far, where it can be shown.
    partial: Any = None
    # Seconds that are expected to be left, where somebody knows better than by the share that is done.
    left: float | None = None
    # Seconds after the beginning when this was so; None: now.
    at: float | None = field(default=None, compare=False)


class Work(Generic[T]):
    """A call in a thread of its own. It is handed this object, whose `tell` it calls now and then."""

    def __init__(self, call: Callable[["Work[T]"], T]) -> None:
        self._call = call
        self._steps: queue.SimpleQueue[Step | None] = queue.SimpleQueue()
        self._stopped = threading.Event()
        self._result: list[T] = []
        self._error: BaseException | None = None
        self._began = 0.0
        # Done when the work has ended or was left, and nobody can stop it any more.
        self.ended: Callable[[], object] = lambda: None

    def tell(
        self,
        done: float = 0.0,
        total: float | None = None,
        about: str = "",
        partial: Any = None,
        left: float | None = None,
    ) -> None:
        """How far the work is, as in Step. Raises StoppedError where the user wants no more of it."""
        if self._stopped.is_set():
            raise StoppedError
        self._steps.put(Step(done, total, about, partial, left, self.seconds))

    def tell_ready(self, about: str, seconds: float) -> None:
        """That something is made ready, which takes about so many seconds; 0: it is ready."""
        if seconds > 0:
            self.tell(0.0, seconds, about, left=seconds)
        else:
            self.tell(about=about)

    def stop(self) -> None:
        """Ends the work the next time that it tells how far it is; whoever follows `run` is told at once."""
        self._stopped.set()
        self._steps.put(None)

    @property
    def stopped(self) -> bool:
        """Whether somebody stopped it."""
        return self._stopped.is_set()

    def run(self) -> Iterator[tuple[Step, float]]:
        """Does the work: its steps, not more often than the eye follows, each with the seconds since the beginning.

        Whoever leaves this iterator stops the work. Raises what the work raises, or StoppedError as soon as somebody
        stopped it: what it is at then is not waited for.
        """
        self._began = time.monotonic()
        threading.Thread(target=self._work, name="work", daemon=True).start()
        last, shown = Step(), 0.0
        try:
            while True:
                try:
                    step = self._steps.get(timeout=_LATEST_SECONDS)
                except queue.Empty:
                    step = last  # time goes on
                if step is None:
                    break
                last, now = step, time.monotonic()
                if now - shown >= _SOONEST_SECONDS:
                    shown = now
                    yield step, now - self._began
            left = self.stopped
        finally:
            self.stop()
            self.ended()
        if left:
            raise StoppedError
        if self._error is not None:
            raise self._error

    @property
    def result(self) -> T:
        """What came of it, after `run`."""
        return self._result[0]

    @property
    def seconds(self) -> float:
        """Since the beginning."""
        return time.monotonic() - self._began

    def _work(self) -> None:
        try:
            self._result.append(self._call(self))
        except BaseException as error:  # it is raised where the work was asked for
            self._error = error
        self._steps.put(None)


class Sessions:
    """The work of every open page, so that its own button stops it, and closing the page does too."""

    def __init__(self) -> None:
        self._works: dict[str, Work[Any]] = {}
        self._lock = threading.Lock()

    def begin(self, session: str | None, work: Work[T]) -> Work[T]:
        """Takes note of the work of a session; an earlier one that still runs is stopped."""
        with self._lock:
            before = self._works.pop(session or "", None)
            self._works[session or ""] = work
        # What came of it, and of whose recording, is not kept here.
        work.ended = lambda: self._forget(session, work)
        if before is not None:
            before.stop()
        return work

    def stop(self, session: str | None) -> None:
        """Stops the work of a session, if there is any."""
        with self._lock:
            work = self._works.pop(session or "", None)
        if work is not None:
            work.stop()

    def busy(self, session: str | None) -> bool:
        """Whether work of the session is under way."""
        with self._lock:
            return (session or "") in self._works

    def _forget(self, session: str | None, work: Work[Any]) -> None:
        with self._lock:
            if self._works.get(session or "") is work:
                del self._works[session or ""]


def session(request: gr.Request | None) -> str | None:
    """The open page that asks."""
    return request.session_hash if request else None


def bar(step: Step, seconds: float) -> str:
    """How far the work is, as HTML: a bar, a share, and the time that is left."""
    about = html.escape(step.about)
    if not step.total:
        return f'<div class="progress"><progress aria-label="{about}"></progress><span>{about}</span></div>'
    share = min(1.0, max(0.0, step.done / step.total))
    at, expected = seconds if step.at is None else step.at, step.left
    passed = seconds - at
    if expected:
        # Nobody tells how far it is until it is done; by now so much of what was left has passed.
        share += (1 - share) * min(_MOST_GUESSED, passed / expected)
    elif expected is None and share > 0:
        expected = at * (1 - share) / share
    left = ""
    if expected is not None and seconds >= _FIRST_SECONDS:
        # A guess that was much too short is no promise any more.
        late = bool(step.left) and passed > _LATE * expected
        left = ", longer than expected" if late else f", {remaining(expected - passed)}"
    return (
        f'<div class="progress"><progress max="100" value="{100 * share:.0f}" aria-label="{about}"></progress>'
        f"<span>{about}: {100 * share:.0f} %{left}</span></div>"
    )


def remaining(seconds: float) -> str:
    """Seconds in words that promise no more than they know."""
    if seconds < 1.5:
        return "about a second left"
    if seconds < 90:
        return f"about {round(seconds) if seconds < 20 else round(seconds / 5) * 5} seconds left"
    return f"about {round(seconds / 60)} minutes left"
