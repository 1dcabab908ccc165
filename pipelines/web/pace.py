"""How long the steps of some work take, so that the time left can be told though no two steps are alike."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Way:
    """How far a walk is, in seconds that its steps are expected to take."""

    done: float
    total: float

    @property
    def left(self) -> float:
        """Seconds to go."""
        return self.total - self.done


class Pace:
    """Expects of every step the time that it took the last time; the first time, what was guessed."""

    def __init__(self, guessed: Mapping[str, float]) -> None:
        self.seconds = dict(guessed)

    def walk(self, steps: Sequence[str]) -> "Walk":
        """Begins to do these steps, in this order; each must have been guessed."""
        return Walk(self, steps)


class Walk:
    """Steps done one after another; some may be left out."""

    def __init__(self, pace: Pace, steps: Sequence[str]) -> None:
        self._pace, self._steps = pace, list(steps)
        self._expected = [pace.seconds[step] for step in steps]
        self._step, self._since = "", 0.0

    def begin(self, step: str) -> Way:
        """Ends the step before, and says how far that is."""
        self.end()
        self._step, self._since = step, time.monotonic()
        return Way(sum(self._expected[: self._steps.index(step)]), sum(self._expected))

    def end(self) -> None:
        """The last step is done, and is remembered."""
        if self._step:
            self._pace.seconds[self._step] = time.monotonic() - self._since
        self._step = ""
