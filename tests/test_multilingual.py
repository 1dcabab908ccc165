"""Several languages at once: each text is read by the model that suits it."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import oracles
import pytest
from conftest import TINY_HANDWRITING, random_bundle

from pipelines.bundle_language import by_language, describe, put_models
from pipelines.cli import main
from recog import checkpoint, language
from recog.ctc.decoder import Decoder
from recog.ctc.multilingual import IN_QUESTION, MultilingualDecoder, of_documents, said_by_others
from recog.ctc.options import DecoderOptions, Favour
from recog.errors import ConfigError
from recog.lm import binary
from recog.lm.train import NgramConfig, train
from recog.recognizer import DecodingOptions, Recognizer

SYMBOLS = (" ", "a", "b")
CONFIG = NgramConfig(order=3, unit="character")
ONE, OTHER = train(["ab ab abab ab"] * 4, CONFIG), train(["ba bba bab ba"] * 4, CONFIG)
OPTIONS = DecoderOptions(beam=30, n_best=4, gamma=1.5)


def decoders(options: DecoderOptions = OPTIONS) -> dict[str, Decoder]:
    return {code: Decoder(SYMBOLS, options, None, model) for code, model in (("en", ONE), ("fr", OTHER))}


def uncertain(text: str, sure: float) -> np.ndarray:
    """Frames that spell a text of a and b, each letter with this share against the other one, a blank after each."""
    rows = []
    for character in text:
        row = np.full(4, 1e-5)
        row[SYMBOLS.index(character) + 1] = sure
        row[SYMBOLS.index("b" if character == "a" else "a") + 1] = 1 - sure if character != " " else 1e-5
        rows += [row / row.sum(), [1 - 3e-5, 1e-5, 1e-5, 1e-5]]
    log_probs: np.ndarray = np.log(np.array(rows)).astype(np.float32)
    return log_probs


def test_the_best_texts_of_all_languages_are_found_each_once() -> None:
    both, apart = MultilingualDecoder(decoders()), decoders()
    for seed in range(8):
        matrix = oracles.random_log_probs(14, 4, seed, 2.0)
        best: dict[tuple[object, str], float] = {}
        for one in apart.values():
            for found in one.decode(matrix):
                key = found.labels, found.text
                best[key] = max(found.score, best.get(key, -np.inf))
        expected = sorted(best.items(), key=lambda item: -item[1])[:4]
        got = [((one.labels, one.text), one.score) for one in both.decode(matrix)]
        assert [key for key, _ in got] == [key for key, _ in expected]
        assert [score for _, score in got] == pytest.approx([score for _, score in expected])


def test_a_text_is_read_in_its_own_language_in_every_look() -> None:
    # Half sure of each letter: "ab" is the one language's word, "ba" the other's.
    both = MultilingualDecoder(decoders())
    looks = [[uncertain("ab ab", 0.6), uncertain("ba ba", 0.55)], [uncertain("ba ba", 0.6), uncertain("ab ab", 0.55)]]
    proposed = both.propose(looks)
    assert [sample[0][0].text for sample in proposed] == ["ab ab", "ba ba"]
    # The second look of each holds the other word, and hears its own language's all the same.
    for sample, matrices, code in zip(proposed, looks, ("en", "fr"), strict=True):
        assert len(sample) == 2
        assert sample[1] == decoders()[code].decode(matrices[1])
        assert sample[0] == both.decode(matrices[0])


def test_a_language_may_be_favoured() -> None:
    # "ab" and "ba" are as likely as each other, but for the models; then one of the languages gains.
    look, plain = uncertain("ab", 0.5), MultilingualDecoder(decoders())
    best = {code: one.decode(look)[0].score for code, one in plain.decoders.items()}
    for nats, text in ((best["en"] - best["fr"] - 0.1, "ab"), (best["en"] - best["fr"] + 0.1, "ba")):
        options = replace(OPTIONS, languages=(Favour("fr", nats),))
        both = MultilingualDecoder(decoders(options))
        assert both.decode(look)[0].text == both.propose([[look, look]])[0][1][0].text == text
        if text == "ba":
            found = both.decode(look)[0]
            assert found.score == pytest.approx(best["fr"] + nats)
            assert found.parts is not None and found.parts.boost == pytest.approx(nats)
    with pytest.raises(ConfigError, match="finite number of nats"):
        DecoderOptions(languages=(Favour("fr", float("nan")),))


def test_lines_of_a_page_speak_for_each_other() -> None:
    # By hand: the first two say fr by 3 and by 30 (counted as 10), the third en by 1.
    scores = np.array([[-3.0, 0.0], [-30.0, 0.0], [0.0, -1.0]])
    assert said_by_others(scores).tolist() == [[-9.0, 0.0], [-2.0, 0.0], [-10.0, 0.0]]
    assert said_by_others(scores[:1]).tolist() == [[0.0, 0.0]]
    # The doubtful line goes with the two others when it is on their page, and is read for itself when it is not.
    both = MultilingualDecoder(decoders())
    lines = [[uncertain(text, sure)] for text, sure in (("ba ba ba", 0.9), ("bab ba ba", 0.9), ("ab", 0.55))]
    assert both.propose(lines)[2][0][0].text == "ab"
    assert both.propose(lines, ["page"] * 3)[2][0][0].text == "ba"
    assert both.propose(lines, ["page", "page", "other"])[2][0][0].text == "ab"
    assert both.propose(lines, ["page", None, None])[2][0][0].text == "ab"
    assert both.propose([], []) == []


def test_samples_are_gathered_by_their_document() -> None:
    assert of_documents(["b", None, "a", "b", None]) == [[0, 3], [2]]
    assert of_documents([]) == []


def test_a_language_out_of_question_is_not_read_in_full() -> None:
    long = uncertain("ba " * 12 + "ba", 0.8)  # the other language's word, thirteen times
    apart = {code: one.decode(long) for code, one in decoders().items()}
    assert apart["fr"][0].score - apart["en"][0].score > IN_QUESTION
    [[proposed]] = MultilingualDecoder(decoders()).propose([[long]])
    assert [(one.text, one.score) for one in proposed] == [(one.text, pytest.approx(one.score)) for one in apart["fr"]]


def test_a_narrowed_decoder_is_one_of_a_smaller_beam() -> None:
    for seed in range(5):
        matrix = oracles.random_log_probs(14, 4, seed, 2.0)
        for code, one in decoders().items():
            own = {"en": ONE, "fr": OTHER}[code]
            small = Decoder(SYMBOLS, replace(OPTIONS, beam=2, n_best=1), None, own)
            assert one.narrowed(2).decode(matrix) == small.decode(matrix)
            assert one.narrowed(10**6).options.beam == OPTIONS.beam


def test_languages_that_differ_in_more_than_their_models_are_refused() -> None:
    unlike = decoders() | {"de": Decoder(SYMBOLS, replace(OPTIONS, beam=3))}
    with pytest.raises(ConfigError, match="the same symbols and options"):
        MultilingualDecoder(unlike)
    with pytest.raises(ConfigError, match="at least one language"):
        MultilingualDecoder({})


def test_a_bundle_holds_a_model_for_each_language(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "bundle"
    checkpoint.save(random_bundle(TINY_HANDWRITING, "ab ", "strict"), folder)
    for name, model in (("en", ONE), ("fr", OTHER)):
        binary.save(model, tmp_path / f"{name}.lm")
    put_models(folder, None, {"": tmp_path / "en.lm"})
    assert (folder / "characters.lm").is_file()
    files = [f"{code}={tmp_path}/{code}.lm" for code in ("en", "fr")]
    assert main(["language", str(folder), "--characters", files[0], "--characters", files[1]]) == 0
    assert "characters.fr.lm: order 3" in capsys.readouterr().out
    assert not (folder / "characters.lm").exists()  # what is put in takes the place of what was there
    loaded = checkpoint.load(folder)
    assert loaded.language is not None and list(loaded.language.character_models) == ["en", "fr"]
    decoder = Recognizer(loaded).decoder
    assert isinstance(decoder, MultilingualDecoder) and list(decoder.decoders) == ["en", "fr"]
    told = Recognizer(loaded, DecodingOptions(written_in="fr")).decoder
    log_probs = oracles.random_log_probs(14, len(loaded.alphabet), 1, 2.0)
    assert isinstance(told, Decoder)
    assert told.decode(log_probs)[0] == decoder.decoders["fr"].decode(log_probs)[0]
    with pytest.raises(ConfigError, match="no language model for 'de'; it has them for en, fr"):
        Recognizer(loaded, DecodingOptions(written_in="de"))
    checkpoint.save(loaded, tmp_path / "again")
    again = language.load(tmp_path / "again")
    assert again is not None and list(again.character_models) == ["en", "fr"]
    assert main(["language", str(folder), "--remove", "characters"]) == 0
    assert not any("characters" in line for line in describe(folder))
    assert isinstance(Recognizer(checkpoint.load(folder)).decoder, Decoder)


def test_models_are_told_apart_by_the_code_of_their_language() -> None:
    assert by_language(["en=a.lm", "fr=b=c.lm"]) == {"en": Path("a.lm"), "fr": Path("b=c.lm")}
    assert by_language(["a.lm"]) == {"": Path("a.lm")}
    with pytest.raises(ConfigError, match="given twice for en"):
        by_language(["en=a.lm", "en=b.lm"])
    with pytest.raises(ConfigError, match=r"'\.\./x' is no code of a language"):
        language.character_file("../x")
