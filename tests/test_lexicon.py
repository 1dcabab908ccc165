import itertools
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recog.errors import LanguageModelError
from recog.lm.lexicon import ROOT, Lexicon, build, look_ahead

SYMBOLS = "abc "
WORDS = st.lists(st.text("abc", min_size=1, max_size=5), min_size=1, max_size=30, unique=True)


def walk(lexicon: Lexicon, spelling: list[int]) -> list[str]:
    """The words at the end of a spelling, from the root down."""
    trie, node = lexicon.trie, ROOT
    for depth, label in enumerate(spelling, start=1):
        below = list(range(trie.children[node], trie.children[node + 1]))
        found = [child for child in below if trie.labels[child] == label]
        if not found:
            return []
        (node,) = found
        assert trie.depths[node] == depth
    return [lexicon.words[word] for word in trie.words[trie.word_starts[node] : trie.word_starts[node + 1]]]


@settings(deadline=None, max_examples=40)
@given(WORDS)
def test_every_word_is_found_and_nothing_else(words: list[str]) -> None:
    lexicon = Lexicon.of_characters(words, SYMBOLS)
    trie = lexicon.trie
    assert set(lexicon.words) == set(words)
    for word in words:
        labels = [1 + SYMBOLS.index(character) for character in word]
        assert walk(lexicon, labels) == [word]
        assert lexicon.spelled(word) == [tuple(labels)]
    prefixes = {word[:end] for word in words for end in range(len(word) + 1)}
    assert len(trie.labels) == len(prefixes)
    assert len(trie.words) == len(words)
    for node in range(len(trie.labels)):
        labels_below = trie.labels[trie.children[node] : trie.children[node + 1]].tolist()
        assert labels_below == sorted(set(labels_below))
        assert all(trie.parents[child] == node for child in range(trie.children[node], trie.children[node + 1]))


@settings(deadline=None, max_examples=40)
@given(WORDS, st.integers(0, 10**6))
def test_look_ahead_is_the_best_word_below(words: list[str], seed: int) -> None:
    lexicon = Lexicon.of_characters(words, SYMBOLS)
    scores = np.random.default_rng(seed).normal(size=len(words))
    best = look_ahead(lexicon.trie, scores)
    for node in range(len(best)):
        prefix, above = "", node
        while above != ROOT:
            prefix = SYMBOLS[lexicon.trie.labels[above] - 1] + prefix
            above = lexicon.trie.parents[above]
        assert best[node] == max(scores[lexicon.words.index(word)] for word in words if word.startswith(prefix))


def test_several_pronunciations_and_homophones() -> None:
    lexicon = Lexicon.of_pronunciations(
        {"read": [("R", "EH", "D"), ("R", "IY", "D")], "red": [("R", "EH", "D")], "reed": [("R", "IY", "D")]},
        ["R", "EH", "IY", "D"],
    )
    assert walk(lexicon, [1, 2, 4]) == ["read", "red"]
    assert walk(lexicon, [1, 3, 4]) == ["read", "reed"]
    assert lexicon.spelled("read") == [(1, 2, 4), (1, 3, 4)]
    assert lexicon.spelled("lead") == []


def test_twenty_homophones_share_a_node() -> None:
    trie = build([[1, 2]] * 20, np.arange(20, dtype=np.int32))
    assert trie.words[trie.word_starts[2] : trie.word_starts[3]].tolist() == list(range(20))


def test_words_that_cannot_be_spelled_are_named() -> None:
    lexicon = Lexicon.of_characters(["ab", "axe", "a b", "", "ab", "c"], SYMBOLS)
    assert lexicon.words == ("ab", "c")
    assert lexicon.left_out == ("axe", "a b", "")
    spoken = Lexicon.of_pronunciations({"a": [["A"]], "b": [["X"], []], "c": [["X"], ["A", "A"]]}, ["A"])
    assert (spoken.words, spoken.left_out) == (("a", "c"), ("b",))
    assert spoken.spelled("c") == [(1, 1)]


def test_a_lexicon_of_another_alphabet_is_refused() -> None:
    with pytest.raises(LanguageModelError, match="none of the 2 words of the lexicon, such as 'да', can be spelled"):
        Lexicon.of_characters(["да", "нет"], SYMBOLS)
    with pytest.raises(LanguageModelError, match="none of the 0 words of the lexicon can be spelled"):
        Lexicon.of_pronunciations({}, ["A"])


def test_a_hundred_thousand_words_are_small_and_quick() -> None:
    rng = np.random.default_rng(0)
    lengths = np.clip(rng.poisson(7, 100_000), 1, 20)
    letters = rng.zipf(1.5, lengths.sum()) % 26 + 1
    spellings = np.split(letters, np.cumsum(lengths)[:-1])
    started = time.process_time()
    trie = build(spellings, np.arange(100_000, dtype=np.int32))
    assert time.process_time() - started < 5
    assert sum(array.nbytes for array in trie) < 20e6
    assert len(trie.words) == 100_000


def test_a_hundred_thousand_words_with_their_ways_of_being_said_take_little_memory() -> None:
    rng = np.random.default_rng(0)
    symbols = [f"P{number}" for number in range(39)]
    lengths = np.clip(rng.poisson(6, 110_000), 1, 20).tolist()
    said = iter([symbols[number] for number in rng.integers(0, 39, sum(lengths)).tolist()])
    ways = [tuple(itertools.islice(said, length)) for length in lengths]
    words = {f"w{number}": ways[number::100_000] for number in range(100_000)}  # every tenth said in two ways
    started = time.process_time()
    lexicon = Lexicon.of_pronunciations(words, symbols)
    assert time.process_time() - started < 3
    spellings = sum(len(set(some)) for some in words.values())
    assert (len(lexicon.words), len(lexicon.trie.words)) == (100_000, spellings)
    assert len(lexicon.trie.labels) == len({way[:end] for way in ways for end in range(len(way) + 1)})
    # 18 bytes a node (children, label, parent, words: 4 each; depth: 2), 4 a spelling; two arrays have one entry more.
    size = sum(array.nbytes for array in lexicon.trie)
    assert size == 18 * len(lexicon.trie.labels) + 4 * spellings + 8 < 10e6


@pytest.mark.parametrize("first", [1, 200, 65_000])
def test_alphabets_of_any_size_sort_alike(first: int) -> None:
    # Labels up to 255, above, and above 65535 are sorted in keys of different width.
    rng = np.random.default_rng(first)
    spellings = [tuple(first + rng.integers(0, 900, rng.integers(1, 4))) for _ in range(2000)]
    trie = build(spellings, np.arange(2000, dtype=np.int32))
    found = []
    for node in range(len(trie.labels)):
        path, above = [], node
        while above != ROOT:
            path.append(trie.labels[above])
            above = trie.parents[above]
        found += [(len(path), *reversed(path))]
        ending = trie.words[trie.word_starts[node] : trie.word_starts[node + 1]].tolist()
        assert ending == sorted(ending)
        assert all(spellings[word] == tuple(reversed(path)) for word in ending)
    # Breadth first, then by label; each prefix once.
    assert found == sorted(set(found)) and len(trie.words) == 2000
