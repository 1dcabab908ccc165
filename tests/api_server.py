"""A real server of the HTTP API on a free port, as fixtures, and how tests ask it."""

import io
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import soundfile
from conftest import SPOKEN_TEXTS, TINY_SPEECH, WRITTEN_TEXTS, draw_line, let_go, spell_wave

pytest.importorskip("gradio", reason="the HTTP API needs fastapi and uvicorn: pip install 'recog[app]'")

import httpx
import uvicorn

from pipelines.handwriting import HandwritingPipeline
from pipelines.speech import SpeechPipeline
from pipelines.web import api
from pipelines.web.api_work import Desk
from pipelines.web.gate import Gate
from pipelines.web.limits import Limits
from pipelines.web.once import Once
from pipelines.web.served import ServedBundle, ServedBundles

AUDIO, IMAGES = "/v1/audio/transcriptions", "/v1/images/transcriptions"
TOKEN = "a-token-of-many-letters"


@pytest.fixture(scope="module", autouse=True)
def collected() -> Iterator[None]:
    yield
    let_go()


@dataclass
class Server:
    """A real server on a free port, and everything behind it."""

    address: str
    desk: Desk
    gate: Gate
    log: list[dict[str, Any]]
    stop: Callable[[], None]

    def post(self, path: str, content: bytes, name: str = "a.wav", **fields: Any) -> httpx.Response:
        return httpx.post(self.address + path, files={"file": (name, content)}, data=fields, timeout=20)

    def get(self, path: str, **headers: str) -> httpx.Response:
        return httpx.get(self.address + path, headers=headers, timeout=20)

    def left(self) -> list[Path]:
        """Whatever lies in the folder of uploads, a moment after the answer is there."""
        end = time.monotonic() + 3
        while self.desk.folder.exists() and any(self.desk.folder.iterdir()) and time.monotonic() < end:
            time.sleep(0.01)
        return list(self.desk.folder.rglob("*"))


def start(desk: Desk, token: str = "") -> Server:
    log: list[dict[str, Any]] = []
    gate = api.api(desk, token, log.append)
    taken = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(gate, log_level="critical", lifespan="off"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [taken]}, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)

    def stop() -> None:
        desk.turns.close()
        server.should_exit = True
        thread.join(10)
        taken.close()

    return Server(f"http://127.0.0.1:{taken.getsockname()[1]}", desk, gate, log, stop)


@pytest.fixture(scope="module")
def bundles(trained_speech_bundle: Path, trained_handwriting_bundle: Path) -> ServedBundles:
    return ServedBundles(
        [
            ServedBundle("tiny-speech", "speech", Once(lambda: SpeechPipeline.load(trained_speech_bundle)), 7),
            ServedBundle(
                "tiny-hand", "handwriting", Once(lambda: HandwritingPipeline.load(trained_handwriting_bundle))
            ),
        ]
    )


@pytest.fixture(scope="module")
def server(bundles: ServedBundles, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("api")
    running = start(Desk(bundles, folder, Limits(megabytes=1, minutes=0.1, megapixels=1)))
    yield running
    running.stop()


@pytest.fixture
def small(bundles: ServedBundles, tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """Servers with other settings, stopped after the test."""
    started: list[Server] = []

    def make(token: str = "", **changes: Any) -> Server:
        started.append(start(replace(Desk(bundles, tmp_path), **changes), token))
        return started[-1]

    yield make
    for one in started:
        one.stop()


def wav(text: str = SPOKEN_TEXTS[0]) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, spell_wave(text, TINY_SPEECH.rate_hz), TINY_SPEECH.rate_hz, format="WAV")
    return file.getvalue()


def png(text: str = WRITTEN_TEXTS[4]) -> bytes:
    file = io.BytesIO()
    draw_line(text).save(file, "PNG")
    return file.getvalue()


def problem(answer: httpx.Response, status: int, **told: Any) -> str:
    """The sentence of a refusal, which must be in OpenAI's form."""
    assert answer.status_code == status, answer.text
    error = answer.json()["error"]
    assert set(error) == {"message", "type", "param", "code"} and error["message"].endswith(".")
    assert {key: error[key] for key in told} == told
    return str(error["message"])


def counted(server: Server, name: str) -> float:
    """A figure of /metrics."""
    lines = [line.split() for line in server.get("/metrics").text.splitlines()]
    return next((float(line[1]) for line in lines if line[0] == name), 0.0)


def wait_for(true: Callable[[], bool]) -> None:
    end = time.monotonic() + 10
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)
