"""Which words an example holds: two rows of one speaker or writer joined, a row cut where its words part, or both."""

import bisect
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from recog import image
from recog.audio import Waveform
from recog.errors import ConfigError, ManifestError

# A piece of a mosaic has so many words at most.
PIECE = 3


@dataclass(frozen=True)
class Passage:
    """How often rows are joined and cut."""

    # Chance that another row of the same speaker or writer follows, if both together are no longer than the longest row.
    join: float = 0.0
    # Chance that a row is cut down to a run of its words; only rows that tell where their words stand.
    split: float = 0.0
    # Chance that the first words of a row are followed by the last ones of another of the same speaker or writer, together
    # about as long as a row: sentences nobody wrote, in a hand that did. Only rows that tell where their words stand.
    mix: float = 0.0
    # Chance that a row is pieced together anew, from a few words each of any rows of the same speaker or writer, until it is about as
    # long as it was: what few rows say cannot be learnt by heart. Only rows that tell where their words stand.
    mosaic: float = 0.0

    def __post_init__(self) -> None:
        if not all(0 <= chance <= 1 for chance in (self.join, self.split, self.mix, self.mosaic)):
            raise ConfigError("augment.passage: join, split, mix and mosaic are chances; expected 0..1")

    @property
    def cuts(self) -> bool:
        """Whether rows are cut, at the places of their words."""
        return bool(self.split or self.mix or self.mosaic)


@dataclass(frozen=True)
class Placed:
    """A word and where it stands along the reading direction: seconds, or pixels of the picture."""

    text: str
    start: float
    end: float
    # How it is said, names of phones parted by spaces; None where nobody has told.
    phones: str | None = None


@dataclass(frozen=True)
class Run:
    """A part of a row: its words, and where to cut, as Placed."""

    text: str
    start: float
    end: float
    # Those of its words; None where one of them does not tell.
    phones: str | None = None


def placed_words(words: Any, where: str) -> list[Placed]:
    """What a manifest row says under `words`, in the form of transcripts. Refuses any other form, and words out of order."""
    found: list[Placed] = []
    for word in words if isinstance(words, list) else [None]:
        told = word if isinstance(word, dict) else {}
        place = told.get("box", [told.get("start"), 0, told.get("end"), 0])
        sides: list[Any] = place if isinstance(place, list) and len(place) == 4 else [None]
        numbers = all(isinstance(side, int | float) and not isinstance(side, bool) for side in sides)
        if not (numbers and sides[0] < sides[2] and isinstance(told.get("text"), str)):
            raise ManifestError(f"{where}: 'words' must be a list of objects with text, start and end, or text and box")
        if not isinstance(phones := told.get("phones"), str | None):
            raise ManifestError(f"{where}: 'phones' of a word is {phones!r}; expected names of phones parted by spaces")
        found.append(Placed(told["text"], float(sides[0]), float(sides[2]), phones))
    if any(later.start < earlier.start for earlier, later in itertools.pairwise(found)):
        raise ManifestError(f"{where}: 'words' are not in reading order")
    return found


def draw_run(words: Sequence[Placed], random: np.random.Generator) -> Run:
    """At least half of the words, from a drawn one on; cut in the middle of the gap to the next word outside."""
    count = int(random.integers((len(words) + 1) // 2, len(words) + 1))
    first = int(random.integers(0, len(words) - count + 1))
    return _run(words, first, first + count)


def draw_halves(first: Sequence[Placed], second: Sequence[Placed], random: np.random.Generator) -> tuple[Run, Run]:
    """The beginning of one row and the end of another: what part of the first is kept is left out of the second.

    At least a word of each; each has two or more.
    """
    kept = int(random.integers(1, len(first)))
    left_out = round(len(second) * kept / len(first))
    return _run(first, 0, kept), _run(second, min(max(1, left_out), len(second) - 1), len(second))


def draw_piece(words: Sequence[Placed], random: np.random.Generator) -> Run:
    """One to three words of a row, fewer where it has no more."""
    count = min(int(random.integers(1, PIECE + 1)), len(words))
    first = int(random.integers(0, len(words) - count + 1))
    return _run(words, first, first + count)


def _run(words: Sequence[Placed], first: int, last: int) -> Run:
    """Words first..last (last excluded) of a row."""
    start = 0.0 if first == 0 else (words[first - 1].end + words[first].start) / 2
    end = float("inf") if last == len(words) else (words[last - 1].end + words[last].start) / 2
    kept = words[first:last]
    phones = [word.phones for word in kept if word.phones is not None]
    said = " ".join(phones) if len(phones) == len(kept) else None
    return Run(" ".join(word.text for word in kept), start, end, said)


def share(words: Sequence[Placed], run: Run) -> float:
    """About what part of a row is left, in length."""
    return max(0.0, min(run.end, words[-1].end) - run.start) / words[-1].end


def cut_sound(waveform: Waveform, run: Run, rate_hz: int) -> Waveform:
    """The samples of a run; never none."""
    start = min(round(run.start * rate_hz), len(waveform) - 1)
    end = len(waveform) if run.end == float("inf") else max(start + 1, round(run.end * rate_hz))
    return waveform[start:end]


def cut_line(line: Image.Image, run: Run, scale: float) -> Image.Image:
    """The columns of a run, whose places are times `scale` in this picture; never none."""
    start = min(round(run.start * scale), line.width - 1)
    end = line.width if run.end == float("inf") else min(line.width, max(start + 1, round(run.end * scale)))
    return line.crop((start, 0, end, line.height))


def join_sound(first: Waveform, second: Waveform, rate_hz: int, random: np.random.Generator) -> Waveform:
    """One after the other, with up to 0.3 s of near silence between, the second as loud as the first."""
    powers = [float(np.dot(x, x)) / len(x) for x in (first, second)]
    if min(powers) > 0:
        second = np.clip(second * np.float32((powers[0] / powers[1]) ** 0.5), -1, 1)
    pause = random.normal(0, 1e-4, int(random.integers(1, round(0.3 * rate_hz)))).astype(np.float32)
    return np.concatenate([first, pause, second])


def join_line(first: Image.Image, second: Image.Image, random: np.random.Generator) -> Image.Image:
    """One line of writing beside the other, a word's gap between, the second brought to the paper of the first."""
    gap = round(first.height * random.uniform(0.2, 0.5))
    papers = [int(image.percentiles(line, 70)[0]) for line in (first, second)]
    second = second.point([min(255, max(0, value + papers[0] - papers[1])) for value in range(256)])
    joined = Image.new("L", (first.width + gap + second.width, first.height), papers[0])
    joined.paste(first, (0, 0))
    joined.paste(second, (first.width + gap, 0))
    return joined


class Partners:
    """Rows of one speaker or writer, and how long they are: finds one that fits after another."""

    def __init__(self, owners: Sequence[str | None], lengths: Sequence[int]) -> None:
        self._owners, self._lengths = owners, lengths
        self._longest = max(lengths)
        self._of: dict[str, list[int]] = {}
        for index in sorted(range(len(owners)), key=lambda index: lengths[index]):
            owner = owners[index]
            if owner is not None:
                self._of.setdefault(owner, []).append(index)

    def draw(self, index: int, random: np.random.Generator) -> int | None:
        """Another row of the same owner such that both together are no longer than the longest row; None if there is none."""
        owner = self._owners[index]
        mine = self._of.get(owner, []) if owner is not None else []
        room = 0.95 * self._longest - self._lengths[index]  # the gap needs a place too
        fitting = bisect.bisect_right(mine, room, key=lambda other: self._lengths[other])
        if not fitting:
            return None
        other = mine[int(random.integers(fitting))]
        return None if other == index else other

    def any(self, index: int, random: np.random.Generator) -> int | None:
        """Another row of the same owner, however long; None if there is none."""
        owner = self._owners[index]
        mine = self._of.get(owner, []) if owner is not None else []
        if not mine:
            return None
        other = mine[int(random.integers(len(mine)))]
        return None if other == index else other
