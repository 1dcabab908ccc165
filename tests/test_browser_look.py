"""The Look inside tab in a real browser."""

import re
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import soundfile
from browsing import expect, opened, upload
from conftest import SPOKEN_TEXTS, TINY_SPEECH, WRITTEN_TEXTS, draw_line, spell_wave

from pipelines.insight import Observer
from pipelines.web.look import Observers
from recog.ctc.options import DecoderOptions
from recog.language import Language
from recog.lm.quantise import quantise
from recog.lm.train import NgramConfig, train

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")]


def test_three_ways_of_reading_stand_side_by_side_and_fit_a_phone(
    browser: Any, address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained = train(["dab c"] * 3 + ["dad c"], NgramConfig(order=1, unit="word"))
    models = Language(replace(trained, tables=quantise(trained.tables)), {}, DecoderOptions(beam=50, alpha=0.5))

    def observer(self: Observers) -> Observer:
        return Observer(replace(self._pipeline().recognizer.bundle, language=models))

    monkeypatch.setattr(Observers, "__call__", observer)
    soundfile.write(tmp_path / "spelt.wav", spell_wave(SPOKEN_TEXTS[1], TINY_SPEECH.rate_hz), TINY_SPEECH.rate_hz)
    for tab in opened(browser, address, viewport={"width": 390, "height": 844}):
        tab.get_by_role("tab", name="Look inside").click()
        upload(tab, tmp_path / "spelt.wav")
        expect(tab.get_by_role("row", name="spelt.wav")).to_be_visible()
        tab.get_by_role("button", name="Look inside", exact=True).click()
        expect(tab.get_by_role("region", name="Lattice").get_by_role("img")).to_be_visible()
        ways = tab.get_by_role("grid", name="Three ways of reading")
        ways.scroll_into_view_if_needed()  # what nobody sees has no rows
        expect(ways.get_by_role("row")).to_have_count(4)
        cells = ways.get_by_role("row").nth(3).get_by_role("gridcell")
        told = [cell.strip() for cell in cells.all_inner_texts()]
        assert told[:2] == ["Search with the language model", SPOKEN_TEXTS[1]]
        letters, language, length, hot, together = map(float, told[2:])
        assert language < 0 and abs(letters + language + length + hot - together) < 0.03
        # Words stay whole; it is the table that is pushed sideways, not the page.
        assert cells.nth(2).bounding_box()["width"] > 60
        assert tab.evaluate("document.documentElement.scrollWidth") <= 390


def test_a_line_is_looked_into_and_a_missing_one_refused(tab: Any, tmp_path: Path) -> None:
    draw_line(WRITTEN_TEXTS[4]).save(tmp_path / "line.png")
    tab.get_by_role("tab", name="Look inside").click()
    upload(tab, tmp_path / "line.png")
    expect(tab.get_by_role("row", name="line.png")).to_be_visible()
    tab.get_by_role("button", name="Look inside", exact=True).click()
    expect(tab.get_by_role("region", name="Lattice").get_by_role("img")).to_be_visible()
    ways = tab.get_by_role("grid", name="Three ways of reading")
    expect(ways.get_by_role("gridcell", name=WRITTEN_TEXTS[4]).first).to_be_visible()
    tab.get_by_label("Line of a page").fill("3")
    tab.get_by_role("button", name="Look inside", exact=True).click()
    expect(tab.get_by_test_id("toast-body")).to_contain_text("there is no line 3 on this picture: it shows 1")
    expect(tab.get_by_text("The picture will appear here.")).to_be_visible()


def test_a_long_look_is_cancelled(tab: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    draw_line(WRITTEN_TEXTS[4]).save(tmp_path / "line.png")
    going = threading.Event()

    def slowly(self: Observer, path: Path, at: float, tell: Any, look: Any = Observer.__call__) -> Any:
        def told(step: str) -> None:
            tell(step)
            assert going.wait(60)

        return look(self, path, at, told)

    monkeypatch.setattr(Observer, "__call__", slowly)
    tab.get_by_role("tab", name="Look inside").click()
    upload(tab, tmp_path / "line.png")
    expect(tab.get_by_role("row", name="line.png")).to_be_visible()
    look = tab.get_by_role("button", name="Look inside", exact=True)
    cancel = tab.get_by_role("button", name="Cancel").filter(visible=True)
    progress = tab.get_by_text(
        re.compile(r"^Reading a line of line.png in three ways: \d+ %, (about .* left|longer than expected)$")
    )
    try:
        look.click()
        expect(progress).to_be_visible()
        cancel.click()
        expect(progress).to_be_hidden()
        expect(cancel).to_have_count(0)
    finally:
        going.set()
    expect(tab.get_by_text("The picture will appear here.")).to_be_visible()
    look.click()
    expect(tab.get_by_role("region", name="Lattice").get_by_role("img")).to_be_visible()
    expect(cancel).to_have_count(0)
