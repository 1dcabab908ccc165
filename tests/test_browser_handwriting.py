import base64
import io
import json
import re
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pypdfium2
import pytest
from browsing import expect, launched, opened, shown, upload
from conftest import WRITTEN_TEXTS, draw_line
from PIL import Image

from pipelines.handwriting import HandwritingPipeline
from pipelines.rendering import Rendering, render
from pipelines.transcript import PageTranscript, WrittenLine, WrittenWord

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A browser with a camera that shows a moving picture."""
    yield from launched("--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream")


def saved(tab: Any, name: str) -> Path:
    with tab.expect_download() as saving:
        tab.get_by_role("tabpanel").get_by_role("button", name=name, exact=True).click()
    return Path(saving.value.path())


def read(tab: Any, *files: Path) -> None:
    """Uploads files and transcribes them."""
    upload(tab, *files)
    expect(tab.locator(".sheet svg image").first).to_be_visible()
    tab.get_by_role("button", name="Transcribe").filter(visible=True).click()


def turn_to(tab: Any, name: str) -> None:
    """Chooses another page."""
    tab.get_by_label("Page", exact=True).click()
    tab.get_by_role("option", name=name).click()


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
    with pypdfium2.PdfDocument(saved(tab, "PDF")) as searchable:
        assert searchable[0].get_textpage().get_text_range().split() == ["<b>", "1"]
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
    turn_to(tab, "two.tif, page 2")
    expect(shown(tab)).to_have_text(WRITTEN_TEXTS[1])
    with zipfile.ZipFile(saved(tab, "Save all (ZIP)")) as archive:
        assert archive.read("01-one.txt").decode() == WRITTEN_TEXTS[4] + "\n"
        assert archive.read("02-two.txt").decode().split("\n\f") == [WRITTEN_TEXTS[0], WRITTEN_TEXTS[1] + "\n"]


def test_the_pages_of_a_pdf_are_read_but_for_one_that_cannot_be(tab: Any, tmp_path: Path) -> None:
    pages = [draw_line(WRITTEN_TEXTS[number]).convert("RGB") for number in (0, 1)]
    # At 300 dots an inch the page in the middle is larger than the limit, 60 megapixels.
    pages.insert(1, Image.new("RGB", (9000, 7000), "white"))
    pages[0].save(tmp_path / "letter.pdf", save_all=True, append_images=pages[1:], resolution=300)
    tab.get_by_role("tab", name="Handwriting").click()
    upload(tab, tmp_path / "letter.pdf")
    box = tab.get_by_test_id("toast-body")
    expect(box).to_have_count(1)
    expect(box).to_contain_text("page 2 of letter.pdf")
    expect(tab.locator(".sheet svg image").first).to_be_visible()
    tab.get_by_role("button", name="Transcribe").filter(visible=True).click()
    expect(shown(tab)).to_have_text(WRITTEN_TEXTS[0])
    expect(tab.get_by_text("in 2 lines on 2 pages, read in")).to_contain_text("Could not be read: letter.pdf, page 2")
    turn_to(tab, "letter.pdf, page 2")
    expect(shown(tab)).to_contain_text("page 2 of letter.pdf")
    turn_to(tab, "letter.pdf, page 3")
    expect(shown(tab)).to_have_text(WRITTEN_TEXTS[1])
    assert saved(tab, "Text").read_text(encoding="utf-8") == f"{WRITTEN_TEXTS[0]}\n\f\n\f{WRITTEN_TEXTS[1]}\n"
    with pypdfium2.PdfDocument(saved(tab, "PDF")) as searchable:
        assert [page.get_textpage().get_text_range().strip() for page in searchable] == [
            WRITTEN_TEXTS[0],
            "",
            WRITTEN_TEXTS[1],
        ]


def test_a_photograph_is_taken_and_a_picture_pasted(tab: Any) -> None:
    tab.get_by_role("tab", name="Handwriting").click()
    tab.get_by_role("tab", name="Camera").click()
    place = tab.get_by_test_id("image").filter(visible=True)
    place.get_by_role("button", name="Click to Access Webcam").click()
    tab.wait_for_function("document.querySelector('[data-testid=webcam-video]')?.videoWidth > 0")
    place.get_by_role("button", name="capture photo").click()
    # The picture that Chromium's own camera shows.
    expect(tab.locator(".sheet svg")).to_have_attribute("viewBox", re.compile(r"0 0 \d{3,4} \d{3,4}"))
    tab.get_by_role("button", name="Transcribe").filter(visible=True).click()
    expect(tab.get_by_text(re.compile("read in|No writing was found")).filter(visible=True)).to_be_visible()

    tab.reload()
    tab.get_by_role("tab", name="Handwriting").click()
    tab.get_by_role("tab", name="Camera").click()
    content = io.BytesIO()
    draw_line(WRITTEN_TEXTS[4]).save(content, "PNG")
    tab.evaluate(
        """async (letters) => {
            const bytes = Uint8Array.from(atob(letters), (letter) => letter.charCodeAt(0));
            await navigator.clipboard.write([new ClipboardItem({ "image/png": new Blob([bytes], { type: "image/png" }) })]);
        }""",
        base64.b64encode(content.getvalue()).decode(),
    )
    place.get_by_role("button", name="Paste from clipboard").click()
    expect(tab.locator(".sheet svg image")).to_be_visible()
    tab.get_by_role("button", name="Transcribe").filter(visible=True).click()
    expect(shown(tab)).to_have_text(WRITTEN_TEXTS[4])


def test_long_reading_tells_how_far_it_is_and_can_be_cancelled(
    tab: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    going, read_ = threading.Semaphore(2), HandwritingPipeline.__call__

    def slowly(self: HandwritingPipeline, source: Any, tell: Any) -> PageTranscript:
        assert going.acquire(timeout=60)
        return read_(self, source, tell)

    monkeypatch.setattr(HandwritingPipeline, "__call__", slowly)
    pages = [draw_line(WRITTEN_TEXTS[number]) for number in range(4)]
    pages[0].save(tmp_path / "four.tif", save_all=True, append_images=pages[1:])
    tab.get_by_role("tab", name="Handwriting").click()
    read(tab, tmp_path / "four.tif")
    progress = tab.get_by_text(
        re.compile(r"^Reading four.tif, page 3 \(3 of 4\): \d+ %, (about .* left|longer than expected)$")
    )
    expect(progress).to_be_visible()
    tab.get_by_role("button", name="Cancel").filter(visible=True).click()
    expect(progress).to_be_hidden()
    expect(tab.get_by_role("button", name="Cancel").filter(visible=True)).to_have_count(0)
    going.release(4)
    # What was read until then stays, and can be saved.
    expect(shown(tab)).to_have_text(WRITTEN_TEXTS[0])
    assert saved(tab, "Text").read_text(encoding="utf-8") == f"{WRITTEN_TEXTS[0]}\n\f{WRITTEN_TEXTS[1]}\n"
    # The page is ready for the next reading.
    going.release(4)
    tab.get_by_role("button", name="Transcribe").filter(visible=True).click()
    expect(tab.get_by_text("in 4 lines on 4 pages, read in")).to_be_visible()


def test_the_writing_of_files_is_cancelled_and_done_again(
    tab: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[str] = []
    going = threading.Event()

    def slowly(transcript: Any, path: Path, rendering: Rendering, content: bytes | None, real: Any = render) -> Any:
        written.append(rendering.form)
        assert len(written) < 3 or going.wait(60)
        return real(transcript, path, rendering, content)

    monkeypatch.setattr("pipelines.rendering.render", slowly)
    # A name of its own: of a page that was read before, the files are there already.
    draw_line(WRITTEN_TEXTS[4]).save(tmp_path / "slow.png")
    tab.get_by_role("tab", name="Handwriting").click()
    read(tab, tmp_path / "slow.png")
    # The text is there before its files are.
    expect(shown(tab)).to_have_text(WRITTEN_TEXTS[4])
    progress = tab.get_by_text(re.compile(r"^Writing slow.png as \w+: 29 %, about .* left$"))
    expect(progress).to_be_visible()
    tab.get_by_role("button", name="Cancel").filter(visible=True).click()
    expect(progress).to_be_hidden()
    expect(tab.get_by_role("button", name="Cancel").filter(visible=True)).to_have_count(0)
    going.set()
    assert len(written) <= 4
    expect(tab.get_by_role("button", name="PDF", exact=True)).to_be_disabled()
    monkeypatch.setattr("pipelines.rendering.render", render)
    again = tab.get_by_role("button", name="Write the files to save")
    again.click()
    expect(again).to_be_hidden()
    assert saved(tab, "Text").read_text(encoding="utf-8") == WRITTEN_TEXTS[4] + "\n"


def test_unsure_words_are_shaded_and_a_failure_of_the_program_is_told(
    tab: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw_line(WRITTEN_TEXTS[4]).save(tmp_path / "line.png")
    words = (WrittenWord("sure", (0, 0, 20, 20), 0.9), WrittenWord("unsure", (22, 0, 40, 20), 0.2))
    line = WrittenLine("sure unsure", (0, 0, 40, 20), words)
    monkeypatch.setattr(HandwritingPipeline, "__call__", lambda *_: PageTranscript(line.text, (line,), 60, 30))
    tab.get_by_role("tab", name="Handwriting").click()
    read(tab, tmp_path / "line.png")
    expect(shown(tab)).to_have_text("sure unsure")
    expect(shown(tab).locator(".unsure")).to_have_text("unsure")
    expect(shown(tab).locator(".unsure")).to_have_css("border-bottom-style", "dotted")
    expect(tab.locator(".sheet .veil")).to_have_attribute("width", "18")
    monkeypatch.setattr(HandwritingPipeline, "__call__", lambda *_: 1 / 0)
    tab.get_by_role("button", name="Transcribe").filter(visible=True).click()
    expect(tab.get_by_test_id("toast-body")).to_contain_text(
        "The program failed at this; that is its fault, not yours."
    )
    expect(tab.get_by_role("button", name="Cancel").filter(visible=True)).to_have_count(0)
    expect(tab.get_by_text(re.compile("^Reading line.png"))).to_be_hidden()


def test_a_finger_and_a_pen_write_and_the_last_stroke_is_taken_back(browser: Any, address: str) -> None:
    for tab in opened(browser, address, viewport={"width": 390, "height": 844}, has_touch=True):
        tab.get_by_role("tab", name="Handwriting").click()
        canvas = tab.get_by_role("img", name="Paper to write on")
        canvas.scroll_into_view_if_needed()
        box, fingers = canvas.bounding_box(), tab.context.new_cdp_session(tab)
        ink = "part => part.getContext('2d').getImageData(0, 0, 1200, 420).data.filter((v, i) => i % 4 == 0 && v < 99).length"
        black = []
        for x in (40, 120):
            for kind, y in (("touchStart", 20), ("touchMove", 50), ("touchMove", 80), ("touchEnd", None)):
                at = [] if y is None else [{"x": box["x"] + x, "y": box["y"] + y}]
                fingers.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": at})
            black.append(canvas.evaluate(ink))
        assert 0 < black[0] < black[1]
        tab.get_by_role("button", name="Take back a stroke").click()
        assert canvas.evaluate(ink) == black[0]
        # With a pen too.
        for kind, x, y in (("mousePressed", 200, 20), ("mouseMoved", 200, 60), ("mouseReleased", 200, 60)):
            place = {"x": box["x"] + x, "y": box["y"] + y}
            fingers.send("Input.dispatchMouseEvent", {"type": kind, "button": "left", "pointerType": "pen", **place})
        assert canvas.evaluate(ink) > black[0]
        tab.get_by_role("button", name="New sheet").click()
        assert canvas.evaluate(ink) == 0


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
