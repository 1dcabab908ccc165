"""The trie and its lookup, against back-off spelled out over dictionaries."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recog.errors import LanguageModelError
from recog.lm import lookup
from recog.lm.lookup import BEGIN, END, ROOT, advance
from recog.lm.ngram import SPECIAL, NgramModel
from recog.lm.trie import Level, tables

Grams = dict[tuple[int, ...], tuple[float, float]]


def build(grams: Grams, order: int, vocabulary: tuple[str, ...]) -> NgramModel:
    """{path: (natural log probability, natural log back-off)} -> model; every prefix of a path must be there."""
    levels, before = [], {(): 0}
    for n in range(1, order + 1):
        paths = sorted((path for path in grams if len(path) == n), key=lambda path: (before[path[:-1]], path[-1]))
        levels.append(
            Level(
                np.array([before[path[:-1]] for path in paths], np.int64),
                np.array([path[-1] for path in paths], np.int64),
                np.array([grams[path][0] for path in paths], np.float32),
                np.array([grams[path][1] for path in paths], np.float32) if n < order else None,
            )
        )
        before = {path: place for place, path in enumerate(paths)}
    return NgramModel(vocabulary, tables(levels))


def backed_off(grams: Grams, history: tuple[int, ...], word: int) -> float:
    """Katz back-off, word for word (Jurafsky and Martin, 3.6): the oracle."""
    if (*history, word) in grams:
        return grams[(*history, word)][0]
    weight = grams[history][1] if history in grams else 0.0
    return weight + backed_off(grams, history[1:], word)


WORDS = (*SPECIAL, "a", "b", "c")


@st.composite
def models(draw: st.DrawFn) -> tuple[Grams, int]:
    """Random tries of order 1 to 5: closed under prefixes, not under suffixes, with and without back-off weights."""
    order = draw(st.integers(1, 5))
    generator = np.random.default_rng(draw(st.integers(0, 2**32)))
    density = draw(st.sampled_from([0.05, 0.3, 0.8]))
    grams: Grams = {(word,): (-1.0 - generator.random(), 0.0) for word in range(len(WORDS))}
    paths = list(grams)
    for n in range(2, order + 1):
        paths = [(*path, word) for path in paths for word in range(len(WORDS)) if generator.random() < density / n]
        grams |= {path: (-generator.random(), 0.0) for path in paths}
    for path, (log_prob, _) in grams.items():
        if len(path) < order and generator.random() < 0.5:
            grams[path] = (log_prob, -generator.random())
    return grams, order


@settings(deadline=None, max_examples=60)
@given(models(), st.lists(st.integers(0, len(WORDS) - 1), max_size=30))
def test_advance_is_back_off_over_dictionaries(drawn: tuple[Grams, int], text: list[int]) -> None:
    grams, order = drawn
    model = build(grams, order, WORDS)
    state = ROOT
    for place, word in enumerate(text):
        history = tuple(text[max(0, place - order + 1) : place])
        expected = backed_off(grams, history, word)
        plain = getattr(advance, "py_func", advance)(model.tables, state, word)
        score, state = advance(model.tables, state, word)
        assert score == pytest.approx(expected, abs=1e-5)
        # Compiled and plain Python agree to the last bit.
        assert type(plain[0]) is float and plain == (score, state)


@settings(deadline=None, max_examples=60)
@given(models(), st.integers(0, 2**32))
def test_histories_with_equal_states_get_equal_scores_and_the_state_is_the_shortest_such(
    drawn: tuple[Grams, int], seed: int
) -> None:
    grams, order = drawn
    model = build(grams, order, WORDS)
    generator = np.random.default_rng(seed)
    for _ in range(20):
        history = tuple(int(word) for word in generator.integers(0, len(WORDS), order))
        state = ROOT
        for word in history:
            _, state = advance(model.tables, state, word)
        # The longest end of the history that the model could tell from a shorter one.
        told = [
            history[cut:]
            for cut in range(len(history))
            if grams.get(history[cut:], (0.0, 0.0))[1] != 0.0
            or any(path[: order - cut] == history[cut:] and len(path) > order - cut for path in grams)
        ]
        expected = ROOT
        for word in told[0] if told else ():
            expected = (
                1 + word
                if expected == ROOT
                else lookup._child(model.tables.children, model.tables.words, expected, word)
            )
        assert state == expected


def test_a_sentence_by_hand() -> None:
    # P(a|<s>) = 0.5; "b" unseen after "<s> a": back-off of "<s> a" 0.8 x back-off of "a" 0.5 x P(b) = 0.2; then
    # "a b" is no 2-gram, so "</s>" follows "b" alone: P(</s>|b) = 0.9.
    log = math.log
    grams: Grams = {
        (0,): (log(0.1), 0.0),
        (BEGIN,): (-99.0, log(0.4)),
        (END,): (log(0.3), 0.0),
        (3,): (log(0.4), log(0.5)),
        (4,): (log(0.2), log(0.25)),
        (BEGIN, 3): (log(0.5), log(0.8)),
        (3, 3): (log(0.3), 0.0),
        (4, END): (log(0.9), 0.0),
        (BEGIN, 3, 3): (log(0.7), 0.0),
    }
    model = build(grams, 3, (*SPECIAL, "a", "b"))
    assert model.order == 3 and model.sizes == (5, 3, 1)
    np.testing.assert_allclose(model.score(["a", "b"]), np.log([0.5, 0.8 * 0.5 * 0.2, 0.9]), atol=1e-6)
    # Without <s>, and with a word that the vocabulary lacks.
    np.testing.assert_allclose(
        model.score(["b", "zebra"], begin=False, end=False), np.log([0.2, 0.25 * 0.1]), atol=1e-6
    )
    np.testing.assert_allclose(np.exp(model.unigrams[3:]), [0.4, 0.2], atol=1e-6)
    measured = model.perplexity(["a b", "zebra"])
    assert (measured.words, measured.unknown, measured.sentences) == (3, 1, 2)
    # "zebra": 0.4 x 0.1 and then </s> after nothing: 0.3.
    assert measured.value == pytest.approx((0.5 * 0.08 * 0.9 * 0.04 * 0.3) ** (-1 / 5), rel=1e-5)
    assert measured.known == pytest.approx((0.5 * 0.08 * 0.9 * 0.3) ** (-1 / 4), rel=1e-5)


def test_a_character_model_keeps_the_space_as_a_word() -> None:
    grams: Grams = {(word,): (math.log(0.2), 0.0) for word in range(5)}
    model = build(grams, 1, (*SPECIAL, "a", " "))
    characters = NgramModel(model.words, model.tables, "character")
    assert characters.split("a a") == ["a", " ", "a"]
    assert characters.id(" ") == 4


def test_a_vocabulary_that_does_not_fit_is_refused() -> None:
    grams: Grams = {(word,): (-1.0, 0.0) for word in range(5)}
    model = build(grams, 1, (*SPECIAL, "a", "b"))
    with pytest.raises(LanguageModelError, match="one word for each of the 5 1-grams"):
        NgramModel((*SPECIAL, "a"), model.tables)
