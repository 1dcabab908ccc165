"""Lexicon, n-grams and hot phrases -> the arrays that the compiled search asks (`questions.Fusion`)."""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from recog.ctc.options import DecoderOptions
from recog.ctc.questions import (
    EVERYWHERE,
    IN_UNKNOWN_WORDS,
    LEAST_LOG_PROB,
    NOWHERE,
    WORD_GAIN,
    Fusion,
    Kinds,
    Model,
    Spellings,
)
from recog.errors import ConfigError
from recog.lm import hotwords, lookup
from recog.lm.hotwords import Hotword, Pattern
from recog.lm.lexicon import Lexicon, Trie, look_ahead
from recog.lm.ngram import SPECIAL, NgramModel
from recog.lm.quantise import quantise
from recog.lm.trie import Level, freeze
from recog.lm.trie import tables as model_tables

# The most that an unknown word costs where it leaves the lexicon: exp of twice as much would be no number any more.
_LEAST_PRICE = -300.0
# A phrase of words with several pronunciations each is listened for in this many ways at most.
_MOST_WAYS = 64


@dataclass(frozen=True)
class Knowledge:
    """What a decoder knows besides its network."""

    fusion: Fusion
    # Words of the lexicon; empty without one.
    words: tuple[str, ...]
    # (phrase, bonus) of the hot phrases in force, the price that an unknown word in them is spared included.
    bonuses: tuple[tuple[str, float], ...]


def gather(
    symbols: Sequence[str],
    options: DecoderOptions,
    word_lm: NgramModel | None,
    char_lm: NgramModel | None,
    lexicon: Lexicon | None,
) -> Knowledge | None:
    """Checks that all models speak this alphabet, and puts them together; None where there is nothing to know.

    Without a lexicon, a word model's vocabulary spelled letter by letter is one.
    """
    hot = [hotword for hotword in options.hotwords if hotword.weight > 0]
    if word_lm is None and char_lm is None and lexicon is None and not hot:
        return None
    _check_units(word_lm, char_lm)
    space = symbols.index(" ") + 1 if " " in symbols else -1
    if word_lm is not None and lexicon is None:
        lexicon = _spelled_vocabulary(word_lm, symbols, space)
    words = lexicon.words if lexicon is not None else ()
    unknown_alone = max(float(word_lm.unigrams[lookup.UNKNOWN]), LEAST_LOG_PROB) if word_lm is not None else 0.0
    lexicon_or_none = lexicon if lexicon is not None else Lexicon.nothing()
    trie, word_ids = lexicon_or_none.trie, np.zeros(len(words), np.int32)
    unigrams = np.zeros(len(words))
    if word_lm is not None:
        word_ids = np.array([word_lm.id(word) for word in words], np.int32)
        unigrams = np.maximum(word_lm.unigrams[word_ids].astype(np.float64), LEAST_LOG_PROB)
    letters = np.arange(int(trie.depths.max()) + 2)
    price = options.alpha * unknown_alone + options.unknown + options.letter * letters
    prices = np.exp(np.maximum(price, _LEAST_PRICE))
    patterns, bonuses = _patterns(hot, symbols, space, lexicon, options)
    hot_tables = hotwords.tables(patterns, len(symbols) + 1, space)
    mode = _character_mode(char_lm, word_lm, options)
    kinds = Kinds(
        has_lexicon=lexicon is not None,
        has_words=word_lm is not None,
        character_mode=mode,
        has_hot=bool(hot),
        merges=options.merge and (lexicon is not None or char_lm is not None),
        closes=options.sentences,
        most=_most_extensions(trie, len(symbols) + 1),
        gain=(float(hot_tables.factors.max()) if hot else 1.0)
        * (WORD_GAIN if lexicon is not None and space < 0 else 1.0)
        * (math.exp(max(0.0, options.delta)) if mode == EVERYWHERE else 1.0),
    )
    spellings = Spellings(
        trie.children,
        trie.labels,
        trie.depths,
        trie.word_starts,
        trie.words,
        held=np.exp(options.alpha * look_ahead(trie, unigrams)) if len(words) else np.ones(1),
        prices=prices,
        letter=math.exp(options.letter),
        space=space,
    )
    return Knowledge(
        Fusion(
            spellings,
            _model(word_lm, word_ids, options.alpha, options.beta, unknown_alone, options.sentences),
            _characters(char_lm, symbols, mode, options),
            hot_tables,
            kinds,
        ),
        words,
        bonuses,
    )


def _model(
    model: NgramModel | None,
    ids: NDArray[np.int32],
    weight: float,
    bonus: float,
    unknown_alone: float,
    sentences: bool,
) -> Model:
    return Model(
        tables=model.tables if model is not None else _no_tables(),
        ids=ids,
        weight=float(weight),
        bonus=float(bonus),
        unknown_release=math.exp(-weight * unknown_alone),
        begin=model.begin if model is not None and sentences else lookup.ROOT,
        word_begin=lookup.ROOT,
    )


def _characters(char_lm: NgramModel | None, symbols: Sequence[str], mode: int, options: DecoderOptions) -> Model:
    """The character model; in unknown words it begins after a space and nothing else."""
    reward = options.delta if mode == EVERYWHERE else 0.0
    model = _model(char_lm, _character_ids(char_lm, symbols), options.gamma, reward, 0.0, options.sentences)
    if char_lm is None or " " not in char_lm.ids:
        return model
    word_begin = lookup.advance(char_lm.tables, lookup.ROOT, char_lm.id(" "))[1]
    return model._replace(word_begin=word_begin, begin=word_begin if mode == IN_UNKNOWN_WORDS else model.begin)


def _check_units(word_lm: NgramModel | None, char_lm: NgramModel | None) -> None:
    for name, model, unit in (("word", word_lm, "word"), ("character", char_lm, "character")):
        if model is not None and model.unit != unit:
            raise ConfigError(f"the {name} model given to the decoder is one of {model.unit}s; give it one of {unit}s")


def _spelled_vocabulary(word_lm: NgramModel, symbols: Sequence[str], space: int) -> Lexicon:
    """The vocabulary spelled in characters; refused where that makes no sense."""
    if space < 0:
        raise ConfigError(
            "the recogniser's symbols have no space, so a word model needs a lexicon that tells how words are spelled"
        )
    words = word_lm.words[len(SPECIAL) :]
    lexicon = Lexicon.of_characters(words, symbols)
    if 2 * len(lexicon.left_out) > len(words):
        raise ConfigError(
            f"{len(lexicon.left_out)} of the {len(words)} words of the word model, such as {lexicon.left_out[0]!r}, "
            "hold characters that the recogniser lacks; give a model trained on text of this alphabet"
        )
    return lexicon


def _character_ids(char_lm: NgramModel | None, symbols: Sequence[str]) -> NDArray[np.int32]:
    """(S,) id of each label in the character model; refuses a model that lacks most symbols."""
    if char_lm is None:
        return np.zeros(len(symbols) + 1, np.int32)
    missing = [symbol for symbol in symbols if symbol not in char_lm.ids]
    if 2 * len(missing) > len(symbols):
        raise ConfigError(
            f"the character model lacks {len(missing)} of the recogniser's {len(symbols)} symbols, such as "
            f"{missing[0]!r}; give a model trained on text of this alphabet"
        )
    return np.array([lookup.UNKNOWN, *(char_lm.id(symbol) for symbol in symbols)], np.int32)


def _character_mode(char_lm: NgramModel | None, word_lm: NgramModel | None, options: DecoderOptions) -> int:
    if char_lm is None:
        return NOWHERE
    return IN_UNKNOWN_WORDS if options.spell_unknown_only and word_lm is not None else EVERYWHERE


def _most_extensions(trie: Trie, symbols: int) -> int:
    """Extensions that one entry can have: every symbol twice, and every word that ends here or a label further."""
    ending = np.diff(trie.word_starts)
    below = np.add.reduceat(np.append(ending, 0), np.minimum(trie.children[:-1], len(ending)))
    below[np.diff(trie.children) == 0] = 0
    return int((ending + below).max()) + 2 * symbols + 2


def _patterns(
    hot: Sequence[Hotword], symbols: Sequence[str], space: int, lexicon: Lexicon | None, options: DecoderOptions
) -> tuple[list[Pattern], tuple[tuple[str, float], ...]]:
    """The hot phrases as tokens, and the bonus of each.

    A word outside the lexicon is spared its price by as much of it as the weight has nats, at most all.
    """
    patterns, bonuses = [], []
    labels = {symbol: number for number, symbol in enumerate(symbols, start=1)}
    for hotword in hot:
        words = hotword.phrase.split()
        if space < 0 and lexicon is not None:
            ways = _ways(words, lexicon)
            bonus = hotword.weight
        else:
            text = " ".join(words) + " " if space > 0 else "".join(words)
            missing = sorted({character for character in text if character not in labels})
            if missing:
                raise ConfigError(
                    f"hotword {hotword.phrase!r} holds {missing[0]!r}, which the recogniser cannot write; spell it otherwise"
                )
            ways = [tuple(labels[character] for character in text)]
            outside = [word for word in words if lexicon is not None and word not in lexicon.numbers]
            price = -sum(options.unknown + options.letter * len(word) for word in outside)
            bonus = hotword.weight + price * min(1.0, hotword.weight)
        patterns += [Pattern(way, bonus) for way in ways]
        bonuses.append((" ".join(words), bonus))
    return patterns, tuple(bonuses)


def _ways(words: Sequence[str], lexicon: Lexicon) -> list[tuple[int, ...]]:
    """A phrase in labels, each word followed by its token, once for each way of saying it."""
    spoken = []
    for word in words:
        if word not in lexicon.numbers:
            raise ConfigError(f"hotword {word!r} has no pronunciation in the lexicon; add one to the lexicon")
        spoken.append([(*way, -1 - lexicon.numbers[word]) for way in lexicon.spelled(word)])
    ways = itertools.islice(itertools.product(*spoken), _MOST_WAYS)
    return [tuple(itertools.chain.from_iterable(way)) for way in ways]


@cache
def _no_tables() -> lookup.Tables:
    """Tables of no use, of the same types as those of a real model."""
    one = Level(np.zeros(3, np.int64), np.arange(3), np.zeros(3, np.float32), np.zeros(3, np.float32))
    two = Level(np.array([1]), np.array([2]), np.zeros(1, np.float32))
    return freeze(quantise(model_tables([one, two])))
