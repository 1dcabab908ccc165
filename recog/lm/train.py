"""Sentences -> n-gram model: count, smooth, prune, build the trie."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from tqdm import tqdm

from recog.errors import ConfigError
from recog.lm.counts import count, encode
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
    """A model of these sentences, which went through the text rule already: words parted by spaces.

    Exact float32 probabilities; `binary.save` makes them small. Shows a bar while it counts. Takes about 40 bytes of
    memory a word of text and 60 a distinct n-gram.
    """
    encoded = encode(sentences, config.unit, config.vocabulary_size, config.rare)
    orders = tqdm(range(2, config.order + 1), "counting", unit="order", mininterval=0.5)
    counted = count(encoded, config.order, orders)
    words = encoded.words
    del encoded
    levels = list(tqdm(smooth(counted, config.cutoffs), "smoothing", config.order, unit="order", mininterval=0.5))
    del counted
    if config.prune or config.most:
        levels = prune(levels, config.prune, config.most)
    return NgramModel(words, tables([_level(level) for level in levels]), config.unit, config.text_rule)


def _level(level: Smoothed) -> Level:
    with np.errstate(divide="ignore"):
        log_probs = np.maximum(np.log(level.probabilities), _NEVER * np.log(10))
    weights = np.log(level.weights).astype(np.float32)
    return Level(level.parents.astype(np.int64), level.words.astype(np.int64), log_probs.astype(np.float32), weights)
