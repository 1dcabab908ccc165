"""Where words begin and end: the frames of their letters, put right by what goes on around them.

CTC says in which frames it is sure of a letter, not how long the letter lasts: spikes of one frame, late at a word's
beginning and early at its end. What lies between two words is therefore searched for their border: the longest quiet
stretch, else the quietest place near where the border is expected. "Quiet" is low activity, one number for each step
of the features: loudness for speech, ink for handwriting (`recog.activity`). The few numbers of `Timing` are tuned on
recordings whose borders are known and kept in the bundle.

    extents = place_words([(12, 20), (23, 31)], activity, steps=4, timing=Timing())
    seconds = [(extent.start * hop_seconds, extent.end * hop_seconds) for extent in extents]
"""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recog.errors import ConfigError

# Words further apart than twice this many frames have nothing to do with each other.
_REACH = 15.0
# What a frame's distance from the expected border costs, squared, against the range of activity.
_PULL = 0.05
# At most this part of a word's frames may be taken off each of its ends.
_MOST = 0.45


@dataclass(frozen=True)
class Timing:
    """How words are placed; lengths in frames of the network's output."""

    # Activity below this part of the way from the lowest to the highest is quiet, 0 to 1.
    quiet: float = 0.15
    # A quiet stretch that is shorter belongs to the word before it: no pause.
    pause: float = 2.0
    # How far into the words' own frames their border is looked for: the end of one, the beginning of the next.
    back: float = 1.0
    forth: float = 1.0
    # Where nothing is quiet: how long a word has begun before its first letter's frame, and goes on after its last's.
    onset: float = 1.0
    release: float = 2.0

    def __post_init__(self) -> None:
        if not 0 <= self.quiet <= 1:
            raise ConfigError(f"timing.quiet is {self.quiet}; expected 0 to 1")
        for name in ("pause", "back", "forth", "onset", "release"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ConfigError(f"timing.{name} is {getattr(self, name)}; it must be 0 or more frames")


# Until a bundle is tuned. Between written words there is paper, however little of it.
DEFAULTS = {"speech": Timing(), "handwriting": Timing(quiet=0.1, pause=0.5, onset=0.5, release=0.5)}


@dataclass(frozen=True)
class Extent:
    """Where a word stands, in steps of the features: start <= end."""

    start: float
    end: float


def place_words(
    frames: Sequence[tuple[int, int]], activity: NDArray[np.floating], steps: int, timing: Timing
) -> list[Extent]:
    """The extent of each word, in order and never overlapping.

    `frames` are the first frame of each word's first letter and the frame after its last letter's, in order;
    `activity` (T,) is that of the sample's features, `steps` of which make one frame.
    """
    if not frames:
        return []
    ground = _Ground(np.asarray(activity, np.float64), steps, timing)
    starts, ends = [ground.first(frames[0], 0)], []
    for before, after in itertools.pairwise(frames):
        end, start = ground.border(before, after)
        ends.append(end)
        starts.append(start)
    ends.append(ground.last(frames[-1], len(activity)))
    return [Extent(start, max(start, end)) for start, end in zip(starts, ends, strict=True)]


class _Ground:
    """The activity of one sample, and where in it words meet."""

    def __init__(self, activity: NDArray[np.float64], steps: int, timing: Timing) -> None:
        self.steps, self.timing = steps, timing
        low, high = np.percentile(activity, [5, 95]) if len(activity) else (0.0, 0.0)
        self.level = (activity - low) / max(high - low, 1e-9)
        self.is_quiet = self.level < (timing.quiet if high > low else -math.inf)

    def border(self, before: tuple[int, int], after: tuple[int, int]) -> tuple[float, float]:
        """Where the word before ends and the word after begins; frames as in `place_words`."""
        if after[0] - before[1] > 2 * _REACH:
            middle = (after[0] + before[1]) * self.steps // 2
            return self.last(before, middle), self.first(after, middle)
        low, high = self._earliest(before), self._latest(after)
        quiet = self._quiet(low, high)
        if quiet is not None:
            long = quiet.end - quiet.start >= self.timing.pause * self.steps
            return (quiet.start if long else quiet.end), quiet.end
        expected = max(after[0] - self.timing.onset, (before[1] + after[0]) / 2) * self.steps
        if high <= low:
            return expected, expected
        places = np.arange(low, high)
        cost = self.level[low:high] + _PULL * np.square((places - expected) / self.steps)
        place = float(places[np.argmin(cost)])
        return place, place

    def first(self, word: tuple[int, int], start: int) -> float:
        """Where a word begins before which there is none since step `start`."""
        low = max(start, math.ceil((word[0] - _REACH) * self.steps))
        quiet = self._quiet(low, self._latest(word))
        return quiet.end if quiet else max(float(start), (word[0] - self.timing.onset) * self.steps)

    def last(self, word: tuple[int, int], end: int) -> float:
        """Where a word ends after which there is none until step `end`."""
        high = min(end, math.floor((word[1] + _REACH) * self.steps))
        quiet = self._quiet(self._earliest(word), high)
        return quiet.start if quiet else min(float(end), (word[1] + self.timing.release) * self.steps)

    def _earliest(self, word: tuple[int, int]) -> int:
        """The first step at which a word may end."""
        return math.ceil((word[1] - min(self.timing.back, _MOST * (word[1] - word[0]))) * self.steps)

    def _latest(self, word: tuple[int, int]) -> int:
        """The last step at which a word may begin."""
        within = min(self.timing.forth, _MOST * (word[1] - word[0]))
        return min(len(self.level), math.floor((word[0] + within) * self.steps))

    def _quiet(self, low: int, high: int) -> Extent | None:
        """The longest quiet stretch between two steps, the later of equals."""
        if high <= low:
            return None
        edges = np.flatnonzero(np.diff(self.is_quiet[low:high].astype(np.int8), prepend=0, append=0))
        if not len(edges):
            return None
        lengths = edges[1::2] - edges[::2]
        longest = len(lengths) - 1 - int(np.argmax(lengths[::-1]))
        return Extent(float(low + edges[2 * longest]), float(low + edges[2 * longest + 1]))
