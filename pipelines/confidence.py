"""Words and whether they are right: what confidences are fitted on, and how well they keep what they promise."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace

import jiwer
import numpy as np
from numpy.typing import NDArray

from recog import text
from recog.checkpoint import Bundle
from recog.ctc.calibration import LEAST_WORDS, MODES, Calibration, evidence, fit
from recog.recognizer import DecodingOptions, Recognition, Recognizer

# What a user asks for to decode in each way.
OPTIONS = {
    "greedy": DecodingOptions(beam=0),
    "beam": DecodingOptions(language=False),
    "language": DecodingOptions(),
}


@dataclass(frozen=True)
class Judged:
    """Recognised words of some rows."""

    # (n, 5) what is known of each (recog.ctc.calibration.evidence), (n,) its confidence, and whether it is right.
    evidence: NDArray[np.float64]
    confidences: NDArray[np.float64]
    right: NDArray[np.bool_]


def matches(reference: Sequence[str], words: Sequence[str]) -> list[tuple[int, int]]:
    """Places of equal words in the edit alignment (jiwer's) of a reference and recognised words, in order."""
    if not reference or not words:  # jiwer refuses empty references
        return []
    # jiwer splits on spaces, so words travel as numbers.
    numbers = {word: str(number) for number, word in enumerate(dict.fromkeys([*reference, *words]))}
    aligned = jiwer.process_words(" ".join(numbers[w] for w in reference), " ".join(numbers[w] for w in words))
    return [
        pair
        for chunk in aligned.alignments[0]
        if chunk.type == "equal"
        for pair in zip(
            range(chunk.ref_start_idx, chunk.ref_end_idx), range(chunk.hyp_start_idx, chunk.hyp_end_idx), strict=True
        )
    ]


def judge(recognitions: Sequence[Recognition], references: Sequence[str], text_rule: str) -> Judged:
    """A recognised word is right if the alignment with the reference matches it, both by the text rule."""
    rule = text.rule(text_rule)
    rows, confidences, right = [np.zeros((0, 5))], [], []
    for recognition, reference in zip(recognitions, references, strict=True):
        words = recognition.hypothesis.words
        # A word that the rule empties stands for itself: it cannot match, and no other may take its place.
        hit = {place for _, place in matches(rule(reference).split(), [rule(word.text) or " " for word in words])}
        rows.append(evidence(recognition.hypothesis))
        confidences += [word.confidence for word in words]
        right += [place in hit for place in range(len(words))]
    return Judged(np.concatenate(rows), np.array(confidences, np.float64), np.array(right, bool))


def modes(bundle: Bundle) -> tuple[str, ...]:
    """The ways in which a bundle can decode."""
    return MODES if bundle.language is not None and bundle.language.speaks else MODES[:2]


def calibrate(
    bundle: Bundle,
    samples: Sequence[NDArray[np.float32]],
    references: Sequence[str],
    documents: Sequence[Hashable] | None = None,
) -> dict[str, Calibration]:
    """A calibration for each way of decoding that gives words enough: of what `Recognizer.looks` or `log_probs` said of
    samples, and their texts; `documents` as for `Recognizer.read`.
    """
    raw = replace(bundle, language=replace(bundle.language, confidences={}) if bundle.language else None)
    found = {}
    for mode in modes(bundle):
        judged = judge(Recognizer(raw, OPTIONS[mode]).read(samples, documents), references, bundle.text_rule)
        if len(judged.right) >= LEAST_WORDS:
            found[mode] = fit(judged.evidence, judged.right)
    return found


@dataclass(frozen=True)
class Bin:
    """Words of like confidence."""

    low: float
    high: float
    words: int
    # Means over its words; 0 where there is none.
    confidence: float
    right: float


@dataclass(frozen=True)
class Reliability:
    """Confidences against what came true (expected calibration error: Naeini 2015, Guo 2017)."""

    words: int
    right: float
    # Mean distance between confidence and rate of right words, over words: bins of equal width, bins of equal mass.
    error_width: float
    error_mass: float
    # Normalised cross entropy: information over that of the mean alone, 1 at best, 0 or less for none (NIST 2000).
    cross_entropy: float
    bins_width: tuple[Bin, ...]
    bins_mass: tuple[Bin, ...]


def reliability(confidences: NDArray[np.float64], right: NDArray[np.bool_], bins: int = 10) -> Reliability:
    """How well confidences (n,) keep what they promise; n is at least 1."""
    numbers = np.minimum((confidences * bins).astype(int), bins - 1)
    width = [(number / bins, (number + 1) / bins, np.flatnonzero(numbers == number)) for number in range(bins)]
    mass = [
        (float(confidences[members[0]]), float(confidences[members[-1]]), members)
        for members in np.array_split(np.argsort(confidences, kind="stable"), bins)
        if len(members)
    ]
    by_width, by_mass = (
        tuple(_bin(low, high, confidences[members], right[members]) for low, high, members in groups)
        for groups in (width, mass)
    )
    return Reliability(
        len(right),
        float(right.mean()),
        expected_error(by_width),
        expected_error(by_mass),
        _cross_entropy(confidences, right),
        by_width,
        by_mass,
    )


def expected_error(bins: Sequence[Bin]) -> float:
    """The expected calibration error over bins."""
    return sum(one.words * abs(one.confidence - one.right) for one in bins) / sum(one.words for one in bins)


def _bin(low: float, high: float, confidences: NDArray[np.float64], right: NDArray[np.bool_]) -> Bin:
    if not len(right):
        return Bin(low, high, 0, 0.0, 0.0)
    return Bin(low, high, len(right), float(confidences.mean()), float(right.mean()))


def _cross_entropy(confidences: NDArray[np.float64], right: NDArray[np.bool_]) -> float:
    rate = float(right.mean())
    if rate in (0.0, 1.0):
        return 0.0
    said = np.clip(np.where(right, confidences, 1 - confidences), 1e-6, 1.0)
    without = -(rate * np.log(rate) + (1 - rate) * np.log(1 - rate))
    return float(1 + np.log(said).mean() / without)
