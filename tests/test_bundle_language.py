"""Word lists and models in a bundle, and what the recogniser makes of them."""

import math
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import TINY_SPEECH, random_bundle

from pipelines.cli import main
from recog import checkpoint, language
from recog.ctc.calibration import Calibration
from recog.ctc.options import DecoderOptions
from recog.lm import binary
from recog.lm.train import NgramConfig, train
from recog.recognizer import DecodingOptions, Recognizer

SYMBOLS = "abcd "


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    checkpoint.save(random_bundle(TINY_SPEECH, SYMBOLS, "spoken"), tmp_path / "bundle")
    return tmp_path / "bundle"


def listed(tmp_path: Path, content: str) -> str:
    (tmp_path / "list.txt").write_text(content, encoding="utf-8")
    return str(tmp_path / "list.txt")


def doubtful(text: str, rival: str, doubt: float = 0.45) -> np.ndarray:
    """Frames that spell a text, a blank after each symbol; `rival` gets `doubt` of each symbol's mass."""
    rows = []
    for one, other in zip(text, rival, strict=True):
        row = np.full(len(SYMBOLS) + 1, 1e-6)
        row[SYMBOLS.index(one) + 1] += 1 - doubt
        row[SYMBOLS.index(other) + 1] += doubt
        rows += [row / row.sum(), np.eye(len(SYMBOLS) + 1)[0] * (1 - 6e-6) + 1e-6]
    return np.log(np.array(rows)).astype(np.float32)


def read(bundle: Path, log_probs: np.ndarray, language: bool = True) -> str:
    decoder = Recognizer(checkpoint.load(bundle), DecodingOptions(device="cpu", language=language)).decoder
    assert decoder is not None
    return decoder.decode(log_probs)[0].text


def test_a_list_decides_what_is_read(bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    heard = doubtful("bad cab", "dad dab")
    assert read(bundle, heard) == "bad cab"
    assert main(["language", str(bundle), "--word-list", listed(tmp_path, "DAD\nDab.\n\u00e9tude\n")]) == 0
    captured = capsys.readouterr()
    assert "lexicon.txt: 2 words, no weights" in captured.out and "(defaults; recog tune" in captured.out
    assert "left out: 1 entries" in captured.err and "'\u00e9tude'" in captured.err
    assert (bundle / "lexicon.txt").read_text() == "dad\ndab\n"
    loaded = checkpoint.load(bundle)
    assert Recognizer(loaded).mode == "language"
    # 0.45 against 0.55 in two letters costs 0.4 nats, two words outside the list 14.
    assert read(bundle, heard) == "dad dab"
    assert read(bundle, heard, language=False) == "bad cab"
    # What is surely another word stays possible.
    assert read(bundle, doubtful("bad", "bad")) == "bad"
    assert main(["language", str(bundle), "--remove", "word-list"]) == 0
    assert "no language model, no list of words" in capsys.readouterr().out
    assert read(bundle, heard) == "bad cab"


def test_weights_are_a_word_model_where_there_is_no_other(
    bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    heard = doubtful("cab", "dab")
    assert main(["language", str(bundle), "--word-list", listed(tmp_path, "cab\t1\ndab\t2\n")]) == 0
    assert "lexicon.txt: 2 words, weights used as the word model" in capsys.readouterr().out
    # Twice as likely, to the power of alpha 0.8, against 45 to 55.
    assert 2**0.8 > 55 / 45
    assert read(bundle, heard) == "dab"
    loaded = checkpoint.load(bundle)
    assert loaded.language is not None and loaded.language.word_model is not None
    assert loaded.language.word_model.score(["dab"])[0] == pytest.approx(math.log(2 / 5), rel=1e-3)
    # The list's model is no file of its own, also after the bundle is saved anew.
    checkpoint.save(loaded, tmp_path / "copy")
    assert sorted(path.name for path in (tmp_path / "copy").glob("*.*m")) == []
    assert (tmp_path / "copy" / "lexicon.txt").read_bytes() == (bundle / "lexicon.txt").read_bytes()
    binary.save(train(["cab cab cab", "dab", "cab"], NgramConfig(2)), tmp_path / "words.lm")
    assert main(["language", str(bundle), "--words", str(tmp_path / "words.lm")]) == 0
    told = capsys.readouterr().out
    assert "words.lm: order 2, 2 words" in told and "lexicon.txt: 2 words, weights not used" in told
    assert read(bundle, heard) == "cab"
    assert main(["language", str(bundle), "--word-list", listed(tmp_path, "cab\t1\ndab\t9\n")]) == 0
    assert "weights are kept but not used" in capsys.readouterr().err
    assert read(bundle, heard) == "cab"
    assert main(["language", str(bundle), "--remove", "words"]) == 0
    assert read(bundle, heard) == "dab"


def test_confidences_of_what_was_there_before_go(bundle: Path, tmp_path: Path) -> None:
    kept = Calibration((1.0, 0.0, 0.0, 0.0, 0.0), 0.0, (0.0, 1.0), (-1.0, 1.0))
    settings = language.Language(None, {}, DecoderOptions(beam=7), {"beam": kept, "language": kept})
    language.save_settings(bundle, settings)
    before = (bundle / "decoder.json").read_bytes()
    assert main(["language", str(bundle)]) == 0
    assert (bundle / "decoder.json").read_bytes() == before
    assert main(["language", str(bundle), "--word-list", listed(tmp_path, "cab\n")]) == 0
    found = checkpoint.load(bundle).language
    assert found is not None and found.confidences == {"beam": kept} and found.options.beam == 7


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("cab\nbad\tmany\n", "line 2 of .*list[.]txt has 'many' after the tab"),
        ("\u00e9tude\nx\n", "none of the 1 words of the lexicon, such as 'x', can be spelled"),
        ("\u00e9tude\n", "holds no word; .* not even '\u00e9tude' outlasts the text rule"),
        ("\n", "holds no word; expected one a line"),
    ],
)
def test_a_list_of_no_use_leaves_the_bundle_as_it_was(
    content: str, told: str, bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(path.name for path in bundle.iterdir())
    assert main(["language", str(bundle), "--word-list", listed(tmp_path, content)]) == 1
    error = capsys.readouterr().err
    assert re.search(told, error) and "Traceback" not in error
    assert sorted(path.name for path in bundle.iterdir()) == before


def test_wrong_calls_and_damage_are_told(bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["language", str(bundle), "--remove", "words"]) == 1
    assert "holds no words.lm; there is nothing to remove" in capsys.readouterr().err
    given = listed(tmp_path, "cab\n")
    assert main(["language", str(bundle), "--word-list", given, "--remove", "word-list"]) == 1
    assert "word-list is to be put into the bundle and removed from it" in capsys.readouterr().err
    (bundle / "lexicon.txt").write_text("cab\t1\nbad\t\n")
    assert main(["language", str(bundle)]) == 1
    assert "lexicon.txt has '' after the tab; expected a count or weight above 0" in capsys.readouterr().err


def test_a_bundle_in_memory_speaks_by_any_part() -> None:
    nothing = language.Language(None, {}, DecoderOptions())
    assert not nothing.speaks and nothing.lexicon(SYMBOLS) is None
    model = train(["ab"], NgramConfig(2, "character"))
    assert replace(nothing, character_models={"": model}).speaks
