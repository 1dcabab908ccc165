"""A value that is expensive to make, made at most once, whoever asks first."""

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

from recog.errors import RecogError

T = TypeVar("T")


class Once(Generic[T]):
    """Calls `make` on first use and keeps what it gave; a failure is not kept, so that a mended cause is noticed."""

    def __init__(self, make: Callable[[], T], guessed_seconds: float = 5.0) -> None:
        self._make, self._guessed_seconds = make, guessed_seconds
        self._lock = threading.Lock()
        self._made: T | None = None
        self._began: float | None = None

    @property
    def left(self) -> float:
        """Seconds until the value is there, as far as anybody knows; 0 where it is there already."""
        if self._made is not None:
            return 0.0
        spent = 0.0 if self._began is None else time.monotonic() - self._began
        return max(1.0, self._guessed_seconds - spent)

    def __call__(self) -> T:
        """The value; a second thread waits for the first one's making instead of making it again."""
        with self._lock:
            if self._made is None:
                self._began = time.monotonic()
                try:
                    self._made = self._make()
                finally:
                    self._began = None
            return self._made

    def become(self, value: T) -> None:
        """Gives another value from now on; who holds the old one keeps it."""
        with self._lock:
            self._made = value

    def problem(self) -> str:
        """Why the value cannot be made, in one sentence; empty where it can."""
        try:
            self()
        except RecogError as error:
            return str(error)
        return ""

    def start(self) -> None:
        """Begins to make the value in the background; a failure is told to whoever asks for the value later."""
        threading.Thread(target=self.problem, daemon=True).start()
