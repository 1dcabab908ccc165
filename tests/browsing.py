# ruff: noqa: E402 - without a browser what imports this is skipped before the imports that need it
"""The page in a real browser, for the fixtures `address`, `browser` and `tab`, and what browser tests do again and again."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import let_go

pytest.importorskip("gradio", reason="the page needs gradio: pip install 'recog[app]'")
playwright = pytest.importorskip(
    "playwright.sync_api", reason="the browser test needs playwright: pip install playwright"
)
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
if CHROMIUM is None:
    pytest.skip("the browser test needs Chromium: apt-get install chromium", allow_module_level=True)

from pipelines.handwriting import HandwritingPipeline
from pipelines.speech import SpeechPipeline
from pipelines.web.limits import Limits
from pipelines.web.once import Once
from pipelines.web.page import Page

expect = playwright.expect
expect.set_options(timeout=20_000)


def served(speech_bundle: Path, handwriting_bundle: Path, uploads: Path) -> Iterator[str]:
    """The address of a page with these bundles, until the iterator ends; uploads of at most 1 MB."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADIO_TEMP_DIR", str(uploads))
        page = Page(
            Once(lambda: SpeechPipeline.load(speech_bundle)),
            Once(lambda: HandwritingPipeline.load(handwriting_bundle)),
            Limits(megabytes=1),
        )
        yield page.launch()
        page.close()
    let_go()


def launched(*options: str) -> Iterator[Any]:
    """A browser that is closed in the end; `options` are Chromium's."""
    with playwright.sync_playwright() as running:
        browser = running.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", *options])
        yield browser
        browser.close()


def opened(browser: Any, address: str, **options: Any) -> Iterator[Any]:
    """The open page; it fails the test when it asks anybody but its own server for anything, or logs an error."""
    context = browser.new_context(permissions=["clipboard-read", "clipboard-write"], **options)
    tab = context.new_page()
    trouble: list[str] = []
    tab.on(
        "request", lambda sent: None if sent.url.startswith((address, "data:", "blob:")) else trouble.append(sent.url)
    )
    tab.on("pageerror", lambda error: trouble.append(str(error)))
    tab.goto(address)
    expect(tab.get_by_role("heading", name="recog", level=1)).to_be_visible()
    yield tab
    context.close()
    assert not trouble, trouble


def shown(tab: Any) -> Any:
    """The text of the tab that is open."""
    return tab.get_by_role("tabpanel").get_by_role("region", name="Text")


def upload(tab: Any, *files: Path) -> None:
    """Files into the first place for files of the open tab."""
    tab.get_by_role("tabpanel").locator("input[type=file]").first.set_input_files(list(files))
