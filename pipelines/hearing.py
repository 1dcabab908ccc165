"""A whole recording, however long, as the network hears it: log-probabilities of all its frames, and their seconds."""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from recog import audio
from recog.activity import loudness
from recog.alphabet import BLANK
from recog.audio import SpeechFrontend, Waveform
from recog.ctc.timing import Timing, place_words
from recog.recognizer import Recognizer
from recog.segments import Cutting, Segment, segments
from recog.stitching import stitch, word_border
from recog.voice import detector

# Segments that go through the network at a time.
WINDOWS = 8
# Stretches without a pause are parted between two words when they grow longer.
LONGEST_STRETCH_SECONDS = 60.0


@dataclass(frozen=True)
class Piece:
    """A stretch of the recording from pause to pause."""

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


@dataclass(frozen=True)
class Stretch:
    """A part of the recording that is decoded alone: from pause to pause, or to a border of words."""

    # First sample in the recording; the sound.
    start: int
    waveform: Waveform
    # (K, T, S) natural-log probabilities, as `Recognizer.looks` gives them.
    looks: NDArray[np.float32]
    # Whether it went through the network; else every frame is blank.
    heard: bool


def hear(
    recognizer: Recognizer,
    blocks: Iterable[Waveform],
    cutting: Cutting,
    voice: str = "auto",
    together: int = WINDOWS,
) -> Iterator[Stretch]:
    """Blocks of a waveform at the frontend's rate -> what the network hears, stretch after stretch, without a gap.

    Memory does not grow with the recording: so many windows are fed to the network at a time.
    """
    frontend = _frontend(recognizer)
    grid = round(frontend.hop_seconds * frontend.rate_hz) * recognizer.shortening
    cut = segments(blocks, frontend.rate_hz, grid, lambda: detector(voice, frontend.rate_hz), cutting)
    alphabet = recognizer.bundle.alphabet
    space = alphabet.encode(" ")[0] if " " in alphabet.symbols else None
    longest = round(LONGEST_STRETCH_SECONDS * frontend.rate_hz) // grid
    # The stretch that goes on.
    begun: Stretch | None = None
    for segment, looks in _fed(recognizer, frontend, cut, together):
        stretch = Stretch(segment.start, segment.waveform, looks, segment.spoken)
        if begun is not None:
            offset = (segment.start - begun.start) // grid
            if offset > longest:
                done, begun = _parted(begun, word_border(begun.looks[0], longest // 2, offset, space), grid)
                offset = (segment.start - begun.start) // grid
                yield done
            stretch = _joined(begun, stretch, offset)
        begun = stretch if segment.goes_on else None
        if begun is None:
            yield stretch


def _joined(left: Stretch, right: Stretch, offset: int) -> Stretch:
    known = left.start + left.waveform.size - right.start
    waveform = np.concatenate([left.waveform, right.waveform[known:]])
    looks = np.stack([stitch(*both, offset) for both in zip(left.looks, right.looks, strict=True)])
    return Stretch(left.start, waveform, looks, left.heard or right.heard)


def _parted(stretch: Stretch, frame: int, grid: int) -> tuple[Stretch, Stretch]:
    sample = frame * grid
    return (
        Stretch(stretch.start, stretch.waveform[:sample], stretch.looks[:, :frame], True),
        Stretch(stretch.start + sample, stretch.waveform[sample:], stretch.looks[:, frame:], True),
    )


def _fed(
    recognizer: Recognizer, frontend: SpeechFrontend, cut: Iterator[Segment], together: int
) -> Iterator[tuple[Segment, NDArray[np.float32]]]:
    """The segments in order with the log-probabilities of all looks at them; digital silence is not fed to the network."""
    hop = round(frontend.hop_seconds * frontend.rate_hz)
    while group := list(itertools.islice(cut, together)):
        group = [replace(one, spoken=one.spoken and not audio.is_silent(one.waveform)) for one in group]
        spoken = [segment for segment in group if segment.spoken]
        features = [audio.features(segment.waveform, frontend) for segment in spoken]
        heard = {spoken[number].start: looks for number, looks in recognizer.looks(features)}
        for segment in group:
            frames = -(-(1 + segment.waveform.size // hop) // recognizer.shortening)
            yield segment, heard.get(segment.start, _silence(len(recognizer.views), frames, recognizer.heads))


def _frontend(recognizer: Recognizer) -> SpeechFrontend:
    frontend = recognizer.bundle.frontend
    assert isinstance(frontend, SpeechFrontend)
    return frontend


def listen(recognizer: Recognizer, waveform: Waveform) -> Hearing:
    """A waveform (n,) at the frontend's rate -> what the network hears, cut and fed as in transcription.

    All of it is listened to, since there may be a word where nobody seems to speak.
    """
    frontend = _frontend(recognizer)
    pieces, matrices, frame = [], [], 0
    for stretch in hear(recognizer, [waveform], Cutting(rest=None)):
        frames = slice(frame, frame + stretch.looks.shape[1])
        samples = slice(stretch.start, stretch.start + stretch.waveform.size)
        pieces.append(Piece(samples, frames, loudness(stretch.waveform, frontend)))
        matrices.append(recognizer.letters(stretch.looks[0]))
        frame = frames.stop
    return Hearing(np.concatenate(matrices), tuple(pieces), frontend, recognizer.shortening, recognizer.timing)


def _silence(looks: int, frames: int, heads: Sequence[int]) -> NDArray[np.float32]:
    """(K, T, S) for each head, side by side: blank, with a doubt of 1e-4 shared by the others so that no text is ruled out."""
    matrices = [np.full((frames, symbols), np.log(1e-4 / (symbols - 1)), np.float32) for symbols in heads]
    for log_probs in matrices:
        log_probs[:, BLANK] = np.log(1 - 1e-4)
    return np.broadcast_to(np.concatenate(matrices, axis=1), (looks, frames, sum(heads)))
