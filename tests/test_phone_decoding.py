"""From a network's phones to words: dictionary, model of pronunciations and word n-gram together."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from recog.ctc.decoder import Decoder
from recog.ctc.options import DecoderOptions
from recog.lm import g2p, pronunciation
from recog.lm.g2p import G2P, G2pConfig
from recog.lm.lexicon import Lexicon
from recog.lm.ngram import NgramModel
from recog.lm.pronunciation import Pronunciations
from recog.lm.quantise import quantise
from recog.lm.train import NgramConfig, train

DICTIONARY = """two T UW1
to T UW1
to(2) T AH0
too T UW1
want W AA1 N T
men M EH1 N
we W IY1
go G OW1
late L EY1 T
came K EY1 M
at AE1 T
ten T EH1 N
men's M EH1 N Z
mat M AE1 T
gate G EY1 T
mate M EY1 T
net N EH1 T
game G EY1 M
tame T EY1 M
lame L EY1 M
lane L EY1 N
mane M EY1 N
wane W EY1 N
gain G EY1 N
"""
SENTENCES = [
    "we want to go",
    "two men came",
    "we came too late",
    "two men want to go",
    "we go at ten",
    "too late to go",
]
# Not in the dictionary, but in the text: said by analogy with mate and lane.
NEW = ["we tane late", "two men want to tane"]


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> Pronunciations:
    path = tmp_path_factory.mktemp("said") / "cmu.dict"
    path.write_text(DICTIONARY)
    return pronunciation.read(path)


@pytest.fixture(scope="module")
def speaker(said: Pronunciations) -> G2P:
    return g2p.train(said, G2pConfig(order=4)).model


@pytest.fixture(scope="module")
def words() -> NgramModel:
    trained = train((SENTENCES + NEW) * 3, NgramConfig(3))
    return replace(trained, tables=quantise(trained.tables))  # as models on disk are


def heard(spoken: str, phones: tuple[str, ...], seed: int | None = None, doubt: float = 0.0) -> np.ndarray:
    """(T, S) log-probabilities of phones, each a frame or two, parted by blanks; `doubt` of the mass is astray."""
    rng = np.random.default_rng(seed)
    rows = []
    for phone in spoken.split():
        for label, times in ((phones.index(phone) + 1, rng.integers(1, 3)), (0, 1)):
            row = np.full(len(phones) + 1, 1e-7)
            row[label] = 1.0
            rows += [row] * int(times)
    matrix = np.array(rows)
    if doubt:
        matrix = (1 - doubt) * matrix + doubt * rng.dirichlet(np.full(len(phones) + 1, 0.2), len(matrix))
    return np.log(matrix / matrix.sum(axis=1, keepdims=True)).astype(np.float32)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(
    ("spoken", "text"),
    [
        ("W IY W AA N T T UW G OW", "we want to go"),
        ("W IY W AA N T T AH G OW", "we want to go"),
        ("T UW M EH N K EY M", "two men came"),
        ("W IY K EY M T UW L EY T", "we came too late"),
        ("T UW L EY T T UW G OW", "too late to go"),
    ],
)
def test_homophones_are_parted_by_the_words_around_them(
    spoken: str, text: str, seed: int, said: Pronunciations, words: NgramModel
) -> None:
    phones = pronunciation.phones_of(said)
    decoder = Decoder(phones, DecoderOptions(), words, lexicon=Lexicon.of_pronunciations(said, phones))
    found = decoder.decode(heard(spoken, phones, seed, doubt=0.0 if seed == 0 else 0.35))[0]
    assert found.text == text
    assert [word.text for word in found.words] == text.split()
    assert [phones[label - 1] for label in found.labels] == spoken.split()
    assert all(word.known for word in found.words)


def test_a_word_the_dictionary_lacks_is_heard_as_the_model_says_it(
    said: Pronunciations, speaker: G2P, words: NgramModel
) -> None:
    phones = pronunciation.phones_of(said)
    vocabulary = sorted({word for sentence in SENTENCES + NEW for word in sentence.split()})
    assert "tane" not in said
    completed = g2p.completed(said, vocabulary, speaker)
    assert completed["tane"] == (("T", "EY", "N"),)
    assert completed["to"] == said["to"] and set(completed) == set(vocabulary)
    lexicon = Lexicon.of_pronunciations(completed, phones)
    assert lexicon.left_out == ()
    for seed in range(4):
        sound = heard("T UW M EH N W AA N T T UW T EY N", phones, seed, doubt=0.3)
        found = Decoder(phones, DecoderOptions(), words, lexicon=lexicon).decode(sound)[0]
        assert found.text == "two men want to tane"
        # Without its pronunciation the word cannot come out.
        known = Lexicon.of_pronunciations({word: said[word] for word in vocabulary if word in said}, phones)
        assert "tane" not in Decoder(phones, DecoderOptions(), words, lexicon=known).decode(sound)[0].text


def test_a_completed_dictionary_goes_through_a_file(said: Pronunciations, speaker: G2P, tmp_path: Path) -> None:
    completed = g2p.completed(said, ["to", "tane", "Mane"], speaker, best=2)
    pronunciation.write(tmp_path / "own.dict.xz", completed)
    assert pronunciation.read(tmp_path / "own.dict.xz") == completed
