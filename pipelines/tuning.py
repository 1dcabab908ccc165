"""Language models into a bundle, and the decoder's weights tuned for them on rows set apart for that."""

import shutil
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from recog import checkpoint, frontend, language, manifest, metrics, text
from recog.checkpoint import Bundle
from recog.ctc.decoder import Decoder
from recog.ctc.greedy import greedy
from recog.ctc.options import DecoderOptions
from recog.errors import ConfigError, RecogError
from recog.lm import binary
from recog.manifest import Row
from recog.metrics import Counts
from recog.recognizer import DecodingOptions, Recognizer

# The values tried for each weight, one weight after the other, the others at their best so far.
WORD_GRID = {
    "alpha": (0.3, 0.5, 0.7, 0.9, 1.1, 1.4),
    "beta": (-1.0, 0.0, 1.0, 2.0, 3.0),
    "unknown": (-8.0, -6.0, -4.0, -2.0, 0.0),
    "letter": (-2.0, -1.0, -0.5, 0.0),
}
CHARACTER_GRID = {"gamma": (0.1, 0.2, 0.3, 0.4, 0.5, 0.7, 0.9)}
# What is made as small as possible: words are what is read in speech, characters in handwriting.
MEASURES = {"speech": "wer", "handwriting": "cer"}


@dataclass(frozen=True)
class Trial:
    """Settings and what they gave on the rows tuned on."""

    options: DecoderOptions
    words: Counts
    characters: Counts


@dataclass(frozen=True)
class Tuned:
    """All trials, the first without models, the best as stored."""

    greedy: Trial
    trials: tuple[Trial, ...]
    best: Trial
    rows: int

    def table(self) -> Iterator[str]:
        """Lines of text: greedy, every trial, the best."""
        yield f"{self.rows} rows; alpha, beta, gamma, unknown, letter -> CER, WER"
        for name, trial in (("greedy", self.greedy), *(("", trial) for trial in self.trials), ("best", self.best)):
            options = trial.options
            yield (
                f"{name:7} {options.alpha:5.2f} {options.beta:5.2f} {options.gamma:5.2f} {options.unknown:6.2f} {options.letter:6.2f}"
                f"   CER {100 * trial.characters.rate:6.2f} %  WER {100 * trial.words.rate:6.2f} %"
            )


def put_models(name_or_path: str | Path, words: Path | None, characters: Path | None) -> None:
    """Copies language models into a bundle, each checked before it takes its place."""
    folder = checkpoint.find(name_or_path)
    for source, name, unit in ((words, language.WORDS, "word"), (characters, language.CHARACTERS, "character")):
        if source is None:
            continue
        model = binary.load(source)
        if model.unit != unit:
            raise ConfigError(f"{source} is a {model.unit} model; expected a {unit} model here")
        partial = folder / f"{name}.partial"
        shutil.copyfile(source, partial)
        partial.replace(folder / name)


def tune(
    name_or_path: str | Path, manifest_path: str | Path, part: str = "tune", rows: int = 300, beam: int = 100
) -> Tuned:
    """Searches the weights coordinate by coordinate, twice around, and stores the best in the bundle."""
    bundle = checkpoint.load(name_or_path)
    if bundle.language is None:
        raise ConfigError(
            f"bundle {name_or_path} has no language model to tune; put one in with --words or --characters"
        )
    chosen = manifest.read(manifest_path, part)
    chosen = chosen[:: -(-len(chosen) // rows)]
    matrices, references = posteriors(bundle, chosen)
    measure = MEASURES[bundle.kind]
    tried: dict[DecoderOptions, Trial] = {}

    def attempt(options: DecoderOptions) -> Trial:
        if options not in tried:
            tried[options] = _trial(bundle, options, matrices, references)
        return tried[options]

    current = attempt(replace(bundle.language.options, beam=beam))
    grid = (WORD_GRID if bundle.language.word_model else {}) | (
        CHARACTER_GRID if bundle.language.character_model else {}
    )
    for _ in range(2):
        for name, values in grid.items():
            trials = [
                attempt(replace(current.options, **{name: value}))
                for value in tqdm(values, desc=name, unit="value", leave=False)
            ]
            current = min([current, *trials], key=lambda trial: _rate(trial, measure))
    language.save_settings(checkpoint.find(name_or_path), replace(bundle.language, options=current.options))
    return Tuned(_greedy(bundle, matrices, references), tuple(tried.values()), current, len(references))


def _rate(trial: Trial, measure: str) -> float:
    return trial.words.rate if measure == "wer" else trial.characters.rate


def posteriors(bundle: Bundle, rows: Sequence[Row]) -> tuple[list[NDArray[np.float32]], list[str]]:
    """The network's log-probabilities and the reference, by the bundle's text rule, of every row that can be read."""
    rule, readable, references = text.rule(bundle.text_rule), [], []
    for row in tqdm(rows, desc="features", unit="row", leave=False):
        try:
            readable.append(frontend.extract(row.path, bundle.frontend))
            references.append(rule(row.text))
        except RecogError as error:
            print(f"left out: {row.id}: {error}", file=sys.stderr)
    if not readable:
        raise ConfigError("not one row could be read; there is nothing to tune on")
    recognizer = Recognizer(bundle, DecodingOptions(beam=0))
    found = {index: matrix.copy() for index, matrix in recognizer.log_probs(readable)}
    return [found[index] for index in range(len(readable))], references


def _trial(
    bundle: Bundle, options: DecoderOptions, matrices: Sequence[NDArray[np.float32]], references: Sequence[str]
) -> Trial:
    models = bundle.language
    decoder = Decoder(
        bundle.alphabet.symbols,
        options,
        models.word_model if models else None,
        models.character_model if models else None,
    )
    texts = [bundle.alphabet.decode(best[0].labels) for best in decoder.decode_many(matrices)]
    return _count(options, bundle, texts, references)


def _greedy(bundle: Bundle, matrices: Sequence[NDArray[np.float32]], references: Sequence[str]) -> Trial:
    nothing = DecoderOptions(alpha=0.0, beta=0.0, gamma=0.0, unknown=0.0, letter=0.0)
    return _count(nothing, bundle, [bundle.alphabet.decode(greedy(matrix).labels) for matrix in matrices], references)


def _count(options: DecoderOptions, bundle: Bundle, texts: Sequence[str], references: Sequence[str]) -> Trial:
    rule = text.rule(bundle.text_rule)
    pairs = [(reference, rule(found)) for reference, found in zip(references, texts, strict=True) if reference]
    return Trial(
        options,
        metrics.total([metrics.word_counts(*pair) for pair in pairs]),
        metrics.total([metrics.character_counts(*pair) for pair in pairs]),
    )
