import json
import re
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from browsing import expect, opened, shown, upload
from conftest import SPOKEN_TEXTS, TINY_SPEECH, WRITTEN_TEXTS, draw_line, let_go, spell_wave
from PIL import Image

from pipelines import unpacking
from pipelines.fine_tuning import Runs
from pipelines.handwriting import HandwritingPipeline
from pipelines.speech import SpeechPipeline
from pipelines.transcript import SpeechTranscript
from pipelines.web.limits import Limits
from pipelines.web.once import Once
from pipelines.web.page import Page
from pipelines.web.train import Training
from recog import checkpoint

# Those without `slow` run in `make test`: one way through every tab but the one that trains.
slow = pytest.mark.slow
pytestmark = pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")


TABS = ("Speech", "Handwriting", "Look inside", "Measure", "Train")
# Recordings wait for this, in the tests that look at queues and cancel.
GOING = threading.Event()
GOING.set()


class Waiting(SpeechPipeline):
    """A pipeline that works when it may."""

    def __call__(self, *args: Any, **more: Any) -> SpeechTranscript:
        assert GOING.wait(60)
        return super().__call__(*args, **more)


@pytest.fixture(scope="module")
def address(
    trained_speech_bundle: Path, trained_handwriting_bundle: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADIO_TEMP_DIR", str(tmp_path_factory.mktemp("uploads")))
        # What trainings may begin with: something small.
        patch.setattr(checkpoint, "SHELF", trained_speech_bundle.parent)
        runs = Runs(tmp_path_factory.mktemp("runs"))
        listener = Waiting(checkpoint.load(trained_speech_bundle))
        listener.transcript(spell_wave(SPOKEN_TEXTS[0]))  # compiles the decoder, in a fresh checkout
        page = Page(
            Once(lambda: listener),
            Once(lambda: HandwritingPipeline.load(trained_handwriting_bundle)),
            Limits(megabytes=1),
            Training(runs, folders=True),
        )
        yield page.launch()
        runs.close()
        page.close()
    let_go()


@pytest.fixture(scope="module")
def kept_tab(browser: Any, address: str) -> Iterator[Any]:
    """The page, opened once for the quick tests: each keeps to what it put there."""
    yield from opened(browser, address)


def test_a_recording_is_uploaded_and_read(kept_tab: Any, tmp_path: Path) -> None:
    tab = kept_tab
    # The promise stands above all tabs; that nothing else is asked for is seen to by `opened`, that it is kept by test_privacy.
    expect(
        tab.get_by_text("Nothing leaves the computer that runs this page; uploads and results are deleted")
    ).to_be_visible()
    tab.get_by_role("tab", name="Speech").click()
    soundfile.write(tmp_path / "spelt.wav", spell_wave(SPOKEN_TEXTS[1], TINY_SPEECH.rate_hz), TINY_SPEECH.rate_hz)
    upload(tab, tmp_path / "spelt.wav")
    expect(tab.locator("#speech-player audio")).to_have_attribute("src", re.compile("spelt.wav"))
    expect(tab.get_by_role("button", name="Click to upload or drop files")).to_be_visible()
    tab.get_by_role("button", name="Transcribe").click()
    expect(shown(tab)).to_have_text(SPOKEN_TEXTS[1])
    expect(shown(tab).locator(".w").first).to_have_text("dab")
    tab.get_by_role("button", name="Copy text").click()
    assert tab.evaluate("navigator.clipboard.readText()") == SPOKEN_TEXTS[1]
    with tab.expect_download() as saving:
        tab.get_by_role("button", name="Text", exact=True).click()
    assert saving.value.suggested_filename == "spelt.txt"
    assert Path(saving.value.path()).read_text(encoding="utf-8") == SPOKEN_TEXTS[1] + "\n"


def test_a_picture_is_uploaded_and_read(kept_tab: Any, tmp_path: Path) -> None:
    tab = kept_tab
    draw_line(WRITTEN_TEXTS[4]).save(tmp_path / "line.png")
    tab.get_by_role("tab", name="Handwriting").click()
    upload(tab, tmp_path / "line.png")
    expect(tab.locator(".sheet svg image")).to_be_visible()
    tab.get_by_role("button", name="Transcribe").click()
    expect(shown(tab)).to_have_text(WRITTEN_TEXTS[4])
    expect(tab.get_by_role("img", name="The page with an outline around each of 1 lines")).to_be_visible()


def test_a_bad_file_is_refused_and_makes_room_for_the_next(kept_tab: Any, tmp_path: Path) -> None:
    tab = kept_tab
    tab.get_by_role("tab", name="Speech").click()
    (tmp_path / "notes.wav").write_text("no sound")
    upload(tab, tmp_path / "notes.wav")
    expect(tab.get_by_test_id("toast-body")).to_contain_text("notes.wav is not a recording that can be decoded")
    expect(tab.get_by_role("button", name="Click to upload or drop files")).to_be_visible()


@slow
def test_limits_stand_in_every_tab_and_what_is_beyond_them_is_refused(tab: Any, tmp_path: Path) -> None:
    stated = (
        "Each up to 30 minutes and 1 MB.",
        "Each page up to 60 megapixels, each file up to 1 MB and 100 pages.",
        "Up to 1 MB, 30 minutes or 60 megapixels; of a recording 20 seconds are looked at, of a page one line.",
        "Up to 1 MB, 30 minutes or 60 megapixels each.",
        "A zip of up to 1 MB, 5 MB unpacked and 20000 files.",
    )
    for name, sentence in zip(TABS, stated, strict=True):
        tab.get_by_role("tab", name=name).click()
        expect(tab.get_by_text(sentence).filter(visible=True)).to_be_visible()
    (tmp_path / "large.wav").write_bytes(bytes(1_100_000))
    soundfile.write(tmp_path / "long.flac", np.zeros(31 * 60 * 8000, np.int16), 8000)
    Image.new("1", (9000, 7000)).save(tmp_path / "wide.png")
    box = tab.get_by_test_id("toast-body")
    for name, file, sentence in (
        ("Speech", "large.wav", "size"),
        ("Speech", "long.flac", "long.flac is longer than 1800 s, the limit; cut it into parts."),
        ("Handwriting", "wide.png", "wide.png has 9000 x 7000 pixels; make it smaller than 60 megapixels, the limit."),
    ):
        tab.get_by_role("tab", name=name).click()
        upload(tab, tmp_path / file)
        expect(box).to_contain_text(sentence)
        box.get_by_test_id("toast-close").click()
        expect(box).to_have_count(0)


@slow
def test_the_example_is_one_key_away(tab: Any) -> None:
    tab.get_by_role("button", name="Transcribe").focus()
    tab.keyboard.press("Tab")
    expect(tab.get_by_role("button", name="Try an example")).to_be_focused()
    tab.keyboard.press("Enter")
    expect(tab.get_by_text("s of sound")).to_contain_text("6.2 s of sound, read in")


def test_a_recording_is_looked_into(kept_tab: Any, tmp_path: Path) -> None:
    tab = kept_tab
    soundfile.write(tmp_path / "spelt.wav", spell_wave(SPOKEN_TEXTS[1], TINY_SPEECH.rate_hz), TINY_SPEECH.rate_hz)
    tab.get_by_role("tab", name="Look inside").click()
    upload(tab, tmp_path / "spelt.wav")
    expect(tab.get_by_role("row", name="spelt.wav")).to_be_visible()
    tab.get_by_role("button", name="Look inside", exact=True).click()
    lattice = tab.get_by_role("region", name="Lattice")
    expect(lattice.get_by_role("img")).to_be_visible()
    # A path of four letters and a space, which is drawn over cells that tell their figures.
    assert lattice.locator("circle").count() >= len(SPOKEN_TEXTS[1])
    expect(lattice.locator("rect title").first).to_have_text(re.compile(r"^(blank|space|[abcd]) [0-9.]+% at [0-9.]+$"))
    ways = tab.get_by_role("grid", name="Three ways of reading")
    ways.scroll_into_view_if_needed()  # what nobody sees has no rows
    expect(ways.get_by_role("row")).to_have_count(3)
    read = [row.get_by_role("gridcell").all_inner_texts()[:2] for row in ways.get_by_role("row").all()[1:]]
    ways_told = ("Likeliest symbol of every frame", "Search, letters alone")
    assert [[cell.strip() for cell in row] for row in read] == [[way, SPOKEN_TEXTS[1]] for way in ways_told]
    words = tab.get_by_role("grid", name="Words, and what else may stand in their place")
    words.scroll_into_view_if_needed()
    expect(words.get_by_role("gridcell").first).to_have_text("dab")
    with tab.expect_download() as saving:
        tab.get_by_role("button", name="Save picture (SVG)").click()
    assert saving.value.suggested_filename == "spelt.svg"
    assert Path(saving.value.path()).read_text(encoding="utf-8").startswith("<svg ")


def test_two_texts_are_measured(kept_tab: Any) -> None:
    tab = kept_tab
    tab.get_by_role("tab", name="Measure").click()
    tab.get_by_label("Or: what is right").fill("the cat sat\non a mat")
    tab.get_by_label("And what was read").fill("the cut sat down\non mat")
    tab.get_by_role("button", name="Measure", exact=True).click()
    lines = tab.get_by_role("region", name="Lines")
    # Errors are told by signs and strokes, not by colour alone.
    expect(lines.get_by_text("line 1")).to_be_visible()
    worst, other = lines.locator("p:not(.hint)").all_inner_texts()
    assert worst == "line 1 WER 66.7 %, CER 54.5 %\nthe cat→cut sat +down"
    assert other == "line 2 WER 33.3 %, CER 25.0 %\non −a mat"
    expect(lines.locator("p:not(.hint) del").first).to_have_css("text-decoration-line", "line-through")
    rates = tab.get_by_role("grid", name="Errors").get_by_role("row").nth(1).get_by_role("gridcell")
    assert [cell.strip() for cell in rates.all_inner_texts()[:2]] == ["Words (WER)", "50.0 %"]
    expect(tab.get_by_role("grid", name="Words read as others").get_by_role("row").nth(1)).to_contain_text("down")
    with tab.expect_download() as saving:
        tab.get_by_role("button", name="Save lines (CSV)").click()
    assert saving.value.suggested_filename == "lines.csv"
    saved = Path(saving.value.path()).read_text(encoding="utf-8-sig").splitlines()
    assert saved[1].startswith("line 1,the cat sat,the cut sat down,0.66667,0.54545,1,0,1,3,6,11")
    with tab.expect_download() as saving:
        tab.get_by_role("button", name="Save confusions (CSV)").click()
    assert saving.value.suggested_filename == "confusions.csv"
    assert "cat,cut" in Path(saving.value.path()).read_text(encoding="utf-8-sig")
    expect(tab.get_by_role("region", name="Plots").get_by_role("img")).to_have_count(2)


@slow
def test_files_of_a_manifest_are_measured_and_a_long_measuring_is_cancelled(tab: Any, tmp_path: Path) -> None:
    wave = spell_wave(SPOKEN_TEXTS[1], TINY_SPEECH.rate_hz)
    soundfile.write(tmp_path / "a.wav", wave, TINY_SPEECH.rate_hz)
    row = {"audio": "a.wav", "text": "dab d", "duration": len(wave) / TINY_SPEECH.rate_hz}
    (tmp_path / "rows.jsonl").write_text(json.dumps(row) + "\n", encoding="utf-8")
    tab.get_by_role("tab", name="Measure").click()
    files = [tmp_path / "a.wav", tmp_path / "rows.jsonl"]
    tab.get_by_role("tabpanel").locator("input[type=file]").first.set_input_files(files)
    expect(tab.get_by_role("row", name="rows.jsonl")).to_be_visible()
    measure, cancel = (tab.get_by_role("button", name=name, exact=True) for name in ("Measure", "Cancel"))
    GOING.clear()
    try:
        measure.click()
        expect(cancel.filter(visible=True)).to_be_visible()
        cancel.filter(visible=True).click()
        expect(cancel.filter(visible=True)).to_have_count(0)
        expect(measure).to_be_enabled()
    finally:
        GOING.set()
    measure.click()
    expect(tab.get_by_role("region", name="Lines")).to_contain_text("d→c")
    expect(tab.get_by_role("grid", name="Errors").get_by_role("row").nth(1)).to_contain_text(" to ")


@slow
def test_the_unpacking_of_a_zip_tells_the_time_left_and_is_cancelled(
    tab: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with zipfile.ZipFile(tmp_path / "rows.zip", "w") as archive:
        for number in range(8):
            archive.writestr(f"{number}.txt", "a" * 90_000)

    written: list[str] = []

    def slowly(*given: Any, write: Any = unpacking._write) -> None:
        written.append(given[1].filename)
        assert len(written) < 3 or GOING.wait(60)
        write(*given)

    monkeypatch.setattr(unpacking, "_write", slowly)
    tab.get_by_role("tab", name="Train").click()
    upload(tab, tmp_path / "rows.zip")
    tab.get_by_label("Name of the new recogniser").fill("never")
    start = tab.get_by_role("button", name="Start training")
    cancel = tab.get_by_role("tabpanel").get_by_role("button", name="Cancel")
    progress = tab.get_by_text(re.compile(r"^Unpacking rows.zip: 25 %, about .* left$"))
    GOING.clear()
    try:
        start.click()
        expect(progress).to_be_visible()
        cancel.click()
        expect(progress).to_be_hidden()
        expect(cancel).to_be_hidden()
        expect(start).to_be_enabled()
    finally:
        GOING.set()
    # No run was begun, and the page is ready for one: of this folder there is nothing to say but that it holds no samples.
    expect(tab.get_by_role("status", name="Run")).to_have_text("Nothing is being trained.")
    monkeypatch.undo()
    upload(tab, tmp_path / "rows.zip")
    start.click()
    expect(tab.get_by_test_id("toast-body")).to_contain_text("with a .txt of the same name beside each")
    expect(cancel).to_be_hidden()


@slow
def test_whatever_the_keyboard_reaches_has_a_name_and_every_tab_fits_a_phone_in_the_dark(
    browser: Any, address: str
) -> None:
    for tab in opened(browser, address, viewport={"width": 390, "height": 844}, color_scheme="dark"):
        devtools = tab.context.new_cdp_session(tab)
        for name in TABS:
            tab.get_by_role("tab", name=name).click()
            expect(tab.get_by_role("tab", name=name)).to_have_attribute("aria-selected", "true")
            nodes = devtools.send("Accessibility.getFullAXTree")["nodes"]
            reached = [node for node in nodes if not node["ignored"] and focusable(node) and stops(devtools, node)]
            assert len(reached) > 8
            assert [
                node["role"]["value"] for node in reached if not node.get("name", {}).get("value", "").strip()
            ] == []
            assert tab.evaluate("document.documentElement.scrollWidth") <= 390
            ground = tab.evaluate("getComputedStyle(document.body).backgroundColor.match(/[0-9]+/g).map(Number)")
            assert sum(ground[:3]) < 200


def focusable(node: dict[str, Any]) -> bool:
    """Whether a part of the page, as screen readers know it, can have the keyboard."""
    told = {each["name"]: each["value"].get("value") for each in node.get("properties", [])}
    return bool(told.get("focusable")) and node["role"]["value"] != "RootWebArea"


def stops(devtools: Any, node: dict[str, Any]) -> bool:
    """Whether the tabulator key stops there: not where a script alone may put the keyboard."""
    told = devtools.send("DOM.describeNode", {"backendNodeId": node["backendDOMNodeId"]})["node"].get("attributes", [])
    return ("tabindex", "-1") not in zip(told[::2], told[1::2], strict=True)


@slow
def test_files_with_their_texts_are_read_and_measured(tab: Any, tmp_path: Path) -> None:
    draw_line(WRITTEN_TEXTS[4]).save(tmp_path / "line.png")
    (tmp_path / "line.gt.txt").write_text("add 2", encoding="utf-8")
    (tmp_path / "alone.txt").write_text("what is this", encoding="utf-8")
    tab.get_by_role("tab", name="Measure").click()
    files = [tmp_path / name for name in ("line.png", "line.gt.txt", "alone.txt")]
    tab.get_by_role("tabpanel").locator("input[type=file]").first.set_input_files(files)
    expect(tab.get_by_role("row", name="alone.txt")).to_be_visible()
    tab.get_by_role("button", name="Measure", exact=True).click()
    expect(tab.get_by_role("region", name="Lines")).to_contain_text("add 2→1")
    expect(tab.get_by_text("Left out: alone.txt, which belongs to no file.")).to_be_visible()


@slow
def test_several_users_wait_in_a_queue_that_tells_their_place(browser: Any, address: str, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", spell_wave(SPOKEN_TEXTS[1], TINY_SPEECH.rate_hz), TINY_SPEECH.rate_hz)
    (tmp_path / "a.txt").write_text(SPOKEN_TEXTS[1], encoding="utf-8")
    users = []
    GOING.clear()
    try:
        for _ in range(3):
            user = browser.new_context().new_page()
            user.goto(address)
            user.get_by_role("tab", name="Measure").click()
            files = user.get_by_role("tabpanel").locator("input[type=file]").first
            files.set_input_files([tmp_path / "a.wav", tmp_path / "a.txt"])
            expect(user.get_by_role("row", name="a.txt")).to_be_visible()
            user.get_by_role("button", name="Measure", exact=True).click()
            expect(user.get_by_test_id("status-tracker").filter(visible=True).first).to_be_visible()
            users.append(user)
        expect(users[1].get_by_text(re.compile(r"queue: 1/[12]")).first).to_be_visible()
        expect(users[2].get_by_text("queue: 2/2").first).to_be_visible()
    finally:
        GOING.set()
    for user in users:
        expect(user.get_by_role("region", name="Lines")).to_contain_text(SPOKEN_TEXTS[1])
        user.context.close()


@slow
def test_a_recogniser_is_trained_stopped_gone_on_with_and_used(tab: Any, tmp_path: Path) -> None:
    for number, text in enumerate(SPOKEN_TEXTS):
        wave = spell_wave(text, TINY_SPEECH.rate_hz)
        soundfile.write(tmp_path / f"{number}.wav", wave, TINY_SPEECH.rate_hz)
        (tmp_path / f"{number}.txt").write_text(text, encoding="utf-8")
    tab.get_by_role("tab", name="Train").click()
    status = tab.get_by_role("status", name="Run")
    tab.get_by_role("button", name="Start training").click()
    expect(tab.get_by_test_id("toast-body")).to_contain_text("Choose a recogniser to begin with, a folder or its zip")
    tab.get_by_label("Folder on this computer").fill(str(tmp_path))
    tab.get_by_label("Name of the new recogniser").fill("mine")
    tab.get_by_label("Passes over the samples").fill("900")
    tab.get_by_role("button", name="Start training").click()
    expect(status).to_contain_text("mine is being trained: 7 samples to learn from, 1 to choose by.")
    expect(status).to_contain_text("after the first pass", timeout=180_000)
    curves = tab.get_by_role("region", name="Curves")
    expect(curves.get_by_role("img", name="Error rates, %, over updates")).to_be_visible()
    assert curves.locator("polyline").count() >= 4
    tab.get_by_role("button", name="Stop", exact=True).click()
    expect(status).to_contain_text("mine was stopped, and can go on", timeout=180_000)
    reached = int(str(re.search(r"Update (\d+)", status.inner_text())[1]))  # type: ignore[index]
    tab.get_by_role("button", name="Go on").click()
    expect(status).to_contain_text("mine is being trained")
    expect(status).not_to_contain_text(f"Update {reached},", timeout=180_000)
    tab.get_by_role("button", name="Stop", exact=True).click()
    expect(status).to_contain_text("mine was stopped", timeout=180_000)
    tab.get_by_role("button", name="Use in the other tabs").click()
    expect(status).to_contain_text("The page reads with mine.")
    tab.reload()
    tab.get_by_role("tab", name="Train").click()
    expect(status).to_contain_text("The page reads with mine.")
    tab.get_by_label("Begin with this recogniser").click()
    expect(tab.get_by_role("option", name="mine (trained here)")).to_be_visible()
    tab.keyboard.press("Escape")
    tab.get_by_role("button", name="Use the first one again").click()
    expect(status).not_to_contain_text("The page reads with mine.")
