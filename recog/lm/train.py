"""Sentences -> n-gram model: count, smooth, mix, prune, build the trie."""

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from recog.errors import ConfigError
from recog.lm.counts import count, encode
from recog.lm.mixing import best_weights, mix
from recog.lm.ngram import HIGHEST_ORDER, NgramModel, Unit
from recog.lm.pruning import prune
from recog.lm.smoothing import Smoothed, smooth
from recog.lm.trie import Level, tables

# log10 of the probability that <s>, which is never foretold, has by custom.
_NEVER = -99.0


@dataclass(frozen=True)
class NgramConfig:
    """What kind of model is trained, and how small it shall be."""

    # 1 to 6 words or characters.
    order: int = 3
    unit: Unit = "word"
    # Name of the text rule that the sentences went through; it is kept with the model.
    text_rule: str = "raw"
    # Most words of the vocabulary, without <unk>, <s> and </s>; 0: all.
    vocabulary_size: int = 0
    # Words seen fewer times than this are <unk>.
    rare: int = 1
    # For the orders from 2 up: n-grams that occur so often or less are dropped; the last number holds for all above it.
    cutoffs: tuple[int, ...] = ()
    # n-grams that change the model by less than this, in nats a word, are dropped; 0: none.
    prune: float = 0.0
    # Most n-grams of all orders together: pruning goes on until so few are left; 0: no limit.
    most: int = 0

    def __post_init__(self) -> None:
        if not 1 <= self.order <= HIGHEST_ORDER:
            raise ConfigError(f"order {self.order} of a language model; choose 1 to {HIGHEST_ORDER}")
        if self.unit not in ("word", "character"):
            raise ConfigError(f'unit {self.unit!r} of a language model; choose "word" or "character"')
        if list(self.cutoffs) != sorted(self.cutoffs) or min(self.cutoffs, default=0) < 0:
            raise ConfigError(f"cut-offs {self.cutoffs} of a language model; they may not fall from order to order")
        if min(self.vocabulary_size, self.most) < 0 or self.rare < 1 or not 0 <= self.prune < 1:
            raise ConfigError(
                f"vocabulary_size {self.vocabulary_size}, most {self.most}, rare {self.rare}, prune {self.prune} of a "
                "language model; sizes and prune are 0 or more, prune is under 1, and rare is 1 or more"
            )


def train(sentences: Iterable[str], config: NgramConfig) -> NgramModel:
    """A model of sentences that went through the text rule already: words parted by spaces. Shows bars."""
    return train_mixture([sentences], config)


def train_mixture(
    texts: Sequence[Iterable[str]], config: NgramConfig, weights: Sequence[float] = (), held_out: Sequence[str] = ()
) -> NgramModel:
    """A model of one or several texts, whose sentences went through the text rule already.

    Of several texts, each gets a model of its own, and their probabilities are mixed by `weights`, or by the weights that
    foretell the sentences `held_out` best. Exact float32 probabilities; `binary.save` makes them small.
    Takes about 40 bytes of memory a word of the largest text and 60 a distinct n-gram that is not cut off.
    """
    if len(texts) > 1 and not held_out and len(weights) != len(texts):
        raise ConfigError(
            f"{len(texts)} texts to mix, but {len(weights)} weights; give each a weight, or a held-out text to find them"
        )
    if weights and (min(weights) < 0 or not np.isclose(sum(weights), 1)):
        raise ConfigError(f"weights {tuple(weights)} of a mixture; they are 0 or more and their sum is 1")
    encoded = encode(texts, config.unit, config.vocabulary_size, config.rare)
    vocabulary = len(encoded.words)
    models = []
    for place, ids in enumerate(encoded.texts, 1):
        of = f" text {place}" if len(texts) > 1 else ""
        orders = tqdm(range(2, config.order + 1), f"counting{of}", unit="order", mininterval=0.5)
        counted = count(ids, vocabulary, config.order, orders)
        smoothed = smooth(counted, config.cutoffs)
        models.append(list(tqdm(smoothed, f"smoothing{of}", config.order, unit="order", mininterval=0.5)))
        del counted, smoothed, ids
    levels = models[0]
    if len(models) > 1:
        if not weights:
            logs = [_log_probs(model, encoded.words, config, held_out) for model in models]
            weights = best_weights(logs)
            print(f"weights of the texts: {' '.join(f'{weight:.3f}' for weight in weights)}", file=sys.stderr)
        levels = mix(models, weights)
        del models
    if config.prune or config.most:
        levels = prune(levels, config.prune, config.most)
    return _model(levels, encoded.words, config)


def _model(levels: Sequence[Smoothed], words: tuple[str, ...], config: NgramConfig) -> NgramModel:
    return NgramModel(words, tables([_level(level) for level in levels]), config.unit, config.text_rule)


def _log_probs(
    levels: Sequence[Smoothed], words: tuple[str, ...], config: NgramConfig, sentences: Sequence[str]
) -> NDArray[np.float64]:
    model = _model(levels, words, config)
    return np.concatenate([model.score(model.split(sentence)) for sentence in sentences])


def _level(level: Smoothed) -> Level:
    with np.errstate(divide="ignore"):
        log_probs = np.maximum(np.log(level.probabilities), _NEVER * np.log(10))
    weights = np.log(level.weights).astype(np.float32)
    return Level(level.parents.astype(np.int64), level.words.astype(np.int64), log_probs.astype(np.float32), weights)
