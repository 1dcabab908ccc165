"""The experiments in their quick form: every claim holds, on few seeds and short lines, and the report says so."""

import importlib.util
import json
import sys
import time
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest
from PIL import Image

FOLDER = Path(__file__).resolve().parents[1] / "scripts" / "experiments"
# Those that need no data; the others are given paths to it.
NAMES = (
    "embedded_reber",
    "long_lags",
    "adding",
    "temporal_order",
    "counting",
    "timing",
    "gradient_flow",
    "evolino",
    "policy_gradient",
)


def script(name: str) -> ModuleType:
    found = importlib.util.spec_from_file_location(f"experiment_{name}", FOLDER / f"{name}.py")
    assert found is not None and found.loader is not None
    module = importlib.util.module_from_spec(found)
    sys.modules[found.name] = module  # dataclasses look their module up
    found.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", NAMES)
def test_every_claim_holds_in_the_quick_form(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table, picture, kept = tmp_path / "table.json", tmp_path / "plot.svg", tmp_path / "figures.jsonl"
    words = ["--quick", "--json", str(table), "--plot", str(picture), "--journal", str(kept)]
    code = script(name).main(words)
    printed = capsys.readouterr().out
    report = json.loads(table.read_text(encoding="utf-8"))
    assert report["claims"] and all(claim["holds"] for claim in report["claims"]), printed
    assert code == 0
    assert all(row["what"] in printed and row["ours"] in printed for row in report["rows"])
    assert "<polyline" in picture.read_text(encoding="utf-8")
    # From the journal the same table comes at once, without anything being learnt.
    drawn, began = picture.read_bytes(), time.process_time()
    assert script(name).main(words) == 0
    assert capsys.readouterr().out == printed and picture.read_bytes() == drawn
    assert time.process_time() - began < 2


def test_a_claim_that_fails_ends_the_quick_form_with_1(capsys: pytest.CaptureFixture[str]) -> None:
    from recog.tasks import report

    quick, full = (report.parser("One.", 3).parse_args(words) for words in (["--quick"], []))
    claims = [report.Claim("water is wet", True), report.Claim("the moon is cheese", False)]
    assert report.finish(quick, [], claims, [], "") == 1
    assert report.finish(quick, [], claims[:1], [], "") == 0
    assert report.finish(full, [], claims, [], "") == 0
    assert "FAILS: the moon is cheese" in capsys.readouterr().out


@pytest.mark.parametrize("name", NAMES)
def test_what_learns_nothing_fails_the_quick_form(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from recog.tasks import evolution, learning

    experiment = script(name)
    monkeypatch.setattr(learning.Learner, "train", lambda *_: 0.0)
    monkeypatch.setattr(evolution.Foreteller, "solve", lambda *_: None)  # a readout that says 0
    if name == "gradient_flow":  # where nothing is learnt anyway: an error that neither vanishes nor explodes
        monkeypatch.setattr(experiment, "flow", lambda cell, steps, size: [1.0] * (steps + 1))
    if name == "policy_gradient":  # walks that learn nothing are the longest
        monkeypatch.setattr(experiment, "train", lambda *_: (None, 0.5))
    if name == "evolino":
        short = (replace(one, evolution=replace(one.evolution, generations=1)) for one in experiment.QUICK)
        monkeypatch.setattr(experiment, "QUICK", tuple(short))
    assert experiment.main(["--quick"]) == 1
    assert "FAILS: " in capsys.readouterr().out


def test_a_plot_may_be_a_picture_too(tmp_path: Path) -> None:
    from recog import plot
    from recog.tasks import report

    options = report.parser("One.", 3).parse_args(["--plot", str(tmp_path / "plot.png")])
    report.finish(options, [], [], [plot.Panel("x", (plot.Line("", ((0, 0), (1, 1)), "#000000"),))], "steps")
    with Image.open(tmp_path / "plot.png") as image:
        assert image.format == "PNG" and image.size[0] == plot.PANEL[0]


def test_what_a_table_says_of_seeds() -> None:
    from recog.tasks import report

    assert report.solved([300, None, 100, 200]) == "3 of 4, median 200 (100 to 300)"
    assert report.solved([None, None]) == "0 of 2"
    line = report.shares("x", [300, None, 100], 400, "#000000")
    third = 100 / 3
    expected = [(0, 0), (100, 0), (100, third), (300, third), (300, 2 * third), (400, 2 * third)]
    assert line.points == tuple(pytest.approx(point) for point in expected)
