"""What a browser meets of the HTTP API: its description, and the page beside it behind a token."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from browsing import expect, launched
from conftest import let_go

from pipelines.handwriting import HandwritingPipeline
from pipelines.speech import SpeechPipeline
from pipelines.web import api, gate
from pipelines.web.api_work import Desk
from pipelines.web.once import Once
from pipelines.web.page import Page
from pipelines.web.served import ServedBundle, ServedBundles

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")]
TOKEN = "a-token-of-many-letters"


@pytest.fixture
def address(random_speech_bundle: Path, random_handwriting_bundle: Path, tmp_path: Path) -> Iterator[str]:
    """Page and API as `recog serve` puts them together, with a token."""
    listener = Once(lambda: SpeechPipeline.load(random_speech_bundle))
    reader = Once(lambda: HandwritingPipeline.load(random_handwriting_bundle))
    bundles = ServedBundles([ServedBundle("a", "speech", listener), ServedBundle("b", "handwriting", reader)])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
        page = Page(listener, reader)
        door = api.api(Desk(bundles, tmp_path), TOKEN)
        yield page.launch(beside=api.routes(door), allowed=lambda given: gate.same(TOKEN, given))
        page.close()
    let_go()


def test_the_api_is_described_and_the_page_asks_for_the_token(address: str) -> None:
    strange: list[str] = []
    for browser in launched():
        tab = browser.new_page(viewport={"width": 390, "height": 844})
        tab.on("request", lambda sent: None if sent.url.startswith((address, "data:")) else strange.append(sent.url))
        tab.goto(f"{address}docs")
        expect(tab.get_by_role("heading", level=1)).to_contain_text("recog")
        for route in ("/v1/audio/transcriptions", "/v1/images/transcriptions", "/v1/models", "/health", "/metrics"):
            expect(tab.get_by_text(route).first).to_be_visible()
        assert tab.evaluate("document.documentElement.scrollWidth") <= 390
        # Other programs are told as programs want it.
        told = tab.evaluate(
            "fetch('v1/models').then(async (answer) => [answer.status, (await answer.json()).error.type])"
        )
        assert told == [401, "authentication_error"]
        tab.goto(address)
        expect(tab.get_by_text("Any name; the password is the token of this server.")).to_be_visible()
        for password, heading in (("wrong", None), (TOKEN, "recog")):
            tab.get_by_label("username", exact=False).fill("anna")
            tab.get_by_label("password", exact=False).fill(password)
            tab.get_by_role("button", name=re.compile("log ?in", re.IGNORECASE)).click()
            if heading is None:
                expect(tab.get_by_text(re.compile("incorrect", re.IGNORECASE)).first).to_be_visible()
            else:
                expect(tab.get_by_role("heading", name=heading, level=1)).to_be_visible()
        assert not strange, strange
