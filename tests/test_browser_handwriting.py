import json
import re
import zipfile
from pathlib import Path
from typing import Any

import pytest
from browsing import expect, opened, shown, upload
from conftest import WRITTEN_TEXTS, draw_line
from PIL import Image

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")]


def saved(tab: Any, name: str) -> Path:
    with tab.expect_download() as saving:
        tab.get_by_role("tabpanel").get_by_role("button", name=name, exact=True).click()
    return Path(saving.value.path())


def read(tab: Any, *files: Path) -> None:
    """Uploads files and transcribes them."""
    upload(tab, *files)
    expect(tab.locator(".sheet svg image").first).to_be_visible()
    tab.get_by_role("button", name="Transcribe").filter(visible=True).click()


def test_page_and_text_point_at_each_other_and_lines_are_corrected_and_saved(tab: Any, tmp_path: Path) -> None:
    draw_line(WRITTEN_TEXTS[4]).save(tmp_path / "line.png")
    tab.get_by_role("tab", name="Handwriting").click()
    read(tab, tmp_path / "line.png")
    expect(shown(tab)).to_have_text(WRITTEN_TEXTS[4])
    outline, line = tab.locator(".sheet polygon"), tab.locator(".sheet p.line")
    outline.hover()
    expect(line).to_have_class(re.compile(r"\blit\b"))
    tab.get_by_role("heading", name="recog", level=1).hover()
    line.focus()
    expect(outline).to_have_class(re.compile(r"\blit\b"))
    outline.click()
    expect(line).to_be_focused()

    tab.get_by_role("button", name="Correct the text").filter(visible=True).click()
    expect(tab.get_by_role("textbox", name="Line 1")).to_be_focused()
    tab.keyboard.press("Control+A")
    tab.keyboard.type("<b> 1")
    tab.get_by_role("button", name="Done").filter(visible=True).click()
    expect(tab.get_by_text("Corrected; words that you wrote are taken to be right.")).to_be_visible()
    expect(shown(tab)).to_have_text("<b> 1")
    assert saved(tab, "Text").read_text(encoding="utf-8") == "<b> 1\n"
    assert json.loads(saved(tab, "JSON").read_text(encoding="utf-8"))["words"][0]["text"] == "<b>"
    for name in ("PAGE", "ALTO", "hOCR"):
        assert "&lt;b&gt;" in saved(tab, name).read_text(encoding="utf-8")
    assert saved(tab, "PDF").read_bytes().startswith(b"%PDF-")
    with zipfile.ZipFile(saved(tab, "Use my corrections to train")) as archive:
        (text,) = [name for name in archive.namelist() if name.endswith(".gt.txt")]
        assert archive.read(text).decode().strip() == "<b> 1"
        assert text.replace(".gt.txt", ".png") in archive.namelist()


def test_pages_of_several_files_are_read_and_a_bad_one_does_not_stop_the_others(tab: Any, tmp_path: Path) -> None:
    draw_line(WRITTEN_TEXTS[4]).save(tmp_path / "one.png")
    pages = [draw_line(WRITTEN_TEXTS[number]).convert("RGB") for number in (0, 1)]
    pages[0].save(tmp_path / "two.tif", save_all=True, append_images=pages[1:])
    (tmp_path / "notes.png").write_text("no picture")
    tab.get_by_role("tab", name="Handwriting").click()
    read(tab, tmp_path / "one.png", tmp_path / "notes.png", tmp_path / "two.tif")
    expect(tab.get_by_test_id("toast-body")).to_contain_text("notes.png is not an image of a known kind")
    expect(shown(tab)).to_have_text(WRITTEN_TEXTS[4])
    expect(tab.get_by_text("in 3 lines on 3 pages, read in")).to_be_visible()
    tab.get_by_label("Page", exact=True).click()
    tab.get_by_role("option", name="two.tif, page 2").click()
    expect(shown(tab)).to_have_text(WRITTEN_TEXTS[1])
    with zipfile.ZipFile(saved(tab, "Save all (ZIP)")) as archive:
        assert archive.read("01-one.txt").decode() == WRITTEN_TEXTS[4] + "\n"
        assert archive.read("02-two.txt").decode().split("\n\f") == [WRITTEN_TEXTS[0], WRITTEN_TEXTS[1] + "\n"]


def test_what_is_written_on_the_page_is_read_on_a_phone_in_the_dark(browser: Any, address: str) -> None:
    for tab in opened(browser, address, viewport={"width": 390, "height": 844}, color_scheme="dark"):
        tab.get_by_role("tab", name="Handwriting").click()
        canvas = tab.get_by_role("img", name="Paper to write on")
        canvas.scroll_into_view_if_needed()
        box = canvas.bounding_box()
        tab.mouse.move(box["x"] + 60, box["y"] + 20)
        tab.mouse.down()
        tab.mouse.move(box["x"] + 60, box["y"] + 90, steps=5)
        tab.mouse.up()
        tab.get_by_role("button", name="Read what I wrote").click()
        drawn = tab.locator(".sheet svg image")
        expect(drawn).to_have_attribute("href", re.compile("drawing-1.png"))
        expect(tab.get_by_text(re.compile("read in|No writing was found")).filter(visible=True)).to_be_visible()
        assert tab.evaluate("document.documentElement.scrollWidth") <= 390


def test_a_picture_that_browsers_cannot_show_is_shown(tab: Any, tmp_path: Path) -> None:
    Image.new("L", (60, 30), 128).save(tmp_path / "grey.tif")
    tab.get_by_role("tab", name="Handwriting").click()
    upload(tab, tmp_path / "grey.tif")
    expect(tab.locator(".sheet svg")).to_have_attribute("viewBox", "0 0 60 30")
