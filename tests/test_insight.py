"""Looking inside: the scores of given texts against sums over all paths, and everything else on built matrices."""

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import oracles
import pytest
import soundfile
from conftest import (
    SPOKEN_TEXTS,
    TINY_HANDWRITING,
    TINY_NETWORK,
    TINY_SPEECH,
    WRITTEN_TEXTS,
    draw_line,
    random_bundle,
    spell_wave,
)
from PIL import Image
from torch import Tensor

from pipelines import insight
from pipelines.insight import Alternative, Observer
from recog import audio, checkpoint
from recog.ctc.decoder import Decoder
from recog.ctc.hypothesis import Hypothesis, Parts, Span, Word
from recog.ctc.options import DecoderOptions
from recog.errors import InputError
from recog.language import Language
from recog.lm import pronunciation
from recog.lm.hotwords import Hotword
from recog.lm.ngram import NgramModel
from recog.lm.quantise import quantise
from recog.lm.spoken import Spoken
from recog.lm.train import NgramConfig, train
from recog.models.network import Network
from recog.recognizer import DecodingOptions

SYMBOLS = (" ", "a", "b", "c", "d")
OPTIONS = DecoderOptions(beam=1000, cut=-math.inf, width=math.inf, merge=False, alpha=0.7, beta=0.4, threads=1)


def word_model() -> NgramModel:
    trained = train(["a ab b", "ab b a", "b ab a ab", "a a b"] * 3, NgramConfig(order=2, unit="word"))
    return replace(trained, tables=quantise(trained.tables))


WORDS = word_model()


def spelled(texts: Sequence[str], sure: float = 0.9) -> np.ndarray:
    """(T, S) natural-log probabilities that say one symbol a frame, "-" for blank, and doubt it evenly."""
    symbols = ["-", *SYMBOLS]
    matrix = np.full((len(texts), len(symbols)), (1 - sure) / (len(symbols) - 1), np.float32)
    for step, symbol in enumerate(texts):
        matrix[step, symbols.index(symbol)] = sure
    return np.log(matrix)


# Weighing ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["", "a", "ab b", "b a", "cab"])
def test_a_text_is_weighed_as_all_its_paths_and_the_models_say(text: str) -> None:
    log_probs = oracles.random_log_probs(5, len(SYMBOLS) + 1, seed=3)
    found = insight.weigh(Decoder(SYMBOLS, OPTIONS, WORDS), log_probs, text)
    words = text.split()
    price = sum(OPTIONS.unknown + OPTIONS.letter * len(word) for word in words if word not in ("a", "b", "ab"))
    labels = tuple(SYMBOLS.index(character) + 1 for character in text)
    assert found.acoustic == pytest.approx(oracles.labellings(log_probs).get(labels, -math.inf), abs=1e-4)
    assert found.language == pytest.approx(OPTIONS.alpha * float(WORDS.score(words).sum()) + price, abs=1e-4)
    assert (found.length, found.boost) == (pytest.approx(OPTIONS.beta * len(words)), 0.0)


def test_without_models_the_letters_alone_weigh() -> None:
    log_probs = oracles.random_log_probs(4, len(SYMBOLS) + 1, seed=5)
    found = insight.weigh(Decoder(SYMBOLS), log_probs, "ab")
    assert found == Parts(pytest.approx(oracles.labellings(log_probs)[(2, 3)], abs=1e-4))


def test_hot_phrases_are_a_part_of_their_own() -> None:
    decoder = Decoder(SYMBOLS, replace(OPTIONS, hotwords=(Hotword("ab", 5.0),)), WORDS)
    log_probs = oracles.random_log_probs(5, len(SYMBOLS) + 1, seed=7)
    plain = insight.weigh(Decoder(SYMBOLS, OPTIONS, WORDS), log_probs, "ab b")
    assert insight.weigh(decoder, log_probs, "ab b") == replace(plain, boost=pytest.approx(5.0))


# Ways and words ---------------------------------------------------------------------------------------------------


def observer(models: bool, options: DecoderOptions = OPTIONS) -> Observer:
    bundle = random_bundle(TINY_SPEECH, "".join(SYMBOLS), "spoken")
    return Observer(replace(bundle, language=Language(WORDS, {}, options)) if models else bundle)


@pytest.mark.parametrize("seed", range(3))
def test_each_way_is_best_by_its_own_lights(seed: int) -> None:
    # Without a space's alignments, which search counts as one however many: so that sums are those of plain CTC.
    log_probs = oracles.random_log_probs(4, len(SYMBOLS) + 1, seed)
    log_probs[:, 1] = -30.0
    log_probs -= np.log(np.exp(log_probs).sum(axis=1, keepdims=True))
    greedy, beam, language = observer(models=True).read(log_probs).ways
    assert [way.name for way in (greedy, beam, language)] == ["greedy", "beam", "language"]
    truth = {labels: score for labels, score in oracles.labellings(log_probs).items() if 1 not in labels}
    best = max(truth, key=lambda labels: truth[labels])
    assert beam.text == "".join(SYMBOLS[label - 1] for label in best)
    assert greedy.text == "".join(SYMBOLS[label - 1] for label in oracles.collapse(log_probs.argmax(axis=1)))
    assert beam.parts is not None and beam.parts.acoustic == pytest.approx(truth[best], abs=1e-4)
    for way in (greedy, beam):
        assert way.score is not None and language.score is not None and way.score <= language.score + 1e-6


def test_the_language_model_turns_a_doubtful_letter() -> None:
    # "c" is a little likelier than "b" in the second frame, but "ab" is a word and "ac" is none.
    log_probs = spelled("ac-")
    log_probs[1] = np.log([0.02, 0.02, 0.02, 0.44, 0.48, 0.02])
    reading = observer(models=True, options=replace(OPTIONS, unknown=-1.0, letter=0.0)).read(log_probs)
    assert [way.text for way in reading.ways] == ["ac", "ac", "ab"]
    assert reading.path == (2, 3, 0)
    assert reading.frame_symbols == "ac·" and reading.blank_share == pytest.approx(1 / 3)
    [word] = reading.words
    assert (word.text, word.first, word.last) == ("ab", 0, 2)
    assert word.alternatives[0].text == "ab" and "ac" in [other.text for other in word.alternatives]
    shares = [other.share for other in word.alternatives]
    assert shares == sorted(shares, reverse=True) and 0.9 < sum(shares) <= 1 + 1e-9
    greedy, beam, language = reading.ways
    assert greedy.parts == beam.parts and beam.parts is not None and language.parts is not None
    # What the text loses with the letters is what they say: 0.44 against 0.48, all else being nearly equal.
    assert language.parts.acoustic - beam.parts.acoustic == pytest.approx(math.log(0.44 / 0.48), abs=0.02)
    assert language.parts.language > beam.parts.language


def test_a_bundle_without_models_has_two_ways_and_alternatives_of_letters() -> None:
    log_probs = spelled("a-")
    log_probs[0] = np.log([0.001, 0.001, 0.7, 0.296, 0.001, 0.001])
    reading = observer(models=False).read(log_probs)
    assert [(way.name, way.text) for way in reading.ways] == [("greedy", "a"), ("beam", "a")]
    told = {other.text: other.share for other in reading.words[0].alternatives}
    assert told["b"] / told["a"] == pytest.approx(0.296 / 0.7, rel=0.05)


def test_silence_has_no_words() -> None:
    reading = observer(models=True).read(spelled("-----", 0.999))
    assert [way.text for way in reading.ways] == ["", "", ""]
    assert (reading.words, reading.path, reading.blank_share) == ((), (0,) * 5, 1.0)


def hypothesis(score: float, *words: tuple[str, int, int]) -> Hypothesis:
    """Words of one label each, with their frames."""
    spans = tuple(Span(first, last, 1.0) for _, first, last in words)
    told = tuple(Word(text, place, place + 1, 1.0) for place, (text, _, _) in enumerate(words))
    return Hypothesis(tuple(range(1, len(words) + 1)), spans, score, told)


def test_alternatives_stand_where_their_frames_are() -> None:
    half, quarter = math.log(0.5), math.log(0.25)
    found = insight.alternatives(
        [
            hypothesis(half, ("icecream", 0, 10), ("now", 14, 18)),
            hypothesis(quarter, ("ice", 0, 4), ("cream", 5, 10), ("now", 14, 18)),
            hypothesis(quarter, ("icecream", 0, 10), ("and", 12, 13)),
        ]
    )
    assert found == [
        (Alternative("icecream", pytest.approx(0.75)), Alternative("ice cream", pytest.approx(0.25))),
        (Alternative("now", pytest.approx(0.75)), Alternative("and", pytest.approx(0.25))),
    ]
    left_out = insight.alternatives([hypothesis(half, ("a", 0, 2), ("b", 4, 6)), hypothesis(half, ("a", 0, 2))])
    assert left_out[1] == (Alternative("b", pytest.approx(0.5)), Alternative("", pytest.approx(0.5)))
    assert insight.alternatives([hypothesis(0.0)]) == insight.alternatives([]) == []


def test_letters_and_phones_together_weigh_what_they_propose(tmp_path: Path) -> None:
    bundle = random_bundle(TINY_SPEECH, "".join(SYMBOLS), "spoken")
    network = Network(replace(TINY_NETWORK, phones=39), TINY_SPEECH.features, len(SYMBOLS) + 1).eval()
    (tmp_path / "cmu.dict").write_text("a AH0\nab AE1 B\nb B\n")
    said = Spoken.of(pronunciation.read(tmp_path / "cmu.dict"))
    language = Language(WORDS, {}, replace(OPTIONS, beam=20, merge=True, candidates=5), pronunciations=said)
    looking = Observer(replace(bundle, network=network, language=language))
    features = looking.look(_features("ab")).reading
    way = features.ways[-1]
    assert way.name == "language" and way.parts is not None
    assert features.log_probs.shape[1] == len(SYMBOLS) + 1
    for other in features.ways:
        assert other.score is None or other.score <= (way.score or 0.0) + 1e-9


# From files -------------------------------------------------------------------------------------------------------


def _features(text: str) -> Tensor:
    return audio.features(spell_wave(text, TINY_SPEECH.rate_hz), TINY_SPEECH)


def test_a_recording_is_looked_into_from_a_moment_on(trained_speech_bundle: Path, tmp_path: Path) -> None:
    rate = TINY_SPEECH.rate_hz
    wave = spell_wave(SPOKEN_TEXTS[0], rate)
    soundfile.write(tmp_path / "two.wav", np.concatenate([np.zeros(2 * rate, np.float32), wave]), rate)
    seen = Observer(checkpoint.load(trained_speech_bundle))(tmp_path / "two.wav", 2.0)
    assert seen.reading.ways[-1].text == SPOKEN_TEXTS[0]
    assert seen.kind == "speech" and seen.features.shape == (1 + len(wave) // 80, TINY_SPEECH.features)
    assert len(seen.reading.log_probs) == -(-len(seen.features) // seen.shortening)
    assert (seen.step, seen.begin, seen.place(10)) == (pytest.approx(0.02), 2.0, pytest.approx(2.2))
    plain = seen.as_json()
    assert plain["ways"][-1]["text"] == SPOKEN_TEXTS[0] and plain["symbols"][0] == ""
    assert np.allclose(np.sum(plain["probabilities"], axis=1), 1, atol=2e-3)
    with pytest.raises(InputError, match=r"nothing at second 9: the recording ends at 2\.\d\d s"):
        Observer(checkpoint.load(trained_speech_bundle))(tmp_path / "two.wav", 9)


def test_no_more_than_some_seconds_are_looked_at(
    random_speech_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(insight, "LONGEST_SECONDS", 0.5)
    soundfile.write(tmp_path / "long.wav", np.zeros(3 * 8000), 8000)
    assert len(Observer(checkpoint.load(random_speech_bundle))(tmp_path / "long.wav", 1.5).features) == 51


def test_a_line_of_a_page_is_looked_into(trained_handwriting_bundle: Path, tmp_path: Path) -> None:
    page = Image.new("L", (300, 240), 240)
    for number, text in enumerate((WRITTEN_TEXTS[0], WRITTEN_TEXTS[7])):
        page.paste(draw_line(text, 40), (40, 20 + 110 * number))
    page.save(tmp_path / "page.png")
    draw_line(WRITTEN_TEXTS[4]).save(tmp_path / "line.png")
    looking = Observer(checkpoint.load(trained_handwriting_bundle))
    seen = looking(tmp_path / "line.png")
    assert (seen.kind, seen.reading.ways[-1].text, seen.step) == ("handwriting", WRITTEN_TEXTS[4], 2.0)
    assert seen.features.shape[1] == TINY_HANDWRITING.height_px
    with pytest.raises(InputError, match="there is no line 3 on this picture: it shows 2"):
        looking(tmp_path / "page.png", 2)
    Image.new("L", (300, 200), 255).save(tmp_path / "blank.png")
    with pytest.raises(InputError, match="there is no writing"):
        looking(tmp_path / "blank.png")


def test_greedy_transcripts_are_looked_into_all_the_same() -> None:
    bundle = random_bundle(TINY_SPEECH, "".join(SYMBOLS), "spoken")
    reading = Observer(bundle, DecodingOptions(beam=0)).look(_features("ab")).reading
    assert [way.name for way in reading.ways] == ["greedy", "beam"]
