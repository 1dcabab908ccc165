"""Recurrent language models that judge what a beam proposes: against enumeration, slow twins and visible arithmetic."""

import itertools
import json
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import TINY_HANDWRITING, random_bundle

from pipelines import rescoring
from pipelines.bundle_language import put_models
from pipelines.rescoring import RescoringConfig
from recog import checkpoint, rescorer
from recog.alphabet import Alphabet
from recog.ctc.consensus import elected, preceding
from recog.ctc.hypothesis import Hypothesis, Parts, Span, Word
from recog.ctc.likelihood import log_likelihood
from recog.ctc.options import DecoderOptions
from recog.ctc.rescoring import asked, language_scores
from recog.errors import CheckpointError, ConfigError
from recog.language import Language
from recog.models.recurrent_lm import EDGE, RecurrentLM, RecurrentLMConfig, Tiers
from recog.recognizer import DecodingOptions, Recognizer
from recog.rescorer import LETTER, UNKNOWN, UNKNOWN_WORD, Rescorer


def judge(symbols: Sequence[str] = "ab", seed: int = 1, hidden: int = 6, tiers: tuple[int, ...] = ()) -> Rescorer:
    torch.manual_seed(seed)
    model = RecurrentLM(RecurrentLMConfig(len(symbols), width=16, hidden=hidden, tiers=tiers))
    with torch.no_grad():
        for weight in model.parameters():
            weight.mul_(4)  # far from indifferent
    return Rescorer(model, symbols)


def next_log_probs(found: Rescorer, read: Sequence[int]) -> list[float]:
    """How likely each unit is to follow those read, from one call for each."""
    said = []
    for unit in range(len(found.symbols) + 1):
        wanted = torch.tensor([[EDGE] * (len(read) - 1) + [unit]])
        said.append(float(found.model(torch.tensor([read]), wanted)[0, -1].detach()))
    return said


def step_by_step(found: Rescorer, units: Sequence[str]) -> float:
    """log P(text) from calls for each beginning."""
    read, total = [EDGE], 0.0
    for unit in [*units, None]:
        number = EDGE if unit is None else found.symbols.index(unit) + 1
        total += next_log_probs(found, read)[number]
        read.append(number)
    return total


def test_a_text_is_as_likely_as_its_symbols_one_after_the_other() -> None:
    found = judge("abc ")
    texts = ["", "a", "cab", "a b c", "bb" * 9]
    together = found.log_probabilities(texts)
    assert together == pytest.approx([step_by_step(found, text) for text in texts], abs=1e-4)
    assert together == pytest.approx([found.log_probabilities([text])[0] for text in texts], abs=1e-4)
    assert found.log_probabilities([]) == []
    many = ["abc"[: number % 4] * (number % 9) for number in range(1500)]  # more than are read at once
    assert found.log_probabilities(many)[-70:] == pytest.approx(found.log_probabilities(many[-70:]), abs=1e-4)


def test_a_line_is_as_likely_as_in_the_passage_before_it() -> None:
    """By the model's own word for the whole passage: log P(lines, text) - log P(lines)."""
    found = judge("abc ")

    def passage(lines: Sequence[str]) -> float:
        read = [EDGE, *(number for line in lines for number in (*found.units(line)[0], EDGE))]
        return float(found.model(torch.tensor([read[:-1]]), torch.tensor([read[1:]])).sum().detach())

    texts = ["ab", "", "c a", "ab", "bbbbb"]
    before: list[tuple[str, ...]] = [("cab",), (), ("a", "b c a"), ("",), ("a?b", "c")]
    alone = [passage([text]) - 0.0 for text in texts]
    expected = [
        passage([*lines, text]) - (passage(lines) if lines else 0.0) for lines, text in zip(before, texts, strict=True)
    ]
    assert found.log_probabilities(texts, before) == pytest.approx(expected, abs=1e-4)
    assert expected[1] == alone[1] and abs(expected[0] - alone[0]) > 0.1
    assert found.log_probabilities(texts, [()] * 5) == pytest.approx(alone, abs=1e-4)


def test_all_texts_together_have_probability_one() -> None:
    found = judge()
    ended = sum(
        math.exp(value)
        for length in range(5)
        for value in found.log_probabilities(["".join(text) for text in itertools.product("ab", repeat=length)])
    )
    # What goes on after four symbols: beginnings of five.
    going_on = 0.0
    for text in itertools.product((1, 2), repeat=5):
        log_probs = found.model(torch.tensor([[EDGE, *text[:-1]]]), torch.tensor([text]))
        going_on += math.exp(float(log_probs.sum().detach()))
    assert ended + going_on == pytest.approx(1.0, abs=1e-4)


def test_words_are_foretold_in_tiers() -> None:
    words = [UNKNOWN_WORD, "the", "a", "cat", "sat", "mat", "on", "whale"]
    found = judge(words, tiers=(3, 6))
    assert found.of_words and [table.shape[1] for table in found.model.units.tables] == [16, 4, 1]
    for read in ([EDGE], [EDGE, 2, 4, 8], [EDGE, 7, 1]):
        assert sum(map(math.exp, next_log_probs(found, read))) == pytest.approx(1.0, abs=1e-5)
    texts = ["", "the cat sat on a mat", "whale"]
    together = found.log_probabilities(texts)
    assert together == pytest.approx([step_by_step(found, text.split()) for text in texts], abs=1e-4)
    # "dog": three letters beside the unit of all unknown words.
    (strange,) = found.log_probabilities(["the dog"])
    assert strange == pytest.approx(step_by_step(found, ["the", UNKNOWN_WORD]) + 3 * LETTER, abs=1e-4)


def test_what_a_word_reads_as_is_what_foretells_it() -> None:
    """By its tables, straight from the equations of an adaptive softmax and of adaptive inputs."""
    words = [UNKNOWN_WORD, "the", "a", "cat", "sat"]
    units = judge(words, tiers=(2, 4)).model.units
    assert isinstance(units, Tiers)
    first, second, third = (table.detach() for table in units.tables)
    rows = units.rows(torch.tensor([[1, 2, 5]]))[0].detach()
    assert torch.allclose(rows[0], first[1])
    assert torch.allclose(rows[1], units.widen[0](second[0]).detach())
    assert torch.allclose(rows[2], units.widen[1](third[1]).detach())
    heard = torch.randn(1, 1, 6)
    narrow = units.narrow(heard)[0, 0].detach()
    head = torch.log_softmax(torch.cat([first @ narrow, units.later(narrow).detach()]), 0)
    tail = torch.log_softmax(third @ units.shrink[1](narrow).detach(), 0)
    for unit, wanted in ((1, head[1]), (5, head[3] + tail[1])):
        said = units.log_probs(heard, torch.tensor([[unit]]))
        assert float(said.detach()) == pytest.approx(float(wanted), abs=1e-5)


def test_a_strange_symbol_costs_its_price_and_is_read_over() -> None:
    found = judge()
    (strange, plain) = found.log_probabilities(["a?b", "ab"])
    assert strange == pytest.approx(plain + UNKNOWN, abs=1e-4)


def test_a_file_keeps_it_and_damage_is_told(tmp_path: Path) -> None:
    found = judge("ab c")
    rescorer.save(found, tmp_path / "r.safetensors")
    again = rescorer.load(tmp_path / "r.safetensors")
    texts = ["a", "cab ba", ""]
    assert again.log_probabilities(texts) == pytest.approx(found.log_probabilities(texts), rel=0.03)  # 8 bits
    content = (tmp_path / "r.safetensors").read_bytes()
    with_words = judge([UNKNOWN_WORD, "a", "cat"], tiers=(2,))
    rescorer.save(with_words, tmp_path / "w.safetensors")
    said = rescorer.load(tmp_path / "w.safetensors").log_probabilities(["a cat", "dog"])
    assert said == pytest.approx(with_words.log_probabilities(["a cat", "dog"]), rel=0.03)
    for broken in (content[: len(content) // 2], b"", content.replace(b'\\"hidden\\": 6', b'\\"hidden\\": 7')):
        (tmp_path / "r.safetensors").write_bytes(broken)
        with pytest.raises(CheckpointError, match=r"r\.safetensors is damaged \(.*fetch or train it again"):
            rescorer.load(tmp_path / "r.safetensors")


def test_shapes_that_are_none_are_refused() -> None:
    for wrong in ({"symbols": 0}, {"symbols": 3, "hidden": 0}, {"symbols": 3, "dropout": 1.0}):
        with pytest.raises(ConfigError, match="recurrent"):
            RecurrentLMConfig(**wrong)  # type: ignore[arg-type]
    for tiers in ((0,), (5, 3), (9,)):
        with pytest.raises(ConfigError, match="rising places below 9"):
            RecurrentLMConfig(8, tiers=tiers)
    with pytest.raises(ConfigError, match="nothing is left of it in 3 tiers"):
        RecurrentLMConfig(8, width=32, tiers=(1, 2, 3))
    with pytest.raises(ConfigError, match="rescoring: minutes"):
        RescoringConfig(minutes=0)


class Table:
    """Says what it was told to say."""

    def __init__(self, said: dict[str, float]) -> None:
        self.said, self.heard = said, list[str]()

    def log_probabilities(self, texts: Sequence[str]) -> list[float]:
        self.heard += texts
        return [self.said[text] for text in texts]


def test_the_judges_word_and_what_is_left_of_the_beams() -> None:
    table = Table({"a": -2.0, "b": -6.0})
    options = DecoderOptions(recurrent=0.5, kept=0.25)
    # 0.25 * -8 + 0.5 * -2 = -3; 0.25 * -4 + 0.5 * -6 = -4
    assert language_scores(table, ["a", "b"], [-8.0, -4.0], options) == [-3.0, -4.0]
    assert asked(table, options) is table
    assert asked(table, DecoderOptions()) is None and asked(None, options) is None


def proposed(text: str, acoustic: float, language: float) -> Hypothesis:
    labels = tuple(" ab".index(symbol) + 1 for symbol in text)
    words = (Word(text, 0, len(text), 1.0),)
    return Hypothesis(labels, (), acoustic + language, words, Parts(acoustic, language))


def test_the_best_proposals_are_judged_and_others_fall_out() -> None:
    random = np.random.default_rng(0)
    raw = random.normal(0, 1, (6, 4))
    look = (raw - np.log(np.exp(raw).sum(1, keepdims=True))).astype(np.float32)
    texts = ["a", "b", "ab", "ba"]
    language = {"a": -1.0, "b": -2.0, "ab": -0.5, "ba": -4.0}
    likely = {
        text: log_likelihood(np.exp(look.astype(np.float64)), [" ab".index(symbol) + 1 for symbol in text])
        for text in texts
    }
    proposals = [[replace(proposed(text, 0.0, language[text]), spans=()) for text in texts]]
    for one in proposals[0]:
        object.__setattr__(one, "words", ())  # no places in frames are needed here
    said = {"": -3.0}
    for text in texts:
        said[text] = {"a": -9.0, "b": -1.0, "ab": -5.0, "ba": -0.1}[text]

    class ByLabels(Table):
        """Texts of hypotheses without words are empty: told apart by their order, best first."""

        def log_probabilities(self, texts_: Sequence[str]) -> list[float]:
            order = sorted(texts, key=lambda text: -(likely[text] + language[text]))
            self.heard += order[: len(texts_)]
            return [said[text] for text in order[: len(texts_)]]

    for judged in (1, 2, 3, 4):
        options = DecoderOptions(recurrent=0.7, kept=0.5, judged=judged)
        table = ByLabels({})
        (found,) = elected([[look]], [proposals], table, options)
        first = sorted(texts, key=lambda text: -(likely[text] + language[text]))[:judged]
        assert table.heard == first
        scores = {text: likely[text] + 0.5 * language[text] + 0.7 * said[text] for text in first}
        best = max(scores, key=lambda text: scores[text])
        assert found.labels == tuple(" ab".index(symbol) + 1 for symbol in best)
        assert found.score == pytest.approx(scores[best], abs=1e-4)


def test_lines_are_judged_after_those_before_them_on_their_page() -> None:
    assert preceding(["p", None, "p", "q", "p", None, "p"], 2) == [[], [], [0], [], [0, 2], [], [2, 4]]
    assert preceding(["p", "p", "p"], 0) == [[], [], []]
    look = np.log(np.full((3, 4), 0.25, np.float32))
    proposals = [
        [replace(proposed(text, 0.0, score), words=())] for text, score in (("a", 0.0), ("b", 0.0), ("a", 0.0))
    ]

    class Listening(Table):
        """Notes what came before each text."""

        def log_probabilities(self, texts: Sequence[str], before: Sequence[tuple[str, ...]] = ()) -> list[float]:
            self.heard += [" | ".join(lines) for lines in before]
            return [0.0 for _ in texts]

    texts = {1: "one", 2: "two", 3: "three"}
    spans = (Span(0, 1, 1.0),)
    named = [
        [replace(many[0], spans=spans, words=(Word(texts[place], 0, 1, 1.0),))]
        for place, many in enumerate(proposals, 1)
    ]
    for preceding_lines, heard in ((2, ["", "one", "one | two"]), (1, ["", "one", "two"]), (0, [])):
        table = Listening({})
        options = DecoderOptions(recurrent=0.5, preceding=preceding_lines)
        elected([[look]] * 3, [[many] for many in named], table, options, ["p", "p", "p"])
        assert table.heard == heard


def test_a_bundle_reads_with_its_rescorer(tmp_path: Path) -> None:
    bundle = random_bundle(TINY_HANDWRITING, "ab ", "strict")
    checkpoint.save(bundle, tmp_path / "bundle")
    found = judge("".join(bundle.alphabet.symbols), seed=3)
    rescorer.save(found, tmp_path / "own.safetensors")
    put_models(tmp_path / "bundle", None, None, None, tmp_path / "own.safetensors")
    loaded = checkpoint.load(tmp_path / "bundle")
    assert loaded.language is not None and loaded.language.rescorer is not None and loaded.language.speaks
    checkpoint.save(loaded, tmp_path / "again")
    again = checkpoint.load(tmp_path / "again").language
    assert again is not None and again.rescorer is not None
    lines = [torch.rand(steps, 24, generator=torch.Generator().manual_seed(steps)) for steps in (90, 60)]
    texts = {}
    for weight in (0.0, 5.0):
        language = replace(loaded.language, options=DecoderOptions(beam=20, recurrent=weight))
        recognizer = Recognizer(replace(loaded, language=language), DecodingOptions())
        matrices = dict(recognizer.log_probs(lines))
        assert recognizer.decoder is not None
        recognitions = recognizer.recognise(lines)
        for number, recognition in enumerate(recognitions):
            pool = recognizer.decoder.decode(matrices[number])
            heard = np.exp(matrices[number].astype(np.float64))
            likely = {one.labels: log_likelihood(heard, one.labels) for one in pool}
            first = sorted(pool, key=lambda one: -likely[one.labels])[:12]
            words = found.log_probabilities([one.text for one in first])
            scores = [likely[one.labels] + weight * said for one, said in zip(first, words, strict=True)]
            if weight:
                assert recognition.hypothesis.labels == first[int(np.argmax(scores))].labels
        texts[weight] = [recognition.text for recognition in recognitions]
    assert texts[0.0] != texts[5.0]
    checkpoint.save(random_bundle(TINY_HANDWRITING, "abz ", "strict"), tmp_path / "other")
    with pytest.raises(ConfigError, match=r"lacks symbols of bundle .*'z'"):
        put_models(tmp_path / "other", None, None, None, tmp_path / "own.safetensors")


def test_training_finds_what_is_behind_a_text_and_goes_on_from_a_file(tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    # Two equally likely lines: 1 bit each, then nothing is left to say in 7 characters and the end.
    lines = [("abababa", "bababab")[int(number)] for number in random.integers(0, 2, 600)]
    (tmp_path / "t.txt").write_text("\n".join(lines), encoding="utf-8")
    shape = RecurrentLMConfig(2, width=8, hidden=24, dropout=0.0)
    alphabet, config = Alphabet(tuple("ab")), RescoringConfig(updates=60, batch=800, peak_rate=0.02, precision="bf16")
    out = tmp_path / "r.safetensors"
    measured = rescoring.train([tmp_path / "t.txt"], out, alphabet, "strict", config, shape)
    assert measured.bits_a_character == pytest.approx(1 / 8, abs=0.05)
    assert (measured.lines, measured.held_out, measured.updates) == (597, 3, 60)
    worse = RescoringConfig(updates=1, batch=800, peak_rate=1e-6)
    onwards = rescoring.train([tmp_path / "t.txt"], tmp_path / "2", alphabet, "strict", worse, shape, 0, out)
    assert onwards.bits_a_character == pytest.approx(measured.bits_a_character, abs=0.01)
    with pytest.raises(ConfigError, match="knows other symbols"):
        rescoring.train([tmp_path / "t.txt"], out, Alphabet(tuple("abc")), "strict", worse, shape, 0, out)
    with pytest.raises(ConfigError, match="knows other symbols"):
        rescoring.train([tmp_path / "t.txt"], out, alphabet, "strict", worse, shape, 0, out, words=5)
    (tmp_path / "few.txt").write_text("ab\n" * 10, encoding="utf-8")
    with pytest.raises(ConfigError, match="10 lines of text came; expected 200"):
        rescoring.train([tmp_path / "few.txt"], out, alphabet, "strict", config, shape)


def test_language_alone_may_be_a_rescorer(tmp_path: Path) -> None:
    language = Language(None, {}, DecoderOptions(recurrent=0.3), rescorer=judge("ab "))
    assert language.speaks
    bundle = replace(random_bundle(TINY_HANDWRITING, "ab ", "strict"), language=language)
    assert Recognizer(bundle, DecodingOptions()).mode == "language"
    assert Recognizer(bundle, DecodingOptions(language=False)).judge is None


def test_training_on_words_keeps_the_frequent_ones(tmp_path: Path) -> None:
    random = np.random.default_rng(2)
    # Two equally likely lines of 12 characters and the end: 1 bit in 13. Each tenth line has a rare word of its own.
    lines = [("the cat sat.", "on some mat.")[int(number)] for number in random.integers(0, 2, 900)]
    rare = [f"the {'xyz'[place % 3] * (place // 3 + 1)}" for place in range(20)]
    (tmp_path / "t.txt").write_text("\n".join([*lines, *rare]), encoding="utf-8")
    alphabet = Alphabet(tuple(sorted(set("".join(lines)) | set("xyz"))))
    shape = RecurrentLMConfig(9, width=16, hidden=24, dropout=0.0, tiers=(3, 5))
    out = tmp_path / "r.safetensors"
    config = RescoringConfig(updates=80, batch=400, peak_rate=0.02, precision="fp32")
    measured = rescoring.train([tmp_path / "t.txt"], out, alphabet, "strict", config, shape, words=7)
    found = rescorer.load(out)
    # The six frequent words, the most frequent first: "the" stands in the rare lines too.
    assert found.symbols[:2] == (UNKNOWN_WORD, "the") and set(found.symbols[2:]) == {
        "cat",
        "sat.",
        "on",
        "some",
        "mat.",
    }
    assert found.model.config.tiers == (3, 5) and measured.bits_a_character == pytest.approx(1 / 13, abs=0.06)
    (right, wrong) = found.log_probabilities(["the cat sat.", "the mat on."])
    assert right == pytest.approx(math.log(0.5), abs=0.3) and wrong < right - 3
    worse = RescoringConfig(updates=1, batch=400, peak_rate=1e-6)
    onwards = rescoring.train([tmp_path / "t.txt"], tmp_path / "2", alphabet, "strict", worse, shape, 0, out, 7)
    assert onwards.bits_a_character == pytest.approx(measured.bits_a_character, abs=0.01)


def test_passages_are_read_on_from_line_to_line(tmp_path: Path) -> None:
    """A line is a coin's throw, the next one on its page the same again: 1 bit for two lines, and none where one begins anew."""
    random = np.random.default_rng(3)
    rows = []
    for page in range(500):
        text = "ab"[int(random.integers(2))] * 3
        # The second line stands first in the manifest.
        for line in (2, 1):
            rows.append({"image": f"{page}_{line}.png", "text": text, "page": str(page)})
    (tmp_path / "t.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    shape = RecurrentLMConfig(2, width=8, hidden=24, dropout=0.0)
    config = RescoringConfig(updates=150, batch=600, peak_rate=0.02, precision="fp32", passage=20)
    out = tmp_path / "r.safetensors"
    measured = rescoring.train([tmp_path / "t.jsonl"], out, Alphabet(tuple("ab")), "strict", config, shape)
    found = rescorer.load(out)
    assert measured.lines == 497 and measured.bits_a_character == pytest.approx(1 / 8, abs=0.05)
    same, other, alone = found.log_probabilities(["aaa", "bbb", "aaa"], [("aaa",), ("aaa",), ()])
    assert same == pytest.approx(0.0, abs=0.2) and other < -3 and alone == pytest.approx(math.log(0.5), abs=0.3)
    with pytest.raises(ConfigError, match="passage is for characters"):
        rescoring.train([tmp_path / "t.jsonl"], out, Alphabet(tuple("ab")), "strict", config, shape, words=5)
    with pytest.raises(ConfigError, match="passage is -1"):
        RescoringConfig(passage=-1)


def test_a_paragraph_is_parted_into_passages(tmp_path: Path) -> None:
    (tmp_path / "t.txt").write_text("ab ab ab ab\nba\n", encoding="utf-8")
    config = RescoringConfig(passage=6)
    found = list(rescoring.passages([tmp_path / "t.txt"], "strict", 3, Alphabet(tuple("ab ")), config))
    # Lines of at most 3 characters; "ab", "ab" and what parts them are 5 of 6.
    assert found == [["ab", "ab"], ["ab", "ab"], ["ba"]]
