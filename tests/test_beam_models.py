"""The decoder with models against the exhaustive search: every labelling scored by the models one by one."""

import itertools
import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import oracles
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recog.ctc.decoder import Decoder
from recog.ctc.options import DecoderOptions
from recog.errors import RecogError
from recog.lm.hotwords import Hotword
from recog.lm.lexicon import Lexicon
from recog.lm.ngram import NgramModel, Unit
from recog.lm.quantise import quantise
from recog.lm.train import NgramConfig, train

SYMBOLS = ("a", "b", " ")
SENTENCES = ["a ab b", "ab b a", "b ab a ab", "a a b", "ab ab", "b a b ab", "a ab a b", "b", "ab a"] * 3
WIDE = DecoderOptions(
    beam=4000, cut=-math.inf, width=math.inf, n_best=20, merge=False, alpha=0.7, beta=0.4, gamma=0.6, threads=1
)


def model(unit: Unit, order: int) -> NgramModel:
    """A small model of the sentences, quantised as the ones on disk are."""
    trained = train(SENTENCES, NgramConfig(order=order, unit=unit))
    return replace(trained, tables=quantise(trained.tables))


WORDS, CHARACTERS = model("word", 3), model("character", 4)
KNOWN = {"a", "b", "ab"}

Truth = dict[str, float]


def texts(log_probs: np.ndarray, score: Callable[[str], float]) -> Truth:
    """Every text that the frames can spell -> acoustic log-probability + score.

    Spaces at the beginning and several in a row are as one; a space at the end is scored, then dropped.
    """
    spelled: dict[str, list[float]] = {}
    for labelling, log_prob in oracles.labellings(log_probs).items():
        text = "".join(SYMBOLS[label - 1] for label in labelling)
        ends = " " if text.strip() and text.endswith(" ") else ""
        spelled.setdefault(" ".join(text.split()) + ends, []).append(log_prob)
    found: dict[str, list[float]] = {}
    for text, log_probs_of in spelled.items():
        found.setdefault(text.strip(), []).append(oracles.log_sum(log_probs_of) + score(text))
    return {text: oracles.log_sum(scores) for text, scores in found.items()}


def word_score(text: str, options: DecoderOptions) -> float:
    """The word model's part, the price of unknown words, and the reward for words."""
    words = text.split()
    price = sum(options.unknown + options.letter * len(word) for word in words if word not in KNOWN)
    return options.alpha * float(WORDS.score(words).sum()) + options.beta * len(words) + price


def character_score(text: str, options: DecoderOptions) -> float:
    return options.gamma * float(CHARACTERS.score(list(text)).sum()) + options.delta * len(text)


def assert_same(decoder: Decoder, log_probs: np.ndarray, truth: Truth) -> None:
    found = decoder.decode(log_probs)
    best = sorted(truth.values(), reverse=True)[: len(found)]
    assert [hypothesis.score for hypothesis in found] == pytest.approx(best, abs=1e-4)
    for hypothesis in found:
        assert hypothesis.score == pytest.approx(truth[hypothesis.text], abs=1e-4)
        parts = hypothesis.parts
        assert parts is not None
        assert parts.acoustic + parts.language + parts.length + parts.boost == pytest.approx(hypothesis.score)


@st.composite
def matrices(draw: st.DrawFn, steps: int = 5) -> np.ndarray:
    return oracles.random_log_probs(draw(st.integers(1, steps)), 4, draw(st.integers(0, 10**6)), 1.5)


@settings(max_examples=25, deadline=None)
@given(matrices(), st.floats(0, 2), st.floats(-2, 3))
def test_word_model_is_the_exhaustive_search(log_probs: np.ndarray, alpha: float, beta: float) -> None:
    options = replace(WIDE, alpha=alpha, beta=beta)
    decoder = Decoder(SYMBOLS, options, WORDS)
    assert_same(decoder, log_probs, texts(log_probs, lambda text: word_score(text, options)))


@settings(max_examples=15, deadline=None)
@given(matrices())
def test_both_models_are_the_exhaustive_search(log_probs: np.ndarray) -> None:
    decoder = Decoder(SYMBOLS, WIDE, WORDS, CHARACTERS)
    assert_same(decoder, log_probs, texts(log_probs, lambda text: word_score(text, WIDE) + character_score(text, WIDE)))


@settings(max_examples=25, deadline=None)
@given(matrices(), st.floats(-1, 2))
def test_character_model_is_the_exhaustive_search(log_probs: np.ndarray, delta: float) -> None:
    options = replace(WIDE, n_best=50, delta=delta)
    decoder = Decoder(SYMBOLS, options, char_lm=CHARACTERS)
    truth = {
        labelling: log_prob + character_score("".join(SYMBOLS[label - 1] for label in labelling), options)
        for labelling, log_prob in oracles.labellings(log_probs).items()
    }
    for hypothesis in decoder.decode(log_probs):
        assert hypothesis.score == pytest.approx(truth[hypothesis.labels], abs=1e-4)
        assert hypothesis.parts is not None and hypothesis.parts.length == pytest.approx(delta * len(hypothesis.labels))
    assert decoder.decode(log_probs)[0].score == pytest.approx(max(truth.values()), abs=1e-4)


@settings(max_examples=15, deadline=None)
@given(matrices())
def test_unknown_words_spelled_by_the_character_model(log_probs: np.ndarray) -> None:
    options = replace(WIDE, spell_unknown_only=True)

    def spelling(word: str, ends: bool) -> float:
        # Foretold after a space; a word that a space ends foretells it too.
        scores = CHARACTERS.score([" ", *word, *" " * ends], begin=False, end=False)[1:]
        return options.gamma * float(scores.sum())

    def score(text: str) -> float:
        words = text.split()
        ended = [True] * (len(words) - 1) + [text.endswith(" ")]
        outside = [(word, end) for word, end in zip(words, ended, strict=False) if word not in KNOWN]
        return word_score(text, options) + sum(spelling(word, end) for word, end in outside)

    assert_same(Decoder(SYMBOLS, options, WORDS, CHARACTERS), log_probs, texts(log_probs, score))


@settings(max_examples=25, deadline=None)
@given(matrices(4), st.sampled_from(["ab", "ba", "b a", "a ab a", "a a", "aa"]), st.floats(0, 9), st.booleans())
def test_hot_phrases_add_their_bonus_once_for_each_occurrence(
    log_probs: np.ndarray, phrase: str, weight: float, with_words: bool
) -> None:
    options = replace(WIDE, hotwords=(Hotword(phrase, weight), Hotword("b", 0.5)))
    price = sum(options.unknown + options.letter * len(word) for word in phrase.split() if word not in KNOWN)

    def bonus(text: str) -> float:
        bonuses = {phrase: weight - price * min(1.0, weight) * with_words, "b": 0.5}
        if phrase == "b":
            bonuses["b"] += weight
        words = text.split(" ")
        return sum(
            worth * sum(words[at : at + len(hot.split())] == hot.split() for at in range(len(words)))
            for hot, worth in bonuses.items()
        )

    if with_words:
        truth = texts(log_probs, lambda text: word_score(text, options) + bonus(text))
        assert_same(Decoder(SYMBOLS, options, WORDS), log_probs, truth)
    else:
        found = Decoder(SYMBOLS, replace(options, n_best=50)).decode(log_probs)
        by_labels = {
            labelling: log_prob + bonus("".join(SYMBOLS[label - 1] for label in labelling))
            for labelling, log_prob in oracles.labellings(log_probs).items()
        }
        assert found[0].score == pytest.approx(max(by_labels.values()), abs=1e-4)
        for hypothesis in found:
            assert hypothesis.score == pytest.approx(by_labels[hypothesis.labels], abs=1e-4)


PHONES = ("A", "B", "C")
SAID = {"a": [("A",)], "b": [("B",), ("B", "A")], "bee": [("B",)], "ab": [("A", "B")], "x": [("C", "C")]}


def phone_truth(
    log_probs: np.ndarray, options: DecoderOptions, hot: dict[str, float]
) -> dict[tuple[object, ...], float]:
    """Every labelling in every segmentation into words, with the words' scores; an unknown word is its labels."""
    words_of: dict[tuple[str, ...], list[str]] = {}
    for word, ways in SAID.items():
        for way in ways:
            words_of.setdefault(way, []).append(word)
    found: dict[tuple[object, ...], float] = {}
    for labelling, log_prob in oracles.labellings(log_probs).items():
        phones = [PHONES[label - 1] for label in labelling]
        for cuts in itertools.product([False, True], repeat=max(0, len(phones) - 1)):
            edges = [0, *(place + 1 for place, cut in enumerate(cuts) if cut), len(phones)] if phones else [0]
            pieces = [tuple(phones[start:end]) for start, end in itertools.pairwise(edges)]
            for words in itertools.product(*(words_of.get(piece, ["".join(piece)]) for piece in pieces)):
                price = sum(options.unknown + options.letter * len(piece) for piece in pieces if piece not in words_of)
                bonus = sum(hot.get(word, 0.0) for word in words)
                score = options.alpha * float(WORDS.score(words).sum()) + options.beta * len(words) + price + bonus
                key = (labelling, words)
                found[key] = max(found.get(key, -math.inf), log_prob + score)
    return found


@settings(max_examples=15, deadline=None)
@given(matrices(4), st.booleans())
def test_phones_become_words_and_homophones_part(log_probs: np.ndarray, hot: bool) -> None:
    options = replace(WIDE, hotwords=(Hotword("bee", 2.0),) if hot else ())
    decoder = Decoder(PHONES, options, WORDS, lexicon=Lexicon.of_pronunciations(SAID, PHONES))
    truth = phone_truth(log_probs, options, {"bee": 2.0} if hot else {})
    found = decoder.decode(log_probs)
    assert found[0].score == pytest.approx(max(truth.values()), abs=1e-4)
    for hypothesis in found:
        key = (hypothesis.labels, tuple(word.text for word in hypothesis.words))
        assert hypothesis.score == pytest.approx(truth[key], abs=1e-4)


def sure(text: str, symbols: tuple[str, ...] = SYMBOLS, doubt: float = 0.0, blank: float = 0.0) -> np.ndarray:
    """Frames that spell a text, each followed by a blank one; `doubt` is spread over the other symbols."""
    rows = []
    for character in text:
        for label, rest in ((symbols.index(character) + 1, doubt), (0, blank)):
            row = np.full(len(symbols) + 1, max(rest, 1e-9) / len(symbols))
            row[label] = 1 - row[0] * len(symbols)
            rows.append(row / row.sum())
    return np.log(np.array(rows)).astype(np.float32)


def test_a_word_outside_the_lexicon_comes_out_when_it_was_said() -> None:
    found = Decoder(SYMBOLS, DecoderOptions(), WORDS).decode(sure("a bbaab ab"))[0]
    assert found.text == "a bbaab ab"
    assert [word.known for word in found.words] == [True, False, True]
    assert [(word.first, word.last) for word in found.words] == [(0, 1), (2, 7), (8, 10)]


def test_no_words_are_no_trouble() -> None:
    decoder = Decoder(SYMBOLS, DecoderOptions(), WORDS, CHARACTERS)
    for matrix in (np.zeros((0, 4), np.float32), sure(" "), sure("   ")):
        found = decoder.decode(matrix)[0]
        assert (found.text, found.labels, found.words) == ("", (), ())


@pytest.mark.parametrize("seed", range(8))
def test_a_merged_narrow_beam_finds_what_the_wide_one_does(seed: int) -> None:
    # Sentences of the training text with a third of the mass astray.
    rng = np.random.default_rng(seed)
    matrix = sure(SENTENCES[seed], doubt=0.3).astype(np.float64) + rng.normal(0, 0.7, (2 * len(SENTENCES[seed]), 4))
    log_probs = matrix - np.log(np.exp(matrix).sum(axis=1, keepdims=True))
    wide = Decoder(SYMBOLS, replace(WIDE, n_best=1), WORDS).decode(log_probs)[0]
    narrow = Decoder(SYMBOLS, replace(WIDE, n_best=1, merge=True, beam=40, width=12.0), WORDS).decode(log_probs)[0]
    assert narrow.text == wide.text
    assert narrow.score == pytest.approx(wide.score, abs=0.3)
    assert narrow.score <= wide.score + 1e-6


def test_merged_texts_stay_among_the_n_best() -> None:
    # "a" or "b" first, doubtful; the rest sure. A 2-gram's state after "ab" is the same for both beginnings.
    log_probs = sure("a ab ab ab")
    log_probs[0] = np.log([1e-9, 0.6, 0.4 - 2e-9, 1e-9])
    options = DecoderOptions(n_best=2, alpha=0.0, beta=0.0, beam=10)
    first, second = Decoder(SYMBOLS, options, model("word", 2)).decode(log_probs)
    assert (first.text, second.text) == ("a ab ab ab", "b ab ab ab")
    assert math.exp(second.score - first.score) == pytest.approx(4 / 6, rel=1e-3)
    assert first.words[0].confidence == pytest.approx(0.6, abs=0.01)
    assert all(word.confidence > 0.99 for word in first.words[1:])


def test_confidence_of_a_word_is_the_beam_that_agrees() -> None:
    log_probs = sure("a ab b")
    log_probs[8] = np.log([1e-9, 1e-9, 0.3 - 3e-9, 0.7])  # the space after "ab" may be a b: then the word is "abbb"
    for decoder in (Decoder(SYMBOLS), Decoder(SYMBOLS, DecoderOptions(alpha=0.0, beta=0.0), WORDS)):
        words = decoder.decode(log_probs)[0].words
        assert [word.text for word in words] == ["a", "ab", "b"]
        assert words[0].confidence > 0.99
    # Without a lexicon nothing speaks against "abbb" but the frame itself: both words are as sure as their space.
    assert [w.confidence for w in Decoder(SYMBOLS).decode(log_probs)[0].words[1:]] == pytest.approx(
        [0.7, 0.7], abs=0.01
    )
    first_letter = sure("a ab b")
    first_letter[0] = np.log([1e-9, 0.8, 0.2 - 2e-9, 1e-9])
    words = Decoder(SYMBOLS).decode(first_letter)[0].words
    assert words[0].confidence == pytest.approx(0.8, abs=0.01)
    assert words[1].confidence > 0.99


def test_chunks_and_threads_change_nothing() -> None:
    matrices_ = [oracles.random_log_probs(30 + seed, 4, seed, 2.5) for seed in range(12)]
    options = DecoderOptions(n_best=5, hotwords=(Hotword("b a", 3.0),))
    decoder = Decoder(SYMBOLS, replace(options, threads=4), WORDS, CHARACTERS)
    alone = [Decoder(SYMBOLS, options, WORDS, CHARACTERS).decode(matrix) for matrix in matrices_]
    assert decoder.decode_many(matrices_) == alone
    for matrix, expected in zip(matrices_, alone, strict=True):
        stream = decoder.stream()
        for chunk in np.split(matrix, [1, 1, 8, 20]):
            stream.feed(chunk)
        assert stream.so_far() == expected[0].text
        assert stream.finish() == expected


def test_weight_zero_changes_nothing() -> None:
    matrix = oracles.random_log_probs(40, 4, 3, 2.5)
    options = DecoderOptions(n_best=5)
    plain = Decoder(SYMBOLS, options, WORDS).decode(matrix)
    hot = Decoder(SYMBOLS, replace(options, hotwords=(Hotword("bba", 0.0), Hotword("ab", 0.0))), WORDS)
    assert hot.decode(matrix) == plain
    assert Decoder(SYMBOLS, replace(options, hotwords=(Hotword("bba", 0.0),))).knowledge is None


def test_a_hot_name_outside_the_lexicon_wins_over_a_near_word() -> None:
    # Said: "baab", but its second a is as likely a space: "ba ab" would be it without help.
    log_probs = sure("a baab ab")
    log_probs[8] = np.log([1e-9, 0.3, 1e-9, 0.7 - 2e-9])
    options = DecoderOptions(alpha=1.0, beta=0.0)
    assert Decoder(SYMBOLS, options, WORDS).decode(log_probs)[0].text != "a baab ab"
    hot = replace(options, hotwords=(Hotword("baab", 8.0),))
    found = Decoder(SYMBOLS, hot, WORDS).decode(log_probs)[0]
    assert found.text == "a baab ab"
    assert found.parts is not None
    assert found.parts.boost == pytest.approx(8.0 - options.unknown - 4 * options.letter)


def test_scripts_without_spaces() -> None:
    symbols = ("a", "b")
    found = Decoder(symbols, DecoderOptions(hotwords=(Hotword("ab", 1.0),))).decode(sure("babab", symbols))[0]
    assert found.text == "babab"
    assert found.parts is not None
    assert found.parts.boost == pytest.approx(2.0)


@pytest.mark.parametrize(
    ("build", "sentence"),
    [
        (lambda: Decoder("xyz ", word_lm=WORDS), "none of the 3 words of the lexicon, such as '.*', can be spelled"),
        (lambda: Decoder("ab", word_lm=WORDS), "no space, so a word model needs a lexicon"),
        (lambda: Decoder("xyz ", char_lm=CHARACTERS), "lacks 3 of the recogniser's 4 symbols, such as 'x'"),
        (lambda: Decoder(SYMBOLS, word_lm=CHARACTERS), "the word model given to the decoder is one of characters"),
        (lambda: Decoder(SYMBOLS, char_lm=WORDS), "the character model given to the decoder is one of words"),
        (lambda: Decoder(()), "needs distinct symbols, at least one; 0 came"),
        (lambda: Decoder("aa"), "distinct symbols"),
        (lambda: Hotword("  "), "at least one word"),
        (lambda: Hotword("a", -1.0), "weight of 0 or more"),
        (lambda: Decoder("ab ", DecoderOptions(hotwords=(Hotword("axe"),))), "hotword 'axe' holds 'e', which"),
        (
            lambda: Decoder(
                PHONES,
                DecoderOptions(hotwords=(Hotword("zoe"),)),
                lexicon=Lexicon.of_pronunciations(SAID, PHONES),
            ),
            "hotword 'zoe' has no pronunciation",
        ),
        (lambda: DecoderOptions(beam=0), "decoder.beam is 0; it must be 1 or more"),
        (lambda: DecoderOptions(unknown=-math.inf), "no word is impossible"),
        (lambda: DecoderOptions(letter=1.0), "decoder.letter is 1.0"),
        (lambda: DecoderOptions(alpha=-1.0), "decoder.alpha is -1.0"),
        (lambda: DecoderOptions(beta=math.nan), "decoder.beta is nan"),
        (lambda: DecoderOptions(width=-1.0), "width above"),
    ],
)
def test_refusals(build: Callable[[], object], sentence: str) -> None:
    with pytest.raises(RecogError, match=sentence):
        build()
