"""The ablation script on a tiny recogniser: one row of the table a part, and no run done twice."""

import json
import sys
from pathlib import Path

import pytest
from conftest import SPOKEN_TEXTS, TINY_SPEECH, write_rows

from pipelines import training
from recog.training import precision

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "scripts" / "experiments"))
import ablation

PRESET = """kind = "speech"
name = "tiny"
[frontend]
rate_hz = 8000
mel_bands = 16
high_hz = 3900.0
[network]
channels = [4]
strides_time = [2]
strides_features = [4]
projection = 8
layers = 1
hidden = 4
rates = [1]
auxiliary_layers = [0]
[data]
batch_frames = 300
[fit]
epochs = 1
precision = "fp32"
tensorboard = "no"
"""


@pytest.fixture
def arguments(tmp_path: Path) -> list[str]:
    (tmp_path / "tiny.toml").write_text(PRESET)
    rows = write_rows(tmp_path / "speech", TINY_SPEECH, SPOKEN_TEXTS)
    parts = ["tune", "report"]
    dev = [{**json.loads(line), "part": parts[n % 2]} for n, line in enumerate(rows.read_text().splitlines())]
    (rows.parent / "dev.jsonl").write_text("".join(json.dumps(row) + "\n" for row in dev))
    given = ["--train", str(rows), "--dev", str(rows.parent / "dev.jsonl"), "--out", str(tmp_path / "out")]
    return [str(tmp_path / "tiny.toml"), *given, "--set", "fit.seed=3"]


def test_every_part_is_a_row_and_no_run_is_done_twice(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    trained = []

    def counted(*given: object, **more: object) -> object:
        trained.append(Path(str(given[3])).name)
        return train(*given, **more)  # type: ignore[arg-type]

    train = training.train
    monkeypatch.setattr(training, "train", counted)
    assert ablation.main([*arguments, "--every", "2", "--parts", "without dropout"]) == 0
    assert trained == ["the-preset-as-it-is", "without-dropout"]
    table = capsys.readouterr().out.splitlines()
    assert [line.split(" | ")[0] for line in table[2:]] == ["| the preset as it is", "| without dropout"]
    rows = json.loads((tmp_path / "out" / "results.json").read_text())
    assert [row["settings"] for row in rows] == [[], ["network.dropout=0.0"]]
    assert rows[1]["difference"] == rows[1]["cer"] - rows[0]["cer"]
    assert {row["seed"] for row in rows} == {3}
    assert len((tmp_path / "out" / "train.jsonl").read_text().splitlines()) == 4
    settings = json.loads((tmp_path / "out" / "without-dropout" / "settings.json").read_text())
    assert (settings["network"]["dropout"], settings["fit"]["seed"]) == (0.0, 3)
    assert ablation.main([*arguments, "--every", "2", "--parts", "without dropout", "with one cycle"]) == 0
    assert trained[2:] == ["with-one-cycle"]
    assert capsys.readouterr().out.splitlines()[:4] == table
    assert ablation.main([*arguments, "--parts", "without luck"]) == 1
    assert "'without luck' is no part of speech; known: the preset as it is, without dropout" in capsys.readouterr().err


def test_all_runs_compute_in_the_arithmetic_of_the_first(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = iter(["fp32", "bf16"])  # near a tie the second measurement may say otherwise
    monkeypatch.setattr(precision, "choose", lambda *_: precision.Choice(next(found), "measured"))
    asked = ["--set", 'fit.precision="auto"', "--parts", "without dropout"]
    assert ablation.main([*arguments, *asked]) == 0
    taken = [json.loads(path.read_text())["fit"]["precision"] for path in (tmp_path / "out").glob("*/settings.json")]
    assert taken == ["fp32", "fp32"] and next(found) == "bf16"


@pytest.mark.parametrize("kind", ["speech", "handwriting"])
def test_every_part_changes_the_presets_settings(kind: str) -> None:
    preset = Path(__file__).resolve().parents[1] / "scripts" / "presets" / f"{kind}-base.toml"
    base = training.settings(preset)
    for name, settings in ablation.PARTS[kind].items():
        assert training.settings(preset, settings) != base, name
        if name.startswith("without"):
            for one in settings:  # nothing is taken out that was never in
                assert training.settings(preset, [one]) != base, (name, one)
