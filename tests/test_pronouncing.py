import json
import sys
from pathlib import Path

import pytest

from pipelines.cli import main
from pipelines.pronouncing import measure
from recog.lm import binary, g2p, pronunciation
from recog.lm.g2p import G2pConfig
from recog.lm.train import NgramConfig, train

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "scripts"))
import train_g2p  # noqa: E402

WORDS = {a + b + c: f"{a.upper()} {b.upper()} {c.upper()}" for a in "bdkmt" for b in "aeiou" for c in "dknst"}


@pytest.fixture(scope="module")
def dictionary(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("said") / "cmu.dict"
    lines = [f"{word} {phones}\n" for word, phones in WORDS.items()]
    path.write_text("".join(lines) + "bad(2) B AE1 D\nww D AH B AH L\n")
    return path


def test_training_holds_words_out_and_tells_its_figures(
    dictionary: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [str(dictionary), "--out", str(tmp_path / "said.g2p"), "--order", "3", "--held-out", "0.2"]
    assert train_g2p.main([*arguments, "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["words"], report["measured"]["words"]) == (101, 25)
    # Every letter is said as it is written.
    assert report["measured"]["phone_error_rate"] == report["measured"]["word_error_rate"] == 0.0
    assert report["bytes"] == (tmp_path / "said.g2p").stat().st_size
    assert report["left_out"] in (["ww D AH B AH L"], [])  # unless it was held out
    first = (tmp_path / "said.g2p").read_bytes()
    assert train_g2p.main(arguments) == 0  # the same seed, the same model
    assert (tmp_path / "said.g2p").read_bytes() == first
    assert "25 words held out: phone error rate 0.00 %" in capsys.readouterr().out
    assert train_g2p.main([*arguments, "--held-out", "1"]) == 1
    assert "held_out is 1.0; a part of the words" in capsys.readouterr().err


def test_errors_are_counted_by_hand() -> None:
    model = g2p.train({word: [phones.split()] for word, phones in WORDS.items()}, G2pConfig(order=2)).model
    found = measure(
        model,
        {
            "bad": (("B", "AE", "D"), ("B", "A", "D")),  # right by the second: 0 of 3; 1 of 3 by the first
            "tak": (("T", "A"),),  # K inserted: 1 of 2
            "qqq": (("K", "K", "K", "K"),),  # no letter is known: 4 of 4
        },
    )
    assert (found.words, found.wrong_words) == (3, 2)
    assert (found.phones.edits, found.phones.units) == (5, 9)
    assert (found.phones_of_first.edits, found.phones_of_first.units) == (6, 9)


def test_pronounce_prints_a_dictionary(dictionary: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = tmp_path / "said.g2p"
    assert train_g2p.main([str(dictionary), "--out", str(model), "--order", "3", "--held-out", "0"]) == 0
    capsys.readouterr()
    assert main(["pronounce", "bad", "Madam", "--model", str(model), "--dictionary", str(dictionary)]) == 0
    known, other, guessed = capsys.readouterr().out.splitlines()
    assert (known, other) == ("bad\tB A D", "bad\tB AE D")
    assert guessed.startswith("Madam\tM A D A M\t# ") and 0 < float(guessed.split("# ")[1]) <= 1
    assert main(["pronounce", "qed", "bad", "--model", str(model)]) == 1
    captured = capsys.readouterr()
    assert captured.out.startswith("bad\tB A") and "'qed' holds 'q'" in captured.err
    assert main(["pronounce", "bad", "--model", str(dictionary)]) == 1
    assert "is not a language model of recog" in capsys.readouterr().err


def test_rows_are_told_their_phones(dictionary: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert train_g2p.main([str(dictionary), "--out", str(tmp_path / "said.g2p"), "--order", "3"]) == 0
    source, out = tmp_path / "rows.jsonl", tmp_path / "other" / "told.jsonl"
    out.parent.mkdir()
    rows = [
        {"audio": "a/1.wav", "text": "BAD  dut.", "speaker": "s"},
        {"audio": str(tmp_path / "b.wav"), "text": "bad tit 9"},
        {"audio": "c.wav", "text": "bad zz"},  # no model can say z
    ]
    source.write_text("".join(json.dumps(row) + "\n" for row in rows))
    arguments = ["pronounce", "--model", str(tmp_path / "said.g2p"), "--dictionary", str(dictionary)]
    assert main([*arguments, "--manifest", str(source), "--out", str(out)]) == 0
    found = [json.loads(line) for line in out.read_text().splitlines()]
    assert found[0] == {"audio": "../a/1.wav", "text": "BAD  dut.", "speaker": "s", "phones": "B A D D U T"}
    assert found[1] == {**rows[1], "phones": "B A D T I T"}
    assert found[2] == {"audio": "../c.wav", "text": "bad zz"}
    assert "3 rows" in (said := capsys.readouterr().err) and "nothing can say: zz" in said
    assert main([*arguments, "bad", "--manifest", str(source)]) == 1
    assert "give either words, or --words-of LM, or --manifest IN" in capsys.readouterr().err


def test_the_words_of_a_model_become_a_lexicon(
    dictionary: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train_g2p.main([str(dictionary), "--out", str(tmp_path / "said.g2p"), "--order", "3"]) == 0
    binary.save(train(["bad dit tutu", "bad"] * 3, NgramConfig(2)), tmp_path / "words.lm")
    arguments = ["pronounce", "--model", str(tmp_path / "said.g2p"), "--dictionary", str(dictionary)]
    capsys.readouterr()
    assert main([*arguments, "--words-of", str(tmp_path / "words.lm")]) == 0
    (tmp_path / "own.dict").write_text(capsys.readouterr().out)
    expected = {"bad": (("B", "A", "D"), ("B", "AE", "D")), "dit": (("D", "I", "T"),), "tutu": (("T", "U", "T", "U"),)}
    assert pronunciation.read(tmp_path / "own.dict") == expected
    binary.save(train(["bad"] * 3, NgramConfig(2, unit="character")), tmp_path / "characters.lm")
    assert main([*arguments, "--words-of", str(tmp_path / "characters.lm")]) == 1
    assert "is a character model; only words are said" in capsys.readouterr().err
