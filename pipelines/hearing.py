"""A whole recording, however long, as the network hears it: log-probabilities of all its frames, and their seconds."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recog import audio
from recog.activity import loudness
from recog.alphabet import BLANK
from recog.audio import SpeechFrontend, Waveform
from recog.ctc.timing import Timing, place_words
from recog.recognizer import Recognizer

# Longer recordings are cut at their quietest places: the network was trained on utterances, not on hours.
LONGEST_SECONDS = 24.0
# So many pieces are in memory as features at a time.
_PIECES = 64


@dataclass(frozen=True)
class Piece:
    """A stretch of the recording that went through the network alone."""

    # Samples of the recording, and frames of the whole.
    samples: slice
    frames: slice
    # (T,) decibels at each step of the features.
    activity: NDArray[np.float64]


@dataclass(frozen=True)
class Hearing:
    """What the network hears in a recording, and when."""

    # (T, S) natural-log probabilities: those of the pieces, one after another.
    log_probs: NDArray[np.float32]
    pieces: tuple[Piece, ...]
    frontend: SpeechFrontend
    # Steps of the features in a frame.
    steps: int
    timing: Timing

    @property
    def duration(self) -> float:
        """Seconds of the recording."""
        return float(self.pieces[-1].samples.stop / self.frontend.rate_hz)

    def extents(self, frames: Sequence[tuple[int, int]]) -> list[tuple[float, float]]:
        """The first frame of each word and the one after its last, in order -> when it begins and ends, in seconds."""
        starts, ends = [0.0] * len(frames), [0.0] * len(frames)
        first = 0
        for piece in self.pieces:
            while first < len(frames) and frames[first][1] <= piece.frames.start:
                first += 1
            last = first
            while last < len(frames) and frames[last][0] < piece.frames.stop:
                last += 1
            inside = [self._within(one, piece.frames) for one in frames[first:last]]
            for number, extent in enumerate(place_words(inside, piece.activity, self.steps, self.timing), first):
                start, end = (self._seconds(step, piece.samples) for step in (extent.start, extent.end))
                # A word that was cut in two begins in the first piece and ends in the second.
                if frames[number][0] >= piece.frames.start:
                    starts[number] = start
                ends[number] = end
        return list(zip(starts, ends, strict=True))

    def _within(self, frames: tuple[int, int], piece: slice) -> tuple[int, int]:
        return max(frames[0], piece.start) - piece.start, min(frames[1], piece.stop) - piece.start

    def _seconds(self, step: float, samples: slice) -> float:
        rate_hz = self.frontend.rate_hz
        moment = samples.start / rate_hz + step * self.frontend.hop_seconds
        return float(min(max(moment, samples.start / rate_hz), samples.stop / rate_hz))

    def seconds(self, frame: float) -> float:
        """When a frame begins."""
        piece = next((piece for piece in self.pieces if frame < piece.frames.stop), self.pieces[-1])
        return self._seconds((frame - piece.frames.start) * self.steps, piece.samples)


def listen(recognizer: Recognizer, waveform: Waveform) -> Hearing:
    """A waveform (n,) at the frontend's rate -> what the network hears, cut and fed as in transcription.

    Digital silence is not fed to it: there every frame is blank.
    """
    frontend = recognizer.bundle.frontend
    assert isinstance(frontend, SpeechFrontend)
    steps = recognizer.shortening
    pieces, matrices, frame = [], [], 0
    for samples, log_probs in _pieces(recognizer, frontend, waveform, steps):
        frames = slice(frame, frame + len(log_probs))
        pieces.append(Piece(samples, frames, loudness(waveform[samples], frontend)))
        matrices.append(log_probs)
        frame = frames.stop
    return Hearing(np.concatenate(matrices), tuple(pieces), frontend, steps, recognizer.timing)


def _pieces(
    recognizer: Recognizer, frontend: SpeechFrontend, waveform: Waveform, steps: int
) -> Iterator[tuple[slice, NDArray[np.float32]]]:
    cuts = audio.cut_at_pauses(waveform, frontend.rate_hz, LONGEST_SECONDS)
    hop = round(frontend.hop_seconds * frontend.rate_hz)
    for start in range(0, len(cuts), _PIECES):
        group = cuts[start : start + _PIECES]
        spoken = [samples for samples in group if not audio.is_silent(waveform[samples])]
        features = [audio.features(waveform[samples], frontend) for samples in spoken]
        heard = {spoken[number].start: log_probs for number, log_probs in recognizer.log_probs(features)}
        for samples in group:
            frames = -(-(1 + (samples.stop - samples.start) // hop) // steps)
            yield samples, heard.get(samples.start, _silence(frames, len(recognizer.bundle.alphabet)))


def _silence(frames: int, symbols: int) -> NDArray[np.float32]:
    """(T, S): blank, with a doubt of 1e-4 shared by the others so that no text is ruled out."""
    log_probs = np.full((frames, symbols), np.log(1e-4 / (symbols - 1)), np.float32)
    log_probs[:, BLANK] = np.log(1 - 1e-4)
    return log_probs
