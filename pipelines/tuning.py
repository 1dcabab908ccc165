"""All of a bundle that is set after training, on rows kept apart for that, in one go: decoder weights for its language
models, what its confidences are worth, and how its words are placed in time.
"""

import sys
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from pipelines import word_times
from pipelines.confidence import calibrate, modes
from pipelines.joined_words import join
from pipelines.word_times import Accuracy, Clock
from recog import checkpoint, frontend, language, manifest, metrics, text, views
from recog.audio import SpeechFrontend
from recog.checkpoint import Bundle
from recog.ctc.options import DecoderOptions, Favour
from recog.ctc.rescoring import Lines
from recog.ctc.timing import DEFAULTS, Timing
from recog.errors import ConfigError, RecogError
from recog.language import Language
from recog.manifest import Row
from recog.metrics import Counts
from recog.recognizer import DecodingOptions, Recognizer
from recog.rescorer import Rescorer

# The values tried for each weight, one weight after the other, the others at their best so far.
WORD_GRID = {
    "alpha": (0.3, 0.5, 0.7, 0.9, 1.1, 1.4),
    "beta": (-1.0, 0.0, 1.0, 2.0, 3.0),
    "unknown": (-8.0, -6.0, -4.0, -2.0, 0.0),
    "letter": (-2.0, -1.0, -0.5, 0.0),
}
PHONE_GRID = {"phones": (0.3, 0.5, 0.7, 0.9)}
CHARACTER_GRID = {"gamma": (0.1, 0.2, 0.3, 0.4, 0.5, 0.7, 0.9, 1.1), "delta": (0.0, 0.3, 0.6, 0.9, 1.2, 1.6)}
# What a language is favoured by, where a bundle has models for several.
FAVOURS = (-2.0, 0.0, 1.0, 2.0, 3.0, 5.0)
RESCORER_GRID = {
    "recurrent": (0.0, 0.1, 0.2, 0.3, 0.45, 0.6),
    "kept": (0.3, 0.5, 0.7, 0.85, 1.0),
    "preceding": (0, 1, 2),
}
# What is made as small as possible: words are what is read in speech, characters in handwriting.
MEASURES = {"speech": "wer", "handwriting": "cer"}


@dataclass(frozen=True)
class Trial:
    """Settings and what they gave on the rows tuned on."""

    options: DecoderOptions
    words: Counts
    characters: Counts


@dataclass(frozen=True)
class Timed:
    """How words are placed now, and how far that is off on the strings tuned on, before and after."""

    timing: Timing
    before: Accuracy
    after: Accuracy


@dataclass(frozen=True)
class Tuned:
    """All trials, the best as stored; what confidences and times were made of."""

    greedy: Trial
    # Empty for a bundle without language models.
    trials: tuple[Trial, ...]
    best: Trial
    rows: int
    # Ways of decoding whose confidences are calibrated now, and those that gave too few words.
    calibrated: tuple[str, ...]
    raw: tuple[str, ...]
    # None where no recordings with known joins were given.
    timed: Timed | None

    def table(self) -> Iterator[str]:
        """Lines of text: greedy, every trial, the best; confidences; times."""
        yield f"{self.rows} rows; alpha, beta, gamma, delta, unknown, letter -> CER, WER"
        for name, trial in (("greedy", self.greedy), *(("", trial) for trial in self.trials), ("best", self.best)):
            options = trial.options
            yield (
                f"{name:7} {options.alpha:5.2f} {options.beta:5.2f} {options.gamma:5.2f} {options.delta:5.2f} {options.unknown:6.2f} {options.letter:6.2f}"
                f"   CER {100 * trial.characters.rate:6.2f} %  WER {100 * trial.words.rate:6.2f} %"
            )
        yield f"confidences calibrated: {', '.join(self.calibrated) or 'none'}" + (
            f"; too few words, left raw: {', '.join(self.raw)}" if self.raw else ""
        )
        if self.timed is None:
            yield "word times as they were: no recordings with known joins were given"
        else:
            before, after = (1000 * one.median for one in (self.timed.before, self.timed.after))
            yield f"word times: median error {before:.0f} ms before, {after:.0f} ms now, on {self.timed.after.words} words"


def tune(
    name_or_path: str | Path,
    manifest_path: str | Path,
    part: str = "tune",
    rows: int = 300,
    beam: int = 100,
    times_path: str | Path | None = None,
) -> Tuned:
    """Tunes weights, then confidences, on at most `rows` rows, whole pages of them; word times on the single words of `times_path`, if given.

    Everything is stored in the bundle. Calibrations made for other weights or models are dropped; timing stays where
    it is not tuned anew.
    """
    bundle = checkpoint.load(name_or_path)
    if times_path and bundle.kind != "speech":
        raise ConfigError(f"bundle {bundle.name} reads {bundle.kind}; word times are tuned for speech only")
    known = bundle.language or Language(None, {}, DecoderOptions())
    chosen = manifest.read(manifest_path, part)
    words = manifest.read(times_path, part) if times_path else []
    samples, references, documents = posteriors(bundle, drawn(chosen, rows))
    bundle = replace(bundle, language=replace(known, options=replace(known.options, beam=beam), confidences={}))
    # One look at each sample tells as much about the weights as several, in a part of the time.
    surest = [views.surest(list(looks)) for looks in samples]
    trials, best = _weights(_remembering(bundle), surest, references, documents)
    known = replace(known, options=best.options, confidences={})
    bundle = replace(bundle, language=known)
    calibrations = calibrate(bundle, samples, references, documents)
    timed = _times(bundle, words) if words else None
    known = replace(known, confidences=calibrations, timing=timed.timing if timed else known.timing)
    language.save_settings(checkpoint.find(name_or_path), known)
    return Tuned(
        _greedy(bundle, samples, references),
        trials,
        best,
        len(references),
        tuple(calibrations),
        tuple(mode for mode in modes(bundle) if mode not in calibrations),
        timed,
    )


class _Remembering(Rescorer):
    """Is asked about the same texts again and again, with other weights."""

    def __init__(self, own: Rescorer) -> None:
        super().__init__(own.model, own.symbols)
        self._said: dict[tuple[str, Lines], float] = {}

    def log_probabilities(self, texts: Sequence[str], before: Sequence[Lines] = ()) -> list[float]:
        asked = list(zip(texts, before or [()] * len(texts), strict=True))
        fresh = [one for one in dict.fromkeys(asked) if one not in self._said]
        said = super().log_probabilities([text for text, _ in fresh], [lines for _, lines in fresh])
        self._said |= dict(zip(fresh, said, strict=True))
        return [self._said[one] for one in asked]


def _remembering(bundle: Bundle) -> Bundle:
    known = bundle.language
    if known is None or known.rescorer is None:
        return bundle
    return replace(bundle, language=replace(known, rescorer=_Remembering(known.rescorer)))


def _weights(
    bundle: Bundle,
    matrices: Sequence[NDArray[np.float32]],
    references: Sequence[str],
    documents: Sequence[Hashable],
) -> tuple[tuple[Trial, ...], Trial]:
    """Searches the weights coordinate by coordinate, twice around; all trials and the best."""
    assert bundle.language is not None
    measure = MEASURES[bundle.kind]
    tried: dict[DecoderOptions, Trial] = {}

    def attempt(options: DecoderOptions) -> Trial:
        if options not in tried:
            tried[options] = _trial(bundle, options, matrices, references, documents)
        return tried[options]

    current = attempt(bundle.language.options)
    # A list of words without a model: nothing that alpha could weigh.
    listed = {name: values for name, values in WORD_GRID.items() if name != "alpha"}
    grid = (
        (WORD_GRID if bundle.language.word_model else {})
        | (listed if bundle.language.word_list and not bundle.language.word_model else {})
        | (PHONE_GRID if bundle.language.pronunciations and bundle.network.config.phones else {})
        | (CHARACTER_GRID if bundle.language.character_models else {})
        | (RESCORER_GRID if bundle.language.rescorer else {})
        | dict.fromkeys(list(bundle.language.character_models)[:-1], FAVOURS)  # beside the last one
    )
    for _ in range(2):
        for name, values in grid.items():
            trials = [
                attempt(_with(current.options, name, value))
                for value in tqdm(values, desc=name, unit="value", leave=False)
            ]
            current = min([current, *trials], key=lambda trial: _rate(trial, measure))
    return (tuple(tried.values()) if grid else ()), current


def _with(options: DecoderOptions, name: str, value: float) -> DecoderOptions:
    """The options with another value of a weight, or of what the language of that code is favoured by."""
    if hasattr(options, name):
        changes: dict[str, Any] = {name: value}
        return replace(options, **changes)
    return replace(options, languages=(*(one for one in options.languages if one.code != name), Favour(name, value)))


def _times(bundle: Bundle, rows: Sequence[Row]) -> Timed:
    """Word times tuned on single spoken words joined to strings."""
    assert isinstance(bundle.frontend, SpeechFrontend)
    recognizer = Recognizer(bundle, DecodingOptions(beam=0))
    clock = Clock(recognizer.shortening, bundle.frontend.hop_seconds)
    found = word_times.forced(bundle, word_times.hear(bundle, join(rows, bundle.frontend.rate_hz), recognizer))
    timing = word_times.tune(found, DEFAULTS["speech"], clock)
    before = word_times.accuracy("all", found, recognizer.timing, clock)
    return Timed(timing, before, word_times.accuracy("all", found, timing, clock))


def _rate(trial: Trial, measure: str) -> float:
    return trial.words.rate if measure == "wer" else trial.characters.rate


def drawn(rows: Sequence[Row], most: int) -> list[Row]:
    """Evenly drawn, whole pages, whose lines speak for each other; so many rows at most, one page aside."""
    pages = manifest.pages(rows)
    share, chosen, seen = most / len(rows), list[Row](), 0
    for page in pages:
        seen += len(page)
        if len(chosen) + len(page) <= max(share * seen, len(page)):
            chosen += [rows[number] for number in page]
    return chosen


def posteriors(bundle: Bundle, rows: Sequence[Row]) -> tuple[list[NDArray[np.float32]], list[str], list[Hashable]]:
    """What the network says of every row that can be read, log-probabilities of all looks at it (K, T', S), the reference
    by the bundle's text rule, and the page that it is a line of.
    """
    rule, readable, references, documents = text.rule(bundle.text_rule), [], list[str](), list[Hashable]()
    for row in tqdm(rows, desc="features", unit="row", leave=False):
        try:
            readable.append(frontend.extract(row.path, bundle.frontend))
            references.append(rule(row.text))
            documents.append(row.document)
        except RecogError as error:
            print(f"left out: {row.id}: {error}", file=sys.stderr)
    if not readable:
        raise ConfigError("not one row could be read; there is nothing to tune on")
    known = bundle.language
    if known is not None:  # greedy decoding may ask for more looks than the search
        bundle = replace(bundle, language=replace(known, options=replace(known.options, looks=0)))
    found, _ = Recognizer(bundle).looks_fitted(readable)
    return [looks.copy() for looks in found], references, documents


def _trial(
    bundle: Bundle,
    options: DecoderOptions,
    matrices: Sequence[NDArray[np.float32]],
    references: Sequence[str],
    documents: Sequence[Hashable],
) -> Trial:
    language = bundle.language or Language(None, {}, options)
    recognizer = Recognizer(replace(bundle, language=replace(language, options=options, confidences={})))
    texts = [recognition.text for recognition in recognizer.read(matrices, documents)]
    return _count(options, bundle, texts, references)


def _greedy(bundle: Bundle, samples: Sequence[NDArray[np.float32]], references: Sequence[str]) -> Trial:
    nothing = DecoderOptions(alpha=0.0, beta=0.0, gamma=0.0, delta=0.0, unknown=0.0, letter=0.0)
    recognitions = Recognizer(bundle, DecodingOptions(beam=0)).read(samples)
    return _count(nothing, bundle, [recognition.text for recognition in recognitions], references)


def _count(options: DecoderOptions, bundle: Bundle, texts: Sequence[str], references: Sequence[str]) -> Trial:
    rule = text.rule(bundle.text_rule)
    pairs = [(reference, rule(found)) for reference, found in zip(references, texts, strict=True) if reference]
    return Trial(
        options,
        metrics.total([metrics.word_counts(*pair) for pair in pairs]),
        metrics.total([metrics.character_counts(*pair) for pair in pairs]),
    )
