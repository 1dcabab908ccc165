"""Ending a run from outside: SIGTERM and Ctrl-C are noted and heard at the next safe place."""

import signal
import threading
from typing import Any

from recog.errors import TrainingError


class StoppedError(TrainingError):
    """The run was asked to end; its state is saved."""


class StopRequest:
    """Within its block, notes SIGTERM and Ctrl-C, so that the loop can save before it ends; a second one ends at once."""

    def __init__(self) -> None:
        self.requested = ""
        self._before: dict[int, Any] = {}

    def __enter__(self) -> "StopRequest":
        if threading.current_thread() is threading.main_thread():  # Python hears signals there alone
            for number in (signal.SIGTERM, signal.SIGINT):
                self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def check(self, _: object = None) -> None:
        """Raises StoppedError where a stop was asked for."""
        if self.requested:
            raise StoppedError(f"stopped by {self.requested}")

    def _note(self, number: int, _frame: object) -> None:
        if self.requested:
            raise KeyboardInterrupt
        self.requested = signal.Signals(number).name
