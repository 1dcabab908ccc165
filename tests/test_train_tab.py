# ruff: noqa: E402 - without gradio this file is skipped before the imports that need it
import json
import re
import shutil
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest
from conftest import SPOKEN_TEXTS, TINY_SPEECH, write_rows

gr = pytest.importorskip("gradio", reason="the page needs gradio: pip install 'recog[app]'")

from pipelines.fine_tuning import DONE, Run, Runs
from pipelines.handwriting import HandwritingPipeline
from pipelines.speech import SpeechPipeline
from pipelines.web import chart
from pipelines.web.limits import Limits
from pipelines.web.look import LookTab
from pipelines.web.once import Once
from pipelines.web.page import Page
from pipelines.web.served import ServedBundle, ServedBundles
from pipelines.web.train import Training, TrainTab, beginning, summarise
from recog import curves
from recog.plot import Line, Panel

pytestmark = [pytest.mark.usefixtures("uploads"), pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")]


def tab(first: Path, training: Training) -> TrainTab:
    with gr.Blocks(analytics_enabled=False) as page:
        return TrainTab(
            page,
            Once(lambda: SpeechPipeline.load(first)),
            Once(lambda: HandwritingPipeline.load("nowhere")),
            Limits(megabytes=1),
            training,
        )


UPDATE = {"epoch": 0, "done": 0.5, "loss": 2.5, "cer": 0.5, "blank": 0.9, "rate": 0.001, "per_hour": 1.0}
LOG = [
    {**UPDATE, "update": 1, "minutes": 1.0, "minutes_left": 1.0},
    {"epoch": 0, "update": 1, "cer": 0.5, "wer": 0.9, "minutes": 1.0},
    {**UPDATE, "update": 2, "epoch": 1, "done": 1.0, "loss": 1.5, "minutes": 2.0, "minutes_left": 0.0},
    {"epoch": 1, "update": 2, "cer": 0.25, "wer": 0.5, "minutes": 2.0},
]


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch, random_speech_bundle: Path) -> None:
    """Runs that are done as soon as they begin: with a log of two passes, and their base as what they learnt."""

    def go(run: Run) -> None:
        training = run.folder / "training"
        shutil.copytree(random_speech_bundle, training / "best")
        (training / "card.md").write_text("# done")
        (training / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in LOG))

    monkeypatch.setattr(Run, "go", go)


def test_a_zip_is_trained_on_and_the_result_is_used(at_once: None, random_speech_bundle: Path, tmp_path: Path) -> None:
    write_rows(tmp_path / "rows", TINY_SPEECH, SPOKEN_TEXTS)
    packed = shutil.make_archive(str(tmp_path / "rows"), "zip", tmp_path / "rows")
    taken: list[tuple[str, str]] = []
    runs = Runs(tmp_path / "runs")
    drawn = tab(random_speech_bundle, Training(runs, False, lambda name, kind, _: taken.append((name, kind))))
    first = drawn.pipelines["speech"]()
    *steps, begun = drawn.begin(str(random_speech_bundle), "", packed, " mine ", 3)
    assert steps and re.search("Unpacking rows.zip: [0-9]+ %", steps[0][0])
    assert begun[0] == "" and begun[1].value == "mine" and begun[2] is None
    status, graphs, stop, resume, use, back, clock = begun[3:]
    assert "<b>mine</b> is done: 7 samples to learn from, 1 to choose by. Update 2, pass 2. Character" in status
    assert "50.0 % after the first pass, 25.0 % now, 25.0 % at best" in status
    assert len(re.findall("<svg ", graphs)) == 2 and "Loss, nats a label" in graphs
    assert [button.interactive for button in (stop, resume, use, back)] == [False, False, True, False]
    assert not clock.active
    # What was sent is part of the run, and nothing of it is left among the uploads.
    assert (tmp_path / "runs" / "mine" / "samples" / "7.wav").is_file()
    assert json.loads((tmp_path / "runs" / "mine" / "data" / "dev.jsonl").read_text())["text"] == SPOKEN_TEXTS[4]
    first_step = next(drawn.use("mine"))  # and left: as when somebody cancels
    assert "Getting mine ready" in first_step[0] and drawn.pipelines["speech"]() is first and not taken
    *_, (progress, *used) = drawn.use("mine")
    assert (
        progress == "" and taken == [("mine", "speech")] and used[5].interactive and "reads with <b>mine</b>" in used[0]
    )
    assert drawn.pipelines["speech"]().recognizer.bundle.name == "mine"
    assert ("mine (trained here)", "mine") in drawn.bundles()
    again = drawn.back("mine")
    assert drawn.pipelines["speech"]() is first and not again[5].interactive
    assert drawn.open()[1].value == "mine" and runs.get("mine").state == DONE


def test_the_other_tabs_turn_to_what_was_trained(random_speech_bundle: Path) -> None:
    pipeline = Once(lambda: SpeechPipeline.load(random_speech_bundle))
    with gr.Blocks(analytics_enabled=False):
        look = LookTab(pipeline, Once(lambda: HandwritingPipeline.load("nowhere")), Limits())
    before = look.observers["speech"]()
    assert look.observers["speech"]() is before
    pipeline.become(SpeechPipeline.load(random_speech_bundle))
    assert look.observers["speech"]() is not before


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"name": " "}, "and a name for what it becomes"),
        ({"bundle": None}, "Choose a recogniser to begin with"),
        ({"path": ""}, "a folder or its zip"),
        ({"path": "/nowhere/at/all"}, "/nowhere/at/all is not a folder"),
        ({"name": "../up"}, "is no name for a run"),
        ({"passes": 0.0}, "choose 1 to 1000"),
        ({"bundle": "nowhere"}, "is not a bundle"),
    ],
)
def test_what_cannot_be_trained_is_refused_and_leaves_nothing(
    at_once: None, random_speech_bundle: Path, tmp_path: Path, given: dict[str, Any], said: str
) -> None:
    write_rows(tmp_path / "rows", TINY_SPEECH, SPOKEN_TEXTS)
    drawn = tab(random_speech_bundle, Training(Runs(tmp_path / "runs"), True))
    asked = {
        "bundle": str(random_speech_bundle),
        "path": str(tmp_path / "rows"),
        "name": "mine",
        "passes": 2.0,
        **given,
    }
    with pytest.raises(gr.Error, match=said):
        list(drawn.begin(asked["bundle"], asked["path"], None, asked["name"], asked["passes"]))
    assert not list(tmp_path.glob("runs/*"))


def test_folders_of_the_server_are_nobodys_business_over_the_network(
    at_once: None, random_speech_bundle: Path, tmp_path: Path
) -> None:
    write_rows(tmp_path / "rows", TINY_SPEECH, SPOKEN_TEXTS)
    drawn = tab(random_speech_bundle, Training(Runs(tmp_path / "runs")))
    with pytest.raises(gr.Error, match="a folder or its zip"):
        list(drawn.begin(str(random_speech_bundle), str(tmp_path / "rows"), None, "mine", 2))
    with pytest.raises(gr.Error, match="rows\\.txt is not a zip"):
        (tmp_path / "rows.txt").write_text("no zip")
        list(drawn.begin(str(random_speech_bundle), "", str(tmp_path / "rows.txt"), "mine", 2))
    assert not list(tmp_path.glob("runs/*"))


def test_training_is_off_where_no_folder_keeps_runs() -> None:
    assert beginning("") is None
    page = Page(Once(lambda: SpeechPipeline.load("nowhere")), Once(lambda: HandwritingPipeline.load("nowhere")))
    said = [block.value for block in page.blocks.blocks.values() if isinstance(block, gr.Markdown)]
    assert sum("switched off here" in str(value) for value in said) == 1


def test_what_was_trained_is_served_by_name_and_takes_no_other_ones_place() -> None:
    never: Once[Any] = Once(lambda: pytest.fail("nobody asked for it"))
    bundles = ServedBundles([ServedBundle("first", "speech", never), ServedBundle("hand", "handwriting", never)])
    mine: Once[Any] = Once(lambda: "mine")
    for name in ("mine", "first", "mine"):
        bundles.add(name, "speech", mine)
    assert [one["id"] for one in bundles.as_json()["data"]] == ["first", "hand", "mine"]
    assert bundles.get("mine", "speech").pipeline is mine and bundles.get("first", "speech").pipeline is never
    assert bundles.get("", "speech").name == "first"


def test_curves_stand_where_their_values_say() -> None:
    panel = Panel("T <1>", (Line("a", ((0.0, 0.0), (10.0, 4.0)), "#123456", marked=True),))
    drawn = ET.fromstring(chart.draw(panel, "updates"))
    places = [(float(dot.attrib["cx"]), float(dot.attrib["cy"])) for dot in drawn.iter("circle")]
    # From the left edge of the plot and its floor to its right edge and its top: ticks end at 0 and 4.
    assert places == [(48.0, 226.0), (548.0, 34.0)]
    assert [dot[0].text for dot in drawn.iter("circle")] == ["a 0 at 0", "a 4 at 10"]
    assert drawn.attrib["aria-label"] == "T <1>, over updates"
    assert "no values yet" in chart.draw(Panel("T", (Line("a", (), "#000"),)), "updates")


def test_a_run_is_told_in_words(tmp_path: Path) -> None:
    run = Run(tmp_path)
    began = {"bundle": "x", "kind": "speech", "rows": 4, "dev_rows": 1}
    (tmp_path / "run.json").write_text(json.dumps(began))
    (tmp_path / "messages.txt").write_text("one\nrecog train: <b> is wrong\n\n")
    assert summarise(run, run.state).endswith(
        "has failed: 4 samples to learn from, 1 to choose by. It said: recog train: &lt;b&gt; is wrong"
    )
    (tmp_path / "training").mkdir()
    (tmp_path / "training" / "log.jsonl").write_text(json.dumps(LOG[0]) + "\n" + json.dumps(LOG[1])[:9])
    assert "Update 1, pass 1, 50 % of the way, 1 min left." in summarise(run, "training")
    assert curves.read(tmp_path / "training" / "log.jsonl") == run.history()
