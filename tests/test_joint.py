"""Letters and phones together: likelihoods against all alignments, scores against a slow twin, words that phones lack."""

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import oracles
import pytest
import soundfile
import torch
from conftest import TINY_NETWORK, TINY_SPEECH, random_bundle, spell_wave
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines import decoder_benchmark
from pipelines.cli import main
from recog import checkpoint, phones
from recog.ctc.align import required_frames
from recog.ctc.decoder import Decoder
from recog.ctc.hypothesis import probabilities
from recog.ctc.joint import JointDecoder, agreement, posteriors
from recog.ctc.likelihood import log_likelihood
from recog.ctc.options import DecoderOptions
from recog.errors import ConfigError
from recog.lm.hotwords import Hotword
from recog.lm.lexicon import Lexicon
from recog.lm.ngram import NgramModel
from recog.lm.quantise import quantise
from recog.lm.train import NgramConfig, train
from recog.models.network import Network
from recog.recognizer import DecodingOptions, Recognizer

LETTERS = tuple(" abdeiknotw")
SOUNDS = ("B", "D", "EH", "IY", "K", "N", "OW", "T", "UW", "W")
SAID = {
    "two": [("T", "UW")],
    "to": [("T", "UW"), ("T", "OW")],
    "we": [("W", "IY")],
    "need": [("N", "IY", "D")],
    "knead": [("N", "IY", "D")],
    "bed": [("B", "EH", "D")],
    "tone": [("T", "OW", "N")],
}
SENTENCES = ["we need to bed", "we need two", "two bed we knead", "we need to need", "to bed"]


@pytest.fixture(scope="module")
def words() -> NgramModel:
    trained = train(SENTENCES * 3, NgramConfig(3))
    return replace(trained, tables=quantise(trained.tables))


def decoder(words: NgramModel, **settings: object) -> JointDecoder:
    lexicon = Lexicon.of_pronunciations(SAID, SOUNDS)
    spelled = Lexicon.of_characters(SAID, LETTERS)
    return JointDecoder(LETTERS, SOUNDS, DecoderOptions(**settings), words, None, spelled, lexicon)  # type: ignore[arg-type]


def heard(labels: list[int], symbols: int, seed: int, doubt: float, frames: int) -> np.ndarray:
    """(frames, symbols) log-probabilities: each label in a frame of its own with blanks around, `doubt` of the mass astray."""
    rng = np.random.default_rng(seed)
    rows = np.full((frames, symbols), 1e-6)
    rows[:, 0] = 1.0
    for place, label in zip(np.linspace(0, frames - 1, len(labels)).astype(int), labels, strict=True):
        rows[place, 0], rows[place, label] = 1e-6, 1.0
    rows = (1 - doubt) * rows + doubt * rng.dirichlet(np.full(symbols, 0.3), frames)
    return np.log(rows / rows.sum(axis=1, keepdims=True)).astype(np.float32)


def both(
    spelled: str, spoken: str, seed: int = 0, doubt: tuple[float, float] = (0.3, 0.3)
) -> tuple[np.ndarray, np.ndarray]:
    frames = 2 * len(spelled) + 1
    letters = heard([LETTERS.index(one) + 1 for one in spelled], len(LETTERS) + 1, seed, doubt[0], frames)
    sounds = heard([SOUNDS.index(one) + 1 for one in spoken.split()], len(SOUNDS) + 1, seed + 1, doubt[1], frames)
    return letters, sounds


@settings(deadline=None, max_examples=40)  # the first call compiles
@given(st.integers(1, 5), st.integers(2, 4), st.integers(0, 10**6))
def test_likelihood_is_the_sum_over_all_alignments(steps: int, symbols: int, seed: int) -> None:
    log_probs = oracles.random_log_probs(steps, symbols, seed)
    for labels, expected in oracles.labellings(log_probs).items():
        assert log_likelihood(probabilities(log_probs), labels) == pytest.approx(expected, abs=1e-4)
    assert log_likelihood(probabilities(log_probs), (1,) * (steps + 1)) == -math.inf


def test_likelihood_of_long_sequences_is_that_of_the_training_loss() -> None:
    log_probs = oracles.random_log_probs(700, 30, 3)
    labels = np.random.default_rng(1).integers(1, 30, 200).tolist()
    loss = torch.nn.functional.ctc_loss(
        torch.tensor(log_probs)[:, None],
        torch.tensor([labels]),
        torch.tensor([700]),
        torch.tensor([200]),
        reduction="sum",
    )
    assert log_likelihood(probabilities(log_probs), labels) == pytest.approx(-float(loss), rel=1e-5)
    assert log_likelihood(np.zeros((0, 4)), []) == 0
    assert log_likelihood(np.zeros((0, 4)), [1]) == -math.inf


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("share", [0.0, 0.4, 1.0])
def test_scores_are_those_of_a_slow_twin(words: NgramModel, seed: int, share: float) -> None:
    letters, sounds = both("we need to bed", "W IY N IY D T UW B EH D", seed, (0.75, 0.7))
    options = {"phones": share, "beam": 50, "n_best": 6, "candidates": 6, "cut": -40.0, "width": 60.0}
    found = decoder(words, **options).decode([(letters, sounds)])
    assert found[0].score == max(one.score for one in found)
    inner = DecoderOptions(beam=50, n_best=6, cut=-40.0, width=60.0)
    proposed = {
        one.text: one.parts
        for one in Decoder(SOUNDS, inner, words, lexicon=Lexicon.of_pronunciations(SAID, SOUNDS)).decode(sounds)
    }
    proposed |= {
        one.text: one.parts
        for one in Decoder(LETTERS, inner, words, lexicon=Lexicon.of_characters(SAID, LETTERS)).decode(letters)
    }
    twins = {}
    for text, parts in proposed.items():
        ways = [()]
        for word in text.split():
            ways = [(*before, *way) for before in ways for way in SAID.get(word, ())]
        spelled = exact(letters, [LETTERS.index(one) + 1 for one in text])
        said = max((exact(sounds, [SOUNDS.index(one) + 1 for one in way]) for way in ways), default=math.nan)
        twins[text] = (1 - share) * spelled + share * said + parts.language + parts.length
    known = {text: score for text, score in twins.items() if not math.isnan(score)}
    best = max(known, key=known.__getitem__)
    assert best in {one.text for one in found}
    for one in found:
        if one.text in known:
            assert one.score == pytest.approx(known[one.text], abs=0.05), one.text  # beams leave out what hardly counts
    assert "".join(LETTERS[label - 1] for label in found[0].labels) == found[0].text


def test_looks_are_weighed_by_their_mean(words: NgramModel) -> None:
    looks = [both("we need to bed", "W IY N IY D T UW B EH D", seed, (0.75, 0.7)) for seed in (2, 4)]
    options = {"phones": 0.4, "beam": 30, "n_best": 900, "candidates": 8, "cut": -40.0, "width": 60.0}
    one, other = (decoder(words, **options).decode([look]) for look in looks)
    together = decoder(words, **options).decode(looks)
    # All of the first look's proposals, and those of the second's phones.
    inner = DecoderOptions(beam=30, n_best=900, cut=-40.0, width=60.0)
    by_phones = Decoder(SOUNDS, inner, words, lexicon=Lexicon.of_pronunciations(SAID, SOUNDS))
    said = [found.text for found in by_phones.decode(looks[1][1])]
    fit = [
        text
        for text in said
        if set(text) <= set(LETTERS) and required_frames([LETTERS.index(one) + 1 for one in text]) <= len(looks[1][0])
    ]
    assert {found.text for found in together} == {found.text for found in one} | set(fit) and len(fit) < len(said)
    first, second = ({found.text: found for found in many} for many in (one, other))
    # Of words that are said in one way: else the likeliest way is chosen for each look, or for both.
    shared = [
        found
        for found in together
        if found.text in first
        and found.text in second
        and all(len(SAID.get(word.text, ())) == 1 for word in found.words)
    ]
    assert len(shared) >= 3
    for found in shared:
        acoustic = (first[found.text].parts.acoustic + second[found.text].parts.acoustic) / 2  # type: ignore[union-attr]
        assert found.parts is not None and found.parts.acoustic == pytest.approx(acoustic, abs=1e-3)
    assert all(found.spans == first[found.text].spans for found in shared)


def test_a_judge_is_asked_about_the_best_texts(words: NgramModel) -> None:
    letters, sounds = both("we need to bed", "W IY N IY D T UW B EH D", 2, (0.75, 0.7))
    plain = decoder(words, beam=50, n_best=8, candidates=8).decode([(letters, sounds)])
    heard_of: list[str] = []

    class Judge:
        def log_probabilities(self, texts: Sequence[str]) -> list[float]:
            heard_of.extend(texts)
            return [-40.0 if text == plain[0].text else -0.5 * len(text) for text in texts]

    options = DecoderOptions(beam=50, n_best=1, candidates=8, judged=5, recurrent=2.0, kept=0.25)
    spelled, spoken = Lexicon.of_characters(SAID, LETTERS), Lexicon.of_pronunciations(SAID, SOUNDS)
    (found,) = JointDecoder(LETTERS, SOUNDS, options, words, None, spelled, spoken, Judge()).decode([(letters, sounds)])
    assert heard_of == [one.text for one in plain[:5]]
    said = [2.0 * value for value in Judge().log_probabilities(heard_of[:5])]
    scores = [one.score + (0.25 - 1) * one.parts.language + more for one, more in zip(plain[:5], said, strict=True)]
    assert found.text == plain[int(np.argmax(scores))].text != plain[0].text
    assert found.score == pytest.approx(max(scores), abs=1e-4)


def exact(log_probs: np.ndarray, labels: list[int]) -> float:
    loss = torch.nn.functional.ctc_loss(
        torch.tensor(log_probs, dtype=torch.float64)[:, None],
        torch.tensor([labels]),
        torch.tensor([len(log_probs)]),
        torch.tensor([len(labels)]),
        reduction="sum",
    )
    return -float(loss)


def test_each_head_helps_where_the_other_doubts(words: NgramModel) -> None:
    # Letters that could be anything, phones that are clear; and the other way round.
    letters, sounds = both("we need to bed", "W IY N IY D T UW B EH D", 3, (0.99, 0.05))
    assert decoder(words, phones=0.9).decode([(letters, sounds)])[0].text.startswith("we need t")
    letters, sounds = both("we need two", "W IY N IY D T UW", 3, (0.05, 0.99))
    assert decoder(words, phones=0.1).decode([(letters, sounds)])[0].text == "we need two"
    # Homophones are parted by the letters, where the word model leaves them open.
    letters, sounds = both("knead", "N IY D", 1, (0.1, 0.1))
    assert decoder(words, phones=0.5, alpha=0.0).decode([(letters, sounds)])[0].text == "knead"


def test_a_word_without_pronunciation_can_still_be_spelled(words: NgramModel) -> None:
    letters, sounds = both("we bake", "W IY B EH K", 2, (0.02, 0.2))
    options = {"unknown": -1.0, "letter": 0.0}
    found = decoder(words, **options).decode([(letters, sounds)])[0]
    assert found.text == "we bake"
    assert [word.known for word in found.words] == [True, False]
    hot = decoder(words, hotwords=(Hotword("bake", 5.0), Hotword("to bed", 2.0))).decode([(letters, sounds)])[0]
    assert hot.text == "we bake"
    assert hot.parts is not None and hot.parts.boost > 0


def test_a_hypothesis_stands_in_letters(words: NgramModel) -> None:
    letters, sounds = both("we need to", "W IY N IY D T UW", 5)
    found = decoder(words, n_best=3).decode([(letters, sounds)])
    assert len({one.text for one in found}) == len(found) == 3
    best = found[0]
    assert [word.text for word in best.words] == best.text.split()
    assert len(best.spans) == len(best.labels) == len(best.text)
    assert all(one.end <= two.start for one, two in zip(best.spans, best.spans[1:], strict=False))
    assert best.parts is not None
    parts = best.parts
    assert parts.acoustic + parts.language + parts.length + parts.boost == pytest.approx(best.score)
    assert decoder(words, n_best=3).decode_many([[(letters, sounds)]] * 3) == [found] * 3


def test_agreement_by_hand() -> None:
    candidates = [
        (("we", "need", "to"), ((0, 3), (4, 9), (10, 12))),
        (("we", "need", "two"), ((0, 3), (5, 8), (10, 12))),
        (("need", "to"), ((0, 3), (11, 14))),  # its "need" is elsewhere
    ]
    shares = posteriors([math.log(0.5), math.log(0.3), math.log(0.2)])
    assert shares == pytest.approx([0.5, 0.3, 0.2])
    assert agreement(candidates, shares, 0) == pytest.approx([0.8, 0.8, 0.7])
    assert agreement(candidates, shares, 2) == pytest.approx([0.2, 0.7])


def test_letters_must_have_a_space(words: NgramModel) -> None:
    lexicon = Lexicon.of_pronunciations(SAID, SOUNDS)
    with pytest.raises(ConfigError, match="needs a space"):
        JointDecoder(tuple("abc"), SOUNDS, DecoderOptions(), words, None, None, lexicon)


def test_a_bundle_says_its_words(tmp_path: Path, words: NgramModel, capsys: pytest.CaptureFixture[str]) -> None:
    plain = random_bundle(TINY_SPEECH, "".join(LETTERS), "spoken")
    checkpoint.save(plain, tmp_path / "bundle")
    said = tmp_path / "own.dict"
    said.write_text("".join(f"{word} {' '.join(way).lower()}\n" for word, ways in SAID.items() for way in ways[:1]))
    put = ["language", str(tmp_path / "bundle"), "--pronunciations", str(said)]
    assert main(put) == 1
    assert "has no head for phones" in capsys.readouterr().err
    network = Network(replace(TINY_NETWORK, phones=39), TINY_SPEECH.features, len(plain.alphabet)).eval()
    checkpoint.save(replace(plain, network=network), tmp_path / "bundle")
    assert main(put) == 0
    assert "pronunciations.npz: 7 words, 7 ways of saying them" in capsys.readouterr().out
    bundle = checkpoint.load(tmp_path / "bundle")
    assert bundle.language is not None and bundle.language.spoken is not None
    assert bundle.language.pronunciations["bed"] == (("B", "EH", "D"),)
    checkpoint.save(bundle, tmp_path / "again")
    again = checkpoint.load(tmp_path / "again").language
    assert again is not None and again.pronunciations == bundle.language.pronunciations
    recognizer = Recognizer(bundle, DecodingOptions(device="cpu"))
    assert isinstance(recognizer.decoder, JointDecoder) and recognizer.mode == "language"
    features = [torch.randn(length, TINY_SPEECH.features) for length in (60, 25)]
    matrices = dict(recognizer.log_probs(features))
    assert recognizer.heads == (len(LETTERS) + 1, 1 + len(phones.CMU))
    assert matrices[0].shape[1] == sum(recognizer.heads)
    assert np.allclose(np.exp(recognizer.letters(matrices[1])).sum(1), 1, atol=1e-4)
    alone = dict(Recognizer(bundle, DecodingOptions(beam=0, device="cpu")).log_probs(features))
    assert np.array_equal(alone[0], recognizer.letters(matrices[0]))
    heads = (recognizer.letters(matrices[0]), matrices[0][:, len(LETTERS) + 1 :])
    expected = recognizer.decoder.decode([heads])[0]
    assert recognizer.recognise(features)[0].hypothesis == expected
    # Other decoders are measured on the letters alone.
    soundfile.write(tmp_path / "a.wav", spell_wave("abcd"), 8000)
    (tmp_path / "rows.jsonl").write_text('{"audio": "a.wav", "text": "bed", "part": "report"}\n')
    material = decoder_benchmark.prepare(tmp_path / "bundle", tmp_path / "rows.jsonl", "report", 0)
    assert [matrix.shape[1] for matrix in material.matrices] == [len(LETTERS) + 1]
    said.write_text("two T UW9\n")
    assert main(put) == 1
    assert "is no phone of CMUdict" in capsys.readouterr().err
    assert main(["language", str(tmp_path / "bundle"), "--remove", "pronunciations"]) == 0
    assert isinstance(Recognizer(checkpoint.load(tmp_path / "bundle")).decoder, Decoder)
