"""The sentence on the page is true: nothing leaves the computer, and nothing is kept."""

# ruff: noqa: E402 - without gradio this file is skipped before the imports that need it
import io
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import soundfile
from conftest import SPOKEN_TEXTS, TINY_SPEECH, WRITTEN_TEXTS, draw_line, let_go, spell_wave

gr = pytest.importorskip("gradio", reason="the page needs gradio: pip install 'recog[app]'")

import httpx

from pipelines.handwriting import HandwritingPipeline
from pipelines.speech import SpeechPipeline
from pipelines.web import api
from pipelines.web.api_work import Desk
from pipelines.web.once import Once
from pipelines.web.page import Page
from pipelines.web.served import ServedBundle, ServedBundles

pytestmark = pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
HERE = ("127.0.0.1", "::1", "localhost", "0.0.0.0", None, "")
TALKING = ("socket.connect", "socket.sendto", "socket.sendmsg", "socket.getaddrinfo", "socket.gethostbyname")
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_APPEND
# What Python tells of while the test watches: hooks cannot be taken away again.
SEEN: list[tuple[str, Any]] = []
WATCHING = [False]


def look_on(event: str, arguments: tuple[Any, ...]) -> None:
    if not WATCHING[0]:
        return
    if event in TALKING:
        told = arguments[0] if event in ("socket.getaddrinfo", "socket.gethostbyname") else arguments[1]
        SEEN.append(("talks", told[0] if isinstance(told, tuple) else told))
    elif event == "open" and isinstance(arguments[0], str | bytes) and (arguments[2] or 0) & WRITING:
        SEEN.append(("writes", os.fsdecode(arguments[0])))


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Path]:
    sys.addaudithook(look_on)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
        WATCHING[0] = True
        yield tmp_path
        WATCHING[0] = False
    SEEN.clear()
    let_go()


def test_nothing_leaves_the_computer_and_nothing_is_kept(
    watched: Path, random_speech_bundle: Path, random_handwriting_bundle: Path
) -> None:
    listener = Once(lambda: SpeechPipeline.load(random_speech_bundle))
    reader = Once(lambda: HandwritingPipeline.load(random_handwriting_bundle))
    bundles = ServedBundles([ServedBundle("a", "speech", listener), ServedBundle("b", "handwriting", reader)])
    page = Page(listener, reader)
    said = [block.value for block in page.blocks.blocks.values() if isinstance(block, gr.Markdown)]
    assert any("Nothing leaves the computer that runs this page" in str(value) for value in said)
    sound, picture = io.BytesIO(), io.BytesIO()
    soundfile.write(sound, spell_wave(SPOKEN_TEXTS[0]), TINY_SPEECH.rate_hz, format="WAV")
    draw_line(WRITTEN_TEXTS[0]).save(picture, "PNG")
    address = page.launch(beside=api.routes(api.api(Desk(bundles, watched)))).rstrip("/")
    try:
        assert httpx.get(address, timeout=20).status_code == 200
        for route, content in (("audio", sound.getvalue()), ("images", picture.getvalue())):
            answer = httpx.post(f"{address}/v1/{route}/transcriptions", files={"file": content}, timeout=60)
            assert answer.status_code == 200
        assert not [path for path in watched.rglob("*") if path.is_file()]
        # What is dropped on the page lies there until it is old, or the program ends.
        dropped = httpx.post(
            f"{address}/gradio_api/upload", files={"files": ("diary.wav", sound.getvalue())}, timeout=20
        )
        assert Path(dropped.json()[0]).is_relative_to(watched)
    finally:
        page.close()
    end = time.monotonic() + 10
    while (left := [path for path in watched.rglob("*") if path.is_file()]) and time.monotonic() < end:
        time.sleep(0.05)
    assert left == []
    talked = {told for what, told in SEEN if what == "talks"}
    assert talked and talked <= set(HERE)
    written = [path for what, path in SEEN if what == "writes" and not Path(path).is_relative_to(watched)]
    assert [path for path in written if "__pycache__" not in path and path not in ("/dev/null", "nul")] == []
