"""One stretch of sound or one line, and all that a recogniser makes of it: what it sees, what it thinks likely in every
frame, which texts it weighed and how. To teach and to debug.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from recog import audio, image
from recog.alphabet import BLANK
from recog.audio import SpeechFrontend, Waveform
from recog.checkpoint import Bundle
from recog.ctc.decoder import Decoder
from recog.ctc.hypothesis import Hypothesis, Parts, probabilities
from recog.ctc.joint import JointDecoder, frames_of, posteriors
from recog.ctc.likelihood import log_likelihood
from recog.ctc.multilingual import MultilingualDecoder
from recog.ctc.options import DecoderOptions
from recog.errors import InputError
from recog.image import HandwritingFrontend
from recog.language import Language
from recog.layout.lines import find_lines
from recog.recognizer import DecodingOptions, Recognizer

# Of a recording, so much is looked at: more is not seen on a screen.
LONGEST_SECONDS = 20.0
# Texts that alternatives are gathered from.
N_BEST = 30
# Alternatives with less than this share of the texts are not told.
LEAST_SHARE = 0.005
# What is done one after another: the network, each way of decoding (recog.ctc.calibration.MODES), the weighing of texts.
STEPS = ("network", "greedy", "beam", "language", "weighing")
Tell = Callable[[str], object]


@dataclass(frozen=True)
class Way:
    """What one way of decoding reads."""

    # One of recog.ctc.calibration.MODES.
    name: str
    text: str
    # Why the whole recogniser would take this text or leave it, in nats, the weights of its models included. All ways
    # are measured with the same yardstick. None where letters and phones decide together and proposed other texts.
    parts: Parts | None

    @property
    def score(self) -> float | None:
        """The sum of the parts."""
        parts = self.parts
        return None if parts is None else parts.acoustic + parts.language + parts.length + parts.boost


@dataclass(frozen=True)
class Alternative:
    """What other likely texts have in the place of a word: "" for nothing, several words parted by spaces."""

    text: str
    # Of all likely texts, by their scores, 0 to 1.
    share: float


@dataclass(frozen=True)
class WeighedWord:
    """A word of the best text: its frames first..last (last not included), how sure it is, and what else it may be."""

    text: str
    first: int
    last: int
    # As in transcripts.
    confidence: float
    # Likeliest first, the word itself among them.
    alternatives: tuple[Alternative, ...]


@dataclass(frozen=True)
class Reading:
    """What the decoders make of the network's output."""

    # (T', S) natural-log probabilities of the alphabet, blank first.
    log_probs: NDArray[np.float32]
    symbols: tuple[str, ...]
    # From the simplest to the one that transcripts come from.
    ways: tuple[Way, ...]
    # Of the last way.
    words: tuple[WeighedWord, ...]
    # (T',) the symbol that the last way's likeliest path takes in each frame, 0 for blank.
    path: tuple[int, ...]

    @property
    def frame_symbols(self) -> str:
        """The likeliest symbol of every frame, · for blank and ␣ for a space: repeats merged and dots dropped, that is
        what decoding without search reads.
        """
        shown = ["·", *("␣" if symbol == " " else symbol for symbol in self.symbols)]
        return "".join(shown[number] for number in self.log_probs.argmax(axis=1).tolist())

    @property
    def blank_share(self) -> float:
        """The share of frames whose likeliest symbol is blank, 0 to 1."""
        return float((self.log_probs.argmax(axis=1) == BLANK).mean())


@dataclass(frozen=True)
class Insight:
    """What was looked at, and what the recogniser made of it."""

    # "speech" or "handwriting".
    kind: str
    # (T, F) what the network is given: log-mel bands from the lowest, or rows of ink from the top.
    features: NDArray[np.float32]
    reading: Reading
    # Steps of the features in a frame.
    shortening: int
    # What a frame covers and where the first begins: in seconds of the recording, or columns of the scaled line.
    step: float
    begin: float

    def place(self, frame: float) -> float:
        """Where a frame begins, in seconds of the recording or columns of the scaled line."""
        return self.begin + frame * self.step

    def as_json(self) -> dict[str, Any]:
        """Plain values: `kind`, `step`, `begin`, `ways`, `words`, `frame_symbols`, `path`, `symbols`, and
        `probabilities` (T', S), blank first.
        """
        reading = self.reading
        return {
            "kind": self.kind,
            "step": self.step,
            "begin": self.begin,
            "ways": [{**asdict(way), "score": way.score} for way in reading.ways],
            "words": [asdict(word) for word in reading.words],
            "frame_symbols": reading.frame_symbols,
            "path": list(reading.path),
            "symbols": ["", *reading.symbols],
            "probabilities": [[round(value, 4) for value in row] for row in np.exp(reading.log_probs).tolist()],
        }


class Observer:
    """Looks over a recogniser's shoulder. Make once, call often."""

    def __init__(self, bundle: Bundle, options: DecodingOptions | None = None) -> None:
        """`options` are those of the transcripts, of which beam and hotwords count here too."""
        options = options or DecodingOptions()
        if options.beam == 0:
            options = replace(options, beam=None)  # greedy is one of the ways anyway
        self.bundle, language = bundle, bundle.language
        worth = language.confidences if language else {}
        without = Language(None, {}, DecoderOptions(n_best=N_BEST), worth)
        self._recognizers = [
            Recognizer(bundle, replace(options, beam=0, hotwords=())),
            Recognizer(replace(bundle, language=without), options),
        ]
        if language is not None and language.speaks:
            # Letters and phones together weigh the texts that each proposes: asking for more of them would be another way.
            joint = language.spoken is not None and bundle.network.config.phones
            most = language.options.candidates if joint else N_BEST
            models = replace(language, options=replace(language.options, n_best=most))
            self._recognizers.append(Recognizer(replace(bundle, language=models), options))

    def __call__(self, source: str | Path | bytes, at: float = 0, tell: Tell = lambda step: None) -> Insight:
        """A recording, of which 20 s from second `at` are looked at, or a picture, of which line `at` (0: the first) is.

        `tell` is told of each of STEPS when it begins, the ways that the bundle knows; what it raises ends the looking.
        Refuses what cannot be read, a place beyond the end, and a page without writing.
        """
        frontend = self.bundle.frontend
        if isinstance(frontend, SpeechFrontend):
            return self.look(audio.features(_stretch(source, frontend.rate_hz, at), frontend), at, tell)
        return self.look(_line(source, frontend, at), 0.0, tell)

    def look(self, features: Tensor, begin: float = 0.0, tell: Tell = lambda step: None) -> Insight:
        """Features (T, F), as the bundle's frontend makes them -> what is to be seen of them; they begin at `begin`."""
        recognizer = self._recognizers[-1]
        tell("network")
        (features,), _ = recognizer.fitted([features])  # as they are read
        [(_, log_probs)] = recognizer.log_probs([features])
        return Insight(
            self.bundle.kind,
            features.numpy().astype(np.float32),
            self.read(log_probs, tell),
            recognizer.shortening,
            recognizer.step_size,
            begin,
        )

    def read(self, log_probs: NDArray[np.float32], tell: Tell = lambda step: None) -> Reading:
        """(T', S) natural-log probabilities, or (T', S + P) where phones are decoded too -> what is read in them."""
        best, letters = self._recognizers[-1], self._recognizers[-1].letters(log_probs)
        readings = []
        for one in self._recognizers:
            tell(one.mode)
            readings += one.read([log_probs])
        tell("weighing")
        if isinstance(best.decoder, JointDecoder):
            likely = best.decoder.decode([(letters, log_probs[:, letters.shape[1] :])])
            proposed = {one.text: one.parts for one in likely}
            weighed = [proposed.get(_plain(reading.text)) for reading in readings]
        else:
            assert best.decoder is not None
            likely = best.decoder.decode(letters)
            weighed = [weigh(best.decoder, letters, _plain(reading.text)) for reading in readings]
        ways = [
            Way(one.mode, _plain(reading.text), parts)
            for one, reading, parts in zip(self._recognizers, readings, weighed, strict=True)
        ]
        found = readings[-1].hypothesis
        words = tuple(
            WeighedWord(word.text, first, last, word.confidence, other)
            for word, (first, last), other in zip(found.words, frames_of(found), alternatives(likely), strict=True)
        )
        path = np.full(len(letters), BLANK)
        for label, span in zip(found.labels, found.spans, strict=True):
            path[span.start : span.end] = label
        symbols = self.bundle.alphabet.symbols
        return Reading(letters, symbols, tuple(ways), words, tuple(path.tolist()))


def weigh(decoder: Decoder | MultilingualDecoder, log_probs: NDArray[np.float32], text: str) -> Parts:
    """What the score of a given text is made of: its letters summed over all alignments (Graves 2006, equations 6-8)
    in (T, S) natural-log probabilities, and what the decoder's models make of it.

    The models' parts are those of a decoding in which nothing but this text can be read. Words parted by single spaces,
    of the decoder's symbols alone.
    """
    labels = [decoder.symbols.index(character) + 1 for character in text]
    acoustic = log_likelihood(probabilities(log_probs), labels)
    parts = decoder.decode(_certain(labels, log_probs.shape[1]))[0].parts
    assert parts is not None
    return replace(parts, acoustic=acoustic)


def _certain(labels: Sequence[int], symbols: int) -> NDArray[np.float32]:
    """(2U + 1, S) natural-log probabilities in which these labels can be read, and nothing else."""
    matrix = np.full((2 * len(labels) + 1, symbols), -math.inf, np.float32)
    matrix[0::2, BLANK] = 0.0
    matrix[np.arange(len(labels)) * 2 + 1, labels] = 0.0
    return matrix


def alternatives(hypotheses: Sequence[Hypothesis]) -> list[tuple[Alternative, ...]]:
    """For each word of the first hypothesis, what all of them have in its place, the likeliest first.

    A word of another hypothesis stands in the place of the one that it shares most frames with, or that is nearest. A
    confusion network (Mangu, Brill & Stolcke 2000) with the first hypothesis as its spine.
    """
    if not hypotheses or not hypotheses[0].words:
        return []
    spine = frames_of(hypotheses[0])
    shares: list[dict[str, float]] = [{} for _ in spine]
    for hypothesis, share in zip(hypotheses, posteriors([one.score for one in hypotheses]).tolist(), strict=True):
        said: list[list[str]] = [[] for _ in spine]
        for word, frames in zip(hypothesis.words, frames_of(hypothesis), strict=True):
            said[max(range(len(spine)), key=lambda place: _nearness(frames, spine[place]))].append(word.text)
        for found, texts in zip(shares, said, strict=True):
            text = " ".join(texts)
            found[text] = found.get(text, 0.0) + share
    return [
        tuple(
            Alternative(text, min(1.0, share))
            for text, share in sorted(found.items(), key=lambda item: -item[1])
            if share >= LEAST_SHARE
        )
        for found in shares
    ]


def _nearness(one: tuple[int, int], other: tuple[int, int]) -> tuple[int, int]:
    """Frames that two words share, or minus those between them; then how near their middles are."""
    return min(one[1], other[1]) - max(one[0], other[0]), -abs(sum(one) - sum(other))


def _plain(text: str) -> str:
    return " ".join(text.split())


def _stretch(source: str | Path | bytes, rate_hz: int, at: float) -> Waveform:
    """The seconds from `at` on; what comes after them is not read."""
    first, wanted, passed = round(at * rate_hz), round(LONGEST_SECONDS * rate_hz), 0
    kept: list[Waveform] = []
    for block in audio.stream(source, rate_hz):
        if passed + block.size > first:  # earlier blocks are let go, however many there are
            kept.append(block[max(0, first - passed) :])
        passed += block.size
        if passed >= first + wanted:
            break
    if at < 0 or not kept:
        raise InputError(f"there is nothing at second {at:g}: the recording ends at {passed / rate_hz:.2f} s")
    stretch: Waveform = np.concatenate(kept)[:wanted]
    return stretch


def _line(source: str | Path | bytes, frontend: HandwritingFrontend, at: float) -> Tensor:
    lines = find_lines(image.read(source))
    if not lines:
        raise InputError("there is no writing on this picture; nothing can be looked at")
    if not 0 <= int(at) < len(lines):
        raise InputError(f"there is no line {int(at) + 1} on this picture: it shows {len(lines)}")
    return image.features(image.fit_height(lines[int(at)].picture, frontend), frontend)
