# ruff: noqa: E402 - without gradio this file is skipped before the imports that need it
import html.parser
import json
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

gr = pytest.importorskip("gradio", reason="the page needs gradio: pip install 'recog[app]'")

import app
import pipelines.web
from pipelines.handwriting import HandwritingPipeline
from pipelines.speech import SpeechPipeline
from pipelines.web.limits import Limits
from pipelines.web.once import Once
from pipelines.web.page import CSS, Page

ROOT = Path(app.__file__).parent
# Gradio leaves event loops and sockets to the garbage collector; that is its affair, and must not fail other tests.
pytestmark = [pytest.mark.usefixtures("uploads"), pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")]


# Serving --------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def address(random_speech_bundle: Path, random_handwriting_bundle: Path) -> Iterator[str]:
    page = Page(
        Once(lambda: SpeechPipeline.load(random_speech_bundle)),
        Once(lambda: HandwritingPipeline.load(random_handwriting_bundle)),
    )
    yield page.launch()
    page.close()


def empty_page(limits: Limits | None = None) -> Page:
    return Page(Once(lambda: SpeechPipeline.load("nowhere")), Once(lambda: HandwritingPipeline.load("nowhere")), limits)


def fetch(url: str) -> str:
    with urllib.request.urlopen(url, timeout=20) as answer:
        return str(answer.read().decode("utf-8"))


class Loaded(html.parser.HTMLParser):
    """Collects what a browser loads by itself: scripts, styles, pictures, frames, manifests."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        values = dict(attributes)
        source = values.get("href") if tag == "link" else values.get("src") if tag != "a" else None
        if source:
            self.addresses.append(source)


def test_the_page_loads_nothing_from_elsewhere(address: str) -> None:
    source = fetch(address)
    assert "<title>recog</title>" in source or '"title":"recog"' in source
    loaded = Loaded()
    loaded.feed(source)
    assert loaded.addresses, "the page has scripts and styles of its own"
    own = urllib.parse.urlsplit(address).netloc
    assert {urllib.parse.urlsplit(urllib.parse.urljoin(address, each)).netloc for each in loaded.addresses} == {own}
    styles = [fetch(urllib.parse.urljoin(address, each)) for each in loaded.addresses if each.endswith(".css")]
    for style in [*styles, fetch(urllib.parse.urljoin(address, "theme.css")), CSS]:
        assert not re.search(r"(@import|url\()\s*[\"']?(https?:)?//", style)


def test_nothing_is_counted_shared_or_kept(address: str) -> None:
    config = json.loads(fetch(urllib.parse.urljoin(address, "config")))
    assert not config["analytics_enabled"] and not config["run_history"]
    assert config["max_file_size"] == 200_000_000
    assert os.environ["GRADIO_ANALYTICS_ENABLED"] == "False" and os.environ["HF_HUB_OFFLINE"] == "1"
    assert not [part for part in config["dependencies"] if part["api_visibility"] != "private"]


def upload(address: str, name: str, content: bytes) -> Path:
    """What a browser does: one multipart form, answered by the place of the file on the server."""
    body = (
        (
            f'--x\r\nContent-Disposition: form-data; name="files"; filename="{name}"\r\n'
            "Content-Type: application/octet-stream\r\n\r\n"
        ).encode()
        + content
        + b"\r\n--x--\r\n"
    )
    request = urllib.request.Request(
        urllib.parse.urljoin(address, "gradio_api/upload"),
        body,
        {"Content-Type": "multipart/form-data; boundary=x"},
    )
    with urllib.request.urlopen(request, timeout=20) as answer:
        return Path(json.loads(answer.read())[0])


def test_uploads_are_deleted_as_promised(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    page = empty_page()
    # Looked for every minute, so that no file grows older than the 60 minutes on the page.
    assert sum(page.blocks.delete_cache) < 60 * Limits().keep_minutes == 3600
    try:
        address = page.launch()
        place = upload(address, "private.wav", b"secret")
        assert place.read_bytes() == b"secret" and tmp_path in place.parents
    finally:
        page.close()
    assert not place.exists()


def test_a_file_over_the_limit_is_not_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    page = empty_page(Limits(megabytes=1))
    try:
        address = page.launch()
        with pytest.raises(urllib.error.HTTPError) as caught:
            upload(address, "large.wav", bytes(1_100_000))
        assert caught.value.code == 413
        caught.value.close()
    finally:
        page.close()
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


# The door -------------------------------------------------------------------------------------------------------------


def test_without_gradio_the_install_line_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(pipelines, "web", pipelines.web)  # imported anew below, and put back after it
    for name in [name for name in sys.modules if name.startswith("pipelines.web") or name.split(".")[0] == "gradio"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "gradio", None)
    assert app.main([]) == 1
    assert capsys.readouterr().err == ("the page needs gradio, which is not installed here: pip install 'recog[app]'\n")


def test_a_taken_port_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert app.main(["--port", str(port)]) == 1
    assert capsys.readouterr().err.startswith(f"the page cannot listen on 127.0.0.1, port {port}: ")


@pytest.mark.slow
def test_the_program_starts_and_leaves_nothing_behind(
    random_speech_bundle: Path, random_handwriting_bundle: Path, tmp_path: Path
) -> None:
    command = [sys.executable, "app.py", "--speech", random_speech_bundle, "--handwriting", random_handwriting_bundle]
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    with subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True) as program:
        assert program.stderr is not None
        line = program.stderr.readline()
        ready = re.fullmatch(r"recog is ready at (http://127\.0\.0\.1:\d+/) \(Ctrl-C stops it\)\n", line)
        assert ready, line
        upload(ready[1], "private.wav", b"secret")
        assert list(tmp_path.glob("recog-*/*/private.wav"))
        program.send_signal(signal.SIGTERM)
        assert program.wait(20) == 0
        assert program.stderr.read() == ""
    assert list(tmp_path.iterdir()) == []
