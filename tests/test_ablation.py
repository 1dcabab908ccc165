"""The ablation script on a tiny recogniser: one row of the table a part, and no run done twice."""

import json
import sys
from pathlib import Path

import pytest
import torch
from conftest import SPOKEN_TEXTS, TINY_SPEECH, write_rows
from safetensors.torch import load_file

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
        trained.append((Path(str(given[3])).name, more["init_from"]))
        return train(*given, **more)  # type: ignore[arg-type]

    train = training.train
    monkeypatch.setattr(training, "train", counted)
    assert ablation.main([*arguments, "--every", "2", "--parts", "dropout"]) == 0
    assert trained == [("the-preset-as-it-is", None), ("without-dropout", None)]
    table = capsys.readouterr().out.splitlines()
    assert [line.split(" | ")[0] for line in table[2:]] == ["| the preset as it is", "| without dropout"]
    rows = json.loads((tmp_path / "out" / "results.json").read_text())
    assert [row["settings"] for row in rows] == [[], ["network.dropout=0.0"]]
    assert rows[1]["difference"] == rows[1]["cer"] - rows[0]["cer"]
    assert rows[0]["difference"] == 0 and rows[0]["difference_interval"] == [0, 0]
    assert rows[1]["difference_interval"][0] <= rows[1]["difference"] <= rows[1]["difference_interval"][1]
    # Two speakers would give an interval of a few points: rows are drawn.
    assert json.loads((tmp_path / "out" / "without-dropout" / "counts.json").read_text())["groups"] == list("0123")
    assert {row["seed"] for row in rows} == {3}
    assert len((tmp_path / "out" / "train.jsonl").read_text().splitlines()) == 4
    settings = json.loads((tmp_path / "out" / "without-dropout" / "settings.json").read_text())
    assert (settings["network"]["dropout"], settings["fit"]["seed"]) == (0.0, 3)
    assert ablation.main([*arguments, "--every", "2", "--parts", "dropout", "one cycle"]) == 0
    assert trained[2:] == [("with-one-cycle", None)]
    assert capsys.readouterr().out.splitlines()[:4] == table
    assert ablation.main([*arguments, "--sources", "elsewhere"]) == 1
    assert "8 rows, none of source elsewhere" in capsys.readouterr().err
    assert ablation.main([*arguments, "--sources", "built", "--every", "2", "--parts", "dropout"]) == 0
    assert len(trained) == 3
    assert ablation.main([*arguments, "--parts", "luck"]) == 1
    assert "'luck' is no part of speech; known: all changes of the sound, phones, mixed rows" in capsys.readouterr().err


def test_all_runs_begin_with_the_weights_of_one_base(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["--base-epochs", "2", "--base-set", "fit.average=0.5", "--seeds", "2", "--dev-every", "2"]
    # Nothing is learnt after the base: whatever a run reads, the base has read.
    still = ["--set", "fit.freeze_steps=1000", "--set", "fit.peak_rate=1e-30", "--parts", "gain"]
    assert ablation.main([*arguments, *asked, *still, "--set", "data.batch_frames=400"]) == 0
    table = capsys.readouterr().out.splitlines()[2:]
    named = ["the base before", "the preset as it is", "the preset as it is, seed 4", "with gain"]
    assert [line.split(" | ")[0].removeprefix("| ") for line in table] == named
    out = tmp_path / "out"
    rows = json.loads((out / "results.json").read_text())
    assert [(row["epochs"], row["seed"]) for row in rows] == [(2, 3), (1, 3), (1, 4), (1, 3)]
    settings = [json.loads((out / name / "settings.json").read_text()) for name in ("base", "with-gain")]
    assert [one["fit"]["average"] for one in settings] == [0.5, 0.999]
    assert [one["augment"]["gain"]["chance"] for one in settings] == [0.0, 0.5]
    states = [load_file(out / name / "best" / "network.safetensors") for name in ("base", "with-gain")]
    for name, tensor in states[0].items():
        if "running" not in name and "num_batches" not in name:  # statistics of convolutions move without a rate
            torch.testing.assert_close(tensor, states[1][name], atol=1e-6, rtol=0)
    assert len((out / "dev.jsonl").read_text().splitlines()) == 2


def test_runs_begin_with_a_bundle_that_is_there(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # What it trains first and leaves in one folder is the same as a bundle brought along for another.
    still = ["--set", "fit.freeze_steps=1000", "--set", "fit.peak_rate=1e-30", "--parts", "gain"]
    assert ablation.main([*arguments, *still, "--base-epochs", "2"]) == 0
    first = json.loads((tmp_path / "out" / "results.json").read_text())
    again = [*arguments[:6], str(tmp_path / "again"), *arguments[7:]]
    bundle = str(tmp_path / "out" / "base" / "best")
    for _ in range(2):  # what is done is read the second time
        assert ablation.main([*again, *still, "--base", bundle]) == 0
        rows = json.loads((tmp_path / "again" / "results.json").read_text())
        assert [row["part"] for row in rows] == ["the base before", "the preset as it is", "with gain"]
        assert [row["cer"] for row in rows] == [row["cer"] for row in first]
        assert (rows[0]["updates"], rows[0]["minutes"]) == (0, 0)
    with pytest.raises(SystemExit):
        ablation.main([*again, "--base", bundle, "--base-epochs", "2"])
    assert "not allowed with argument" in capsys.readouterr().err


def test_all_runs_compute_in_the_arithmetic_of_the_first(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = iter(["fp32", "bf16"])  # near a tie the second measurement may say otherwise
    monkeypatch.setattr(precision, "choose", lambda *_: precision.Choice(next(found), "measured"))
    asked = ["--set", 'fit.precision="auto"', "--parts", "dropout"]
    assert ablation.main([*arguments, *asked]) == 0
    taken = [json.loads(path.read_text())["fit"]["precision"] for path in (tmp_path / "out").glob("*/settings.json")]
    assert taken == ["fp32", "fp32"] and next(found) == "bf16"


@pytest.mark.parametrize("name", ["speech-base", "speech-more", "handwriting-base", "handwriting-more"])
def test_every_part_is_taken_out_of_a_preset_that_has_it_and_put_into_others(name: str) -> None:
    preset = Path(__file__).resolve().parents[1] / "scripts" / "presets" / f"{name}.toml"
    plain = training.settings(preset)
    trials = ablation.trials(preset, [], [], 1)[1:]
    assert len(trials) == len(ablation.PARTS[plain.kind])
    for trial, part in zip(trials, ablation.PARTS[plain.kind].values(), strict=True):
        assert training.settings(preset, trial.settings) != plain, trial.part
        # Whatever is put in can be taken out again, and is another recipe then.
        into = training.settings(preset, part.into)
        assert training.settings(preset, [*part.into, *part.out]) != into, trial.part
        assert trial.part.startswith("with ") or trial.settings == part.out
    headless = ablation.trials(preset, ["network.phones=0", "network.auxiliary_layers=[]"], [], 1)
    assert not {"without phones", "without auxiliary CTC heads"} & {trial.part for trial in headless}
    taken_out = {trial.part for trial in trials if trial.part.startswith("without")}
    assert "without dropout" in taken_out and "without averaged weights" in taken_out
    assert ("without mixed rows" in taken_out) == name.endswith("more")
