import itertools
import math
from pathlib import Path

import numpy as np
import pytest

from recog.errors import ConfigError, LanguageModelError
from recog.lm import binary, g2p, train
from recog.lm.g2p import G2P, G2pConfig
from recog.lm.ngram import SPECIAL

SAID = {
    "ab": [("A", "B")],
    "ba": [("B", "A")],
    "aab": [("A", "B"), ("A", "A", "B")],
    "abb": [("A", "B")],
    "bab": [("B", "A", "B")],
    "xa": [("K", "S", "A")],
    "bax": [("B", "A", "K", "S")],
    "axx": [("A", "K", "S")],
}


@pytest.fixture(scope="module")
def small() -> G2P:
    return g2p.train(SAID, G2pConfig(order=3, rounds=4)).model


def spellings(model: G2P, word: str) -> list[list[int]]:
    """Every row of tokens that spells a word."""
    if not word:
        return [[]]
    return [
        [number, *rest]
        for number, token in enumerate(model.graphones, len(SPECIAL))
        if word.startswith(token.letters)
        for rest in spellings(model, word[len(token.letters) :])
    ]


@pytest.mark.parametrize("word", ["a", "ab", "xab", "babx", "aaxbb"])
def test_probabilities_are_sums_over_all_rows_of_tokens(word: str, small: G2P) -> None:
    sums: dict[tuple[str, ...], float] = {}
    for row in spellings(small, word):
        names = [small.ngrams.words[number] for number in row]
        phones = tuple(itertools.chain.from_iterable(small.graphones[number - 3].phones for number in row))
        if phones:
            sums[phones] = sums.get(phones, 0.0) + math.exp(small.ngrams.score(names).sum())
    found = small.pronounce(word, best=10**6, beam=10**6, width=math.inf)
    assert {said.phones for said in found} == set(sums)
    for said in found:
        assert said.probability == pytest.approx(sums[said.phones] / sum(sums.values()), rel=1e-6)
    assert [said.probability for said in found] == sorted((said.probability for said in found), reverse=True)
    assert small.pronounce(word, best=2, beam=10**6, width=math.inf) == found[:2]


def rules(word: str) -> tuple[str, ...]:
    """A small orthography: c is S before e and K elsewhere, ch and sh are one, x is K S, e at the end is silent."""
    phones, at = [], 0
    while at < len(word):
        if word[at : at + 2] in ("ch", "sh"):
            phones.append(word[at : at + 2].upper())
            at += 1
        elif word[at] == "c":
            phones.append("S" if word[at + 1 : at + 2] == "e" else "K")
        elif word[at] == "x":
            phones += ["K", "S"]
        elif not (word[at] == "e" and at and at == len(word) - 1):
            phones.append(word[at].upper())
        at += 1
    return tuple(phones)


def test_rules_of_spelling_are_learnt() -> None:
    rng = np.random.default_rng(3)
    onsets, vowels = ["c", "ch", "sh", "s", "t", "x", "n"], ["a", "e", "o"]
    words = {
        "".join(rng.choice(onsets) + rng.choice(vowels) for _ in range(rng.integers(2, 4)))
        + rng.choice(["", "t", "n", "x", "ch"])
        for _ in range(2500)
    }
    ordered = sorted(words)
    unseen = ordered[::10]
    model = g2p.train({word: [rules(word)] for word in ordered if word not in unseen}, G2pConfig(rounds=6)).model
    wrong = [word for word in unseen if model.pronounce(word)[0].phones != rules(word)]
    assert len(unseen) > 150 and not wrong


def test_a_saved_model_says_the_same(small: G2P, tmp_path: Path) -> None:
    g2p.save(small, tmp_path / "small.g2p")
    loaded = g2p.load(tmp_path / "small.g2p")
    assert loaded.graphones == small.graphones
    assert loaded.phones == ("A", "B", "K", "S")
    for word in [*SAID, "babbax", "x"]:
        one, other = small.pronounce(word, 3), loaded.pronounce(word, 3)
        assert [said.phones for said in one] == [said.phones for said in other]
        assert [said.probability for said in one] == pytest.approx([said.probability for said in other], rel=0.02)


def test_damaged_files_and_other_models_are_refused(small: G2P, tmp_path: Path) -> None:
    path = tmp_path / "small.g2p"
    g2p.save(small, path)
    content = path.read_bytes()
    for damaged in (content[:-9], content[:200] + b"\x07" + content[201:]):
        path.write_bytes(damaged)
        with pytest.raises(LanguageModelError, match=r"small\.g2p is damaged or cut off: its checksum is wrong"):
            g2p.load(path)
    path.write_text("phones")
    with pytest.raises(LanguageModelError, match=r"small\.g2p is not a language model of recog"):
        g2p.load(path)
    for rule in ("raw", "graphones"):
        binary.save(train.train(["a b", "b a"], train.NgramConfig(2, "word", rule)), path)
        with pytest.raises(LanguageModelError, match="is a language model, but none of pronunciations"):
            g2p.load(path)


def test_letters_in_another_case_or_with_accents_are_read(small: G2P) -> None:
    for word in ("AB", "\u00e0b", "\u00c0b"):
        assert small.pronounce(word) == small.pronounce("ab")
    capital = g2p.train({"AB": [("A", "B")], "BA": [("B", "A")]}, G2pConfig(order=2)).model
    assert capital.pronounce("ab") == capital.pronounce("AB")


def test_what_cannot_be_said_is_refused(small: G2P) -> None:
    with pytest.raises(LanguageModelError, match="the word 'caz' holds 'c', which no word of the dictionary holds"):
        small.pronounce("caz")
    with pytest.raises(LanguageModelError, match="a word without letters has no pronunciation"):
        small.pronounce("")
    # The q of "qu" was silent wherever it stood; alone it says nothing.
    mute = g2p.train({"qa": [("A",)], "a": [("A",)], "qaa": [("A", "A")]}, G2pConfig(order=2)).model
    assert ("q", ()) in mute.graphones or ("qa", ("A",)) in mute.graphones
    with pytest.raises(LanguageModelError, match="no way of saying 'q' was found"):
        mute.pronounce("q")
    for wrong in ({"best": 0}, {"beam": 0}, {"width": 0.0}):
        with pytest.raises(ConfigError, match="all must be above 0"):
            small.pronounce("ab", **wrong)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="rounds are 1 or more"):
        G2pConfig(rounds=0)


def test_the_dictionary_goes_first_and_the_model_fills_in(small: G2P) -> None:
    words = ["ba", "AB", "babba", "caz", "ba"]
    found = g2p.completed(SAID, words, small, best=2)
    assert list(found) == ["ba", "AB", "babba", "caz"]
    assert found["ba"] == (("B", "A"),)
    assert found["AB"] == (("A", "B"),)
    assert found["babba"] == tuple(said.phones for said in small.pronounce("babba", 2))
    assert found["caz"] == ()
