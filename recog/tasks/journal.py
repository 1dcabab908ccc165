"""What each seed of an experiment gave, written down as soon as it is known: a run that was interrupted goes on."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from recog.errors import InputError

T = TypeVar("T")


@dataclass(frozen=True)
class Figures:
    """One figure a seed, and the processor minutes that all of them took."""

    values: list[Any]
    minutes: float


@dataclass
class Journal:
    """A file of lines {"what", "seed", "value", "seconds"}; without a path nothing is kept."""

    path: Path | None = None
    known: dict[tuple[str, int], tuple[Any, float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Reads what an earlier run wrote. Its last line may be cut short; any other that cannot be read is refused."""
        if self.path is None or not self.path.is_file():
            return
        text = self.path.read_text(encoding="utf-8")
        whole = text[: text.rfind("\n") + 1]
        if whole != text:
            self.path.write_text(whole, encoding="utf-8")
        for number, line in enumerate(whole.splitlines(), 1):
            try:
                entry = json.loads(line)
                self.known[entry["what"], entry["seed"]] = entry["value"], entry["seconds"]
            except (ValueError, KeyError, TypeError) as error:
                raise InputError(
                    f"line {number} of {self.path} is no figure of an experiment; give the file of an earlier run, or a new name"
                ) from error

    def figures(self, what: str, seeds: int, compute: Callable[[int], T]) -> Figures:
        """compute(seed) for seeds 0, 1, ...; those on file are taken from there.

        A value must be what JSON can hold: numbers, None, lists of them. `what` must say all that the value depends
        on but the seed; the file knows nothing of the code, so begin a new one after a change of it.
        """
        for seed in range(seeds):
            if (what, seed) in self.known:
                continue
            began = time.process_time()
            value = compute(seed)
            self.known[what, seed] = value, time.process_time() - began
            if self.path is not None:
                seconds = round(self.known[what, seed][1], 3)
                entry = {"what": what, "seed": seed, "value": value, "seconds": seconds}
                with self.path.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(entry) + "\n")
        found = [self.known[what, seed] for seed in range(seeds)]
        return Figures([value for value, _ in found], sum(seconds for _, seconds in found) / 60)
