"""The doors: what goes to stdout, what to stderr, the exit code, and the JSON that programs rely on."""

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from conftest import SPOKEN_TEXTS, TINY_HANDWRITING, TINY_SPEECH, WRITTEN_TEXTS, spell_wave, write_rows

from pipelines.cli import COMMANDS, main
from recog import __version__

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def said(tmp_path: Path) -> Path:
    path = tmp_path / "said.wav"
    soundfile.write(path, spell_wave("bad c"), 8000)
    return path


def test_transcribe_prints_the_text_alone(
    said: Path, trained_speech_bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["transcribe", str(said), "--bundle", str(trained_speech_bundle), "--greedy"]) == 0
    assert capsys.readouterr().out == "bad c\n"


def test_transcribe_json_has_words_with_times(
    said: Path, trained_speech_bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["transcribe", str(said), "--bundle", str(trained_speech_bundle), "--format", "json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["text"] == "bad c"
    assert [word["text"] for word in found["words"]] == ["bad", "c"]
    assert all(set(word) == {"text", "start", "end", "confidence"} for word in found["words"])
    assert all(0 <= word["start"] < word["end"] and 0 <= word["confidence"] <= 1 for word in found["words"])


def test_one_bad_file_is_named_and_the_exit_code_tells(
    said: Path, tmp_path: Path, trained_speech_bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty.wav").touch()
    files = [str(tmp_path / "empty.wav"), str(said)]
    assert main(["transcribe", *files, "--bundle", str(trained_speech_bundle)]) == 1
    captured = capsys.readouterr()
    assert captured.out == f"{said}: bad c\n"
    assert "empty.wav is empty" in captured.err and "1 of 2 files failed" in captured.err


@pytest.mark.parametrize("kind", ["speech", "handwriting"])
def test_evaluate_counts_groups_and_failures(
    kind: str,
    tmp_path: Path,
    trained_speech_bundle: Path,
    trained_handwriting_bundle: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    frontend, texts, bundle = {
        "speech": (TINY_SPEECH, SPOKEN_TEXTS, trained_speech_bundle),
        "handwriting": (TINY_HANDWRITING, WRITTEN_TEXTS, trained_handwriting_bundle),
    }[kind]
    path = write_rows(tmp_path, frontend, texts[:3], part="report")
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    media = "audio" if kind == "speech" else "image"
    rows.append({**rows[0], media: "gone", "text": "abcd", "source": "lost"})  # 4 characters, all deleted
    rows.append({**rows[0], "part": "tune", "source": "other"})
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    out = tmp_path / "report.json"
    code = main(
        ["evaluate", str(bundle), str(path), "--greedy", "--part", "report", "--by", "source", "--json", str(out)]
    )
    assert code == 1  # a row failed
    report = json.loads(out.read_text())
    units = sum(len(text) for text in texts[:3]) + 4
    assert report["cer"] == pytest.approx(4 / units, abs=1e-5)
    assert (report["rows"], report["failed"], report["by"]["built"]["cer"], report["by"]["lost"]["cer"]) == (
        4,
        1,
        0.0,
        1.0,
    )
    assert report["text_rule"] == {"speech": "spoken", "handwriting": "strict"}[kind]
    assert report["seconds"] > 0 and ("audio_seconds" in report) == (kind == "speech")
    assert [pair["hypothesis"] for pair in report["pairs"]] == [*texts[:3], ""]
    assert [pair["reference"] for pair in report["pairs"]] == [*texts[:3], "abcd"]
    assert report["pairs"][3]["id"] == "gone" and "gone" in report["pairs"][3]["failure"]
    printed = capsys.readouterr().out
    assert "text rule" in printed and "failed: gone" in printed


def test_evaluate_counts_by_another_text_rule(
    tmp_path: Path, trained_speech_bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_rows(tmp_path, TINY_SPEECH, [SPOKEN_TEXTS[0]])
    path.write_text(path.read_text().replace(SPOKEN_TEXTS[0], SPOKEN_TEXTS[0].upper()))
    counted = ["evaluate", str(trained_speech_bundle), str(path), "--greedy"]
    out = tmp_path / "report.json"
    assert main([*counted, "--text-rule", "raw", "--json", str(out)]) == 0
    report = json.loads(out.read_text())
    assert (report["text_rule"], report["cer"]) == ("raw", 1.0)  # the bundle's own rule would not see the capitals
    assert main([*counted, "--text-rule", "row"]) == 1
    assert "text rule 'row' is unknown" in capsys.readouterr().err


def test_training_from_the_command_line_gives_the_bundle_that_evaluation_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest = write_rows(tmp_path / "data", TINY_SPEECH, SPOKEN_TEXTS)
    preset = tmp_path / "tiny.toml"
    preset.write_text(
        'kind = "speech"\nname = "tiny"\n[frontend]\nrate_hz = 8000\nmel_bands = 16\nhigh_hz = 3800.0\n'
        "[network]\nchannels = [8]\nstrides_time = [2]\nstrides_features = [2]\nprojection = 16\nlayers = 1\nhidden = 8\n"
        "rates = [2]\nauxiliary_layers = []\n[fit]\nepochs = 1\nlog_every = 1\n"
    )
    run = tmp_path / "run"
    arguments = ["train", str(preset), "--train", str(manifest), "--dev", str(manifest), "--out", str(run)]
    assert main([*arguments, "--set", "fit.epochs=2"]) == 0
    printed = capsys.readouterr().out
    assert main(["evaluate", str(run / "best"), str(manifest), "--greedy", "--json", str(tmp_path / "r.json")]) == 0
    cer = json.loads((tmp_path / "r.json").read_text())["cer"]
    assert float(re.findall(r"CER ([\d.]+) %", printed)[0]) == pytest.approx(100 * cer, abs=0.011)
    assert main(arguments) == 1  # a run is never overwritten
    assert "already holds a training run" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["transcribe", "x.wav", "--bundle", "no-such"], "no-such is not a bundle"),
        (["evaluate", "no-such", "none.jsonl"], "no-such is not a bundle"),
        (
            ["train", "no-such", "--train", "a", "--dev", "b", "--out", "c"],
            "preset 'no-such' is neither a file nor one of",
        ),
        (["prepare", "toy", "-", "{tmp}", "--force", "--device"], None),
    ],
)
def test_wrong_calls_give_one_sentence(
    arguments: list[str], told: str | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if told is None:
        with pytest.raises(SystemExit) as left:
            main([argument.format(tmp=tmp_path) for argument in arguments])
        assert left.value.code == 2
        return
    assert main(arguments) == 1
    error = capsys.readouterr().err
    assert told in error and "Traceback" not in error


@pytest.mark.parametrize("name", ["transcribe", "evaluate", "train", "prepare"])
def test_each_script_is_a_door_to_the_same_command(name: str) -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "scripts" / f"{name}.py", "--help"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0
    assert COMMANDS[name][2].rstrip(".") in " ".join(done.stdout.split())


def test_python_m_recog_answers() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "recog", "--version"], capture_output=True, text=True, cwd=ROOT, check=True
    )
    assert done.stdout.strip() == f"recog {__version__}"


def test_the_version_is_told_once(capsys: pytest.CaptureFixture[str]) -> None:
    assert f'version = "{__version__}"' in (ROOT / "pyproject.toml").read_text()


def test_numbers_in_the_report_match_a_count_by_hand() -> None:
    # one row "ab" read as "a": 1 deletion of 2 characters
    from pipelines.measurement import as_json, table
    from recog.evaluation import Evaluation, Pair
    from recog.manifest import Row

    row = Row("x", Path("x"), "audio", "AB", fields={"source": "s"})
    evaluation = Evaluation((Pair(row, "a", audio_seconds=2.0),), "spoken", 1.0, 2.0)
    report = as_json(evaluation, "source")
    assert (report["cer"], report["wer"], report["audio_seconds"]) == (0.5, 1.0, 2.0)
    assert report["by"]["s"]["cer"] == 0.5
    assert any("2 x real time" in line for line in table(evaluation))
    assert np.isfinite(report["cer_interval"]).all()
