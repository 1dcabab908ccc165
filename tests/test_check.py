"""`recog check`: the report for people, the one for programs, the exit code."""

import json
from pathlib import Path

import pytest
from conftest import SPOKEN_TEXTS, TINY_SPEECH, write_rows

from pipelines.cli import main

# Every character stands there at least five times, so that none is rare.
TEXTS = (*SPOKEN_TEXTS, "abdc", "ca db", "dacb a")
PRESET = (
    'kind = "speech"\n[frontend]\nrate_hz = 8000\nmel_bands = 16\nhigh_hz = 3800.0\n[network]\nchannels = [4]\n'
    "strides_time = [{}]\nstrides_features = [2]\nprojection = 8\nlayers = 1\nhidden = 4\nrates = [1]\nauxiliary_layers = []\n"
)


@pytest.fixture
def train(tmp_path: Path) -> Path:
    return write_rows(tmp_path, TINY_SPEECH, TEXTS, speaker="s")


@pytest.fixture
def preset(tmp_path: Path) -> Path:
    path = tmp_path / "p.toml"
    path.write_text(PRESET.format(2))
    return path


def test_a_clean_manifest_gives_0(train: Path, preset: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(train), "--preset", str(preset)]) == 0
    lines = capsys.readouterr().out.splitlines()
    characters = sum(map(len, TEXTS))
    assert lines[0].startswith(f"{train}: 11 rows, 11 of them usable, 0.00 h, {characters} characters, 1 speakers")
    assert lines[1].startswith(f"alphabet: 5 characters, from {train}; text rule: spoken (For speech: ")
    assert lines[2:] == ["0 errors, 0 warnings"]


def test_errors_give_1_and_the_json_names_them_all(
    train: Path, preset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in (2, 5, 7, 9):
        (tmp_path / f"{number}.wav").unlink()
    out = tmp_path / "report.json"
    assert main(["check", str(train), "--preset", str(preset), "--show", "2", "--json", str(out)]) == 1
    told = capsys.readouterr().out
    assert "ERROR   missing: 4 (files that do not exist)" in told
    assert f"    {train}:3 2.wav: {tmp_path / '2.wav'} does not exist" in told and f"{train}:8" not in told
    assert "... and 2 more; --json FILE names them all" in told
    assert told.endswith("4 errors, 0 warnings\n")
    report = json.loads(out.read_text())
    assert (report["errors"], report["warnings"], report["kinds"]) == (4, 0, {"missing": 4})
    assert [one["line"] for one in report["findings"]] == [3, 6, 8, 10]
    assert report["splits"][0]["usable"] == 7 and report["alphabet"] == " abcd" and report["text_rule"] == "spoken"


def test_the_presets_shortening_and_overrides_count(
    train: Path, preset: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # "cabb" lasts 0.04 + 4 x 0.12 = 0.52 s, 53 steps of 10 ms, 2 frames at a stride of 32.
    command = ["check", str(train), "--preset", str(preset), "--set", "network.strides_time=[32]", "--show", "9"]
    assert main(command) == 1
    told = capsys.readouterr().out
    assert f"{train}:4 3.wav: 4 characters need 5 frames, the network gives 2: 'cabb'" in told


def test_a_bundles_alphabet_is_asked_for(
    train: Path, random_speech_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [json.loads(line) for line in train.read_text().splitlines()]
    rows[3]["text"] = "cabbe"
    train.write_text("\n".join(map(json.dumps, rows)))
    assert main(["check", str(train), "--bundle", str(random_speech_bundle), "--workers", "0"]) == 1
    told = capsys.readouterr().out
    assert "alphabet: 5 characters, the bundle's" in told
    assert f"{train}:4 3.wav: U+0065 'e': 1 time in 1 row" in told


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["{train}", "--set", "data.rare=2"], "--set data.rare=2 changes a setting of a preset; name it with --preset"),
        (["{train}", "{train}"], "a manifest is named twice"),
        (["{train}", "--preset", "none"], "preset 'none' is neither a file nor one of"),
        (["nowhere.jsonl"], "manifest nowhere.jsonl cannot be read"),
    ],
)
def test_wrong_calls_give_one_sentence(
    arguments: list[str], sentence: str, train: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", *(argument.format(train=train) for argument in arguments)]) == 1
    error = capsys.readouterr().err
    assert sentence in error and "Traceback" not in error
