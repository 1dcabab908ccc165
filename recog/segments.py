"""A recording of any length -> segments that a network trained on utterances can hear, while it is being read.

Cuts are made in pauses. Where nobody pauses, segments overlap, and what is heard in both is put together afterwards.
No more than one segment and a block is in memory.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recog.audio import Waveform
from recog.errors import ConfigError
from recog.voice import VoiceDetector

# Windows of a voice that are fewer than these, alone in silence, are a click.
_CLICK = 3
# The quietest so many seconds of a pause are where it is cut.
_QUIET_SECONDS = 0.3


@dataclass(frozen=True)
class Cutting:
    """How long segments are, in seconds, and where they end."""

    # A recording that is no longer stays whole. The network was trained on utterances, not on hours.
    longest: float = 24.0
    # A shorter lull is not cut in: it may be within a word.
    pause: float = 0.2
    # Common to two segments where there was no pause to cut in.
    overlap: float = 4.0
    # Nobody speaks for so long: that need not be heard. None: everything is heard.
    rest: float | None = 3.0
    # Of a rest, so much is heard on either side.
    margin: float = 0.5

    def __post_init__(self) -> None:
        if not 0 < self.pause < self.longest / 2 or not 0 < self.overlap < self.longest / 2:
            raise ConfigError(
                f"cutting: pause and overlap must be above 0 and below half of longest ({self.longest} s)"
            )
        if self.margin < 0 or (self.rest is not None and self.rest <= 2 * self.margin):
            raise ConfigError("cutting: margin must be 0 or more and rest above twice the margin")


@dataclass(frozen=True)
class Segment:
    """A range of the recording. One begins where the other ends, or, when `overlaps`, before."""

    # Sample of the recording.
    start: int
    waveform: Waveform
    # Whether somebody speaks, or may.
    spoken: bool = True
    # Whether it begins with sound that the segment before it ends with; whether the next one does so.
    overlaps: bool = False
    goes_on: bool = False

    @property
    def stop(self) -> int:
        """The sample after its last."""
        return self.start + self.waveform.size


def segments(
    blocks: Iterable[Waveform], rate_hz: int, grid: int, detect: Callable[[], VoiceDetector], cutting: Cutting
) -> Iterator[Segment]:
    """Blocks of any sizes -> segments in order, the same for all sizes; they begin at multiples of `grid` samples.

    A recording of `cutting.longest` or less is one segment as it is, and no detector is asked for.
    """
    longest, overlap = (max(1, int(seconds * rate_hz) // grid) * grid for seconds in (cutting.longest, cutting.overlap))
    longest, overlap = max(longest, 2 * grid), min(overlap, longest - grid)
    sound = _Sound(iter(blocks), detect)
    overlaps = False
    while sound.fill(longest + 1):
        last = sound.samples.size <= longest
        if last and sound.start == 0:
            yield Segment(0, sound.samples)
            return
        view = sound.samples[:longest]
        choice = _choose(view, sound.pauses(view.size), rate_hz, cutting, last, overlaps)
        stop = view.size if choice.stop >= view.size else max(grid, round(choice.stop / grid) * grid)
        yield Segment(sound.start, view[:stop].copy(), choice.spoken, overlaps, choice.forced)
        overlaps = choice.forced
        sound.drop(stop - overlap if overlaps else stop)


@dataclass(frozen=True)
class _Choice:
    """Where a segment ends, in samples after its beginning."""

    stop: int
    spoken: bool = True
    forced: bool = False


def _choose(
    view: Waveform, pauses: list[tuple[int, int]], rate_hz: int, cutting: Cutting, last: bool, overlaps: bool
) -> _Choice:
    size, margin = view.size, round(cutting.margin * rate_hz)
    if cutting.rest is not None:
        rest = cutting.rest * rate_hz
        # A segment that overlaps begins in the midst of speech, whatever the detector says.
        if pauses and pauses[0][0] == 0 and not overlaps:
            end = pauses[0][1]
            if end == size:
                return _Choice(size if last else size - margin, spoken=False)
            if end >= rest:
                return _Choice(end - margin, spoken=False)
        for start, end in pauses:
            if start > 0 and end - start >= rest:
                return _Choice(start + margin)
    if last:
        return _Choice(size)
    late = [(max(start, size // 2), end) for start, end in pauses if end > size // 2]
    start, end = max(late, key=lambda pause: pause[1] - pause[0], default=(0, 0))
    if end - start < cutting.pause * rate_hz:
        return _Choice(size, forced=True)
    return _Choice(start + _quietest(view[start:end], round(_QUIET_SECONDS * rate_hz)))


def _quietest(waveform: Waveform, window: int) -> int:
    """The middle of the window with the least power."""
    window = max(1, min(window, waveform.size))
    energy = np.concatenate([[0.0], np.cumsum(np.square(waveform, dtype=np.float64))])
    return int(np.argmin(energy[window:] - energy[:-window])) + window // 2


class _Sound:
    """What has been read and is not done with, and where in it nobody speaks."""

    def __init__(self, blocks: Iterator[Waveform], detect: Callable[[], VoiceDetector]) -> None:
        self.start, self.samples = 0, np.zeros(0, np.float32)
        self._blocks, self._detect = blocks, detect
        self._detector: VoiceDetector | None = None
        # Of each window from the first one that still matters.
        self._voice: NDArray[np.bool_] = np.zeros(0, bool)
        self._first = 0

    def fill(self, least: int) -> bool:
        """Reads until so many samples are there or no more come; whether there are any."""
        waiting, size = [self.samples], self.samples.size
        while size < least and (block := next(self._blocks, None)) is not None:
            waiting.append(block)
            size += block.size
        if len(waiting) > 1:
            self.samples = np.concatenate(waiting)
        return size > 0

    def drop(self, count: int) -> None:
        """Is done with so many samples."""
        self.samples, self.start = self.samples[count:], self.start + count

    def pauses(self, size: int) -> list[tuple[int, int]]:
        """Where nobody speaks among the next `size` samples, in samples from the start of them."""
        self._detector = self._detector or self._detect()
        window = self._detector.window
        first, last = self.start // window, -(-(self.start + size) // window)
        seen = self._first + self._voice.size
        if last > seen:
            fresh = self.samples[seen * window - self.start : last * window - self.start]
            fresh = np.pad(fresh, (0, (last - seen) * window - fresh.size))  # the last window of a recording
            self._voice = np.concatenate([self._voice, self._detector(fresh)])
        self._voice, self._first = self._voice[first - self._first :], first
        found = _quiet_runs(self._voice[: last - first])
        edges = [(start * window - self.start % window, end * window - self.start % window) for start, end in found]
        return [(max(start, 0), min(end, size)) for start, end in edges]


def _quiet_runs(voice: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """The runs of windows without a voice; a click between two of them is no voice."""
    edges = np.flatnonzero(np.diff(np.concatenate([[True], voice, [True]]).astype(np.int8)))
    runs: list[tuple[int, int]] = []
    for start, end in edges.reshape(-1, 2).tolist():
        if runs and start - runs[-1][1] < _CLICK:
            runs[-1] = (runs[-1][0], end)
        else:
            runs.append((start, end))
    return runs
