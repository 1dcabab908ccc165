import math
import sys
from pathlib import Path

import numpy as np
import oracles
import pytest

from pipelines import decoder_benchmark as benchmark
from pipelines.peer_decoders import Setting, Task, kinds, run, settings
from recog.ctc.decoder import Decoder
from recog.ctc.options import DecoderOptions
from recog.lm.train import NgramConfig, train

SYMBOLS = (" ", "a", "b")
WORDS = train(["ab ba", "ab ab b", "a b ba"], NgramConfig(order=2, unit="word"))
CHARACTERS = train(["ab ba", "ab ab b", "a b ba"], NgramConfig(order=3, unit="character"))
TASK = Task(SYMBOLS, WORDS, CHARACTERS, DecoderOptions())


def row(decoder: str, ms: float, wer: float, cer: float, modality: str = "speech", kind: str = "word") -> benchmark.Row:
    return benchmark.Row(decoder, modality, kind, 10, ms, wer, cer, "")


def test_the_verdict_is_the_quickest_of_ours_that_is_as_good() -> None:
    rows = [
        row("pyctcdecode", 50.0, 0.31, 0.1),
        row("pyctcdecode", 80.0, 0.30, 0.1),
        row("pyctcdecode", 90.0, 0.30, 0.1),
        row("recog", 1.0, 0.31, 0.1),
        row("recog", 4.0, 0.30, 0.1),
        row("recog", 9.0, 0.29, 0.1),
    ]
    assert list(benchmark.verdicts(rows)) == [
        "speech, word: pyctcdecode reaches WER 30.00 % in 80.000 ms; recog (word) needs 4.000 ms, 20.0 times faster"
    ]


def test_without_a_model_and_on_handwriting_characters_count() -> None:
    rows = [
        row("flashlight", 6.0, 0.1, 0.25, kind="none"),
        row("recog", 2.0, 0.9, 0.25, kind="none"),
        row("flashlight", 6.0, 0.1, 0.15, "handwriting", "char"),
        row("recog", 2.0, 0.1, 0.16, "handwriting", "char"),
    ]
    assert list(benchmark.verdicts(rows)) == [
        "handwriting, char: flashlight reaches CER 15.00 % in 6.000 ms; recog (char) reaches 16.00 %",
        "speech, none: flashlight reaches CER 25.00 % in 6.000 ms; recog (none) needs 2.000 ms, 3.0 times faster",
    ]


def test_rows_as_the_file_and_the_picture_have_them() -> None:
    rows = [row("recog", 2.0, 0.3, 0.1), row("pyctcdecode", 20.0, 0.3, 0.1)]
    assert benchmark.as_json(rows)[0] == {
        "decoder": "recog",
        "modality": "speech",
        "lm_kind": "word",
        "beam": 10,
        "ms_per_second": 2.0,
        "wer": 0.3,
        "cer": 0.1,
        "reach": "",
    }
    assert benchmark.picture(rows).count("<circle") == 2


def test_a_model_is_measured_where_there_is_one() -> None:
    assert kinds(TASK) == ["none", "word", "word+lexicon", "char"]
    assert kinds(Task(SYMBOLS, None, None, DecoderOptions())) == ["none"]


def test_every_installed_decoder_reads_what_is_plain_to_see() -> None:
    text = "ab ba"
    scores = np.full((2 * len(text), 4), -12.0)
    for place, character in enumerate(text):
        scores[2 * place, SYMBOLS.index(character) + 1] = 0.0
        scores[2 * place + 1, 0] = 0.0
    matrix = (scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))).astype(np.float32)
    # The narrowest setting of each decoder for each kind of model.
    chosen = {(setting.decoder, setting.kind): setting for setting in reversed(settings(TASK))}
    assert {kind for decoder, kind in chosen if decoder == "recog"} == set(kinds(TASK))
    for setting in chosen.values():
        outcome = run(TASK, setting, [matrix, matrix], None)
        if setting.decoder == "pyctcdecode":
            assert outcome is None  # its Python was not named
        else:
            assert outcome is not None
            assert outcome.texts == (text, text), setting
            assert 0 <= outcome.seconds < math.inf


def test_ours_is_measured_at_the_setting_named() -> None:
    matrix = oracles.random_log_probs(40, 4, 3, 2.5)
    outcome = run(TASK, Setting("recog", "char", 7, (("width", 5), ("cut", -4))), [matrix], None)
    expected = Decoder(SYMBOLS, DecoderOptions(beam=7, width=5, cut=-4), None, CHARACTERS).decode(matrix)
    assert outcome is not None
    assert outcome.texts == (expected[0].text,)


def test_pyctcdecode_is_fed_by_files(tmp_path: Path) -> None:
    """A Python that answers as scripts/pyctcdecode_worker.py would: the texts of all samples in order, and seconds."""
    answer = tmp_path / "python"
    answer.write_text(
        f"#!{sys.executable}\n"
        "import json, pathlib, sys, numpy\n"
        "folder = pathlib.Path(sys.argv[2])\n"
        "job = json.loads((folder / 'job.json').read_text())\n"
        "count = len(numpy.load(folder / 'posteriors.npz').files)\n"
        'texts = [f\'{job["beam"]} {number} {pathlib.Path(job["arpa"]).exists()}\' for number in range(count)]\n'
        "(folder / 'result.json').write_text(json.dumps({'texts': texts, 'seconds': 1.5}))\n"
    )
    answer.chmod(0o755)
    setting = Setting("pyctcdecode", "word", 9, (("beam_prune_logp", -6), ("token_min_logp", -5)))
    outcome = run(TASK, setting, [np.zeros((2, 4), np.float32)] * 2, answer)
    assert outcome is not None
    assert (outcome.texts, outcome.seconds) == (("9 0 True", "9 1 True"), 1.5)


@pytest.mark.parametrize("kind", ["none", "char"])
def test_ours_reaches_as_far_as_its_widest_peer(kind: str) -> None:
    beams = {
        decoder: max(s.beam for s in settings(TASK) if s.kind == kind and s.decoder == decoder)
        for decoder in {s.decoder for s in settings(TASK) if s.kind == kind}
    }
    assert beams["recog"] == max(beams.values())
