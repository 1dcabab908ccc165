"""The HTTP API under other people's programs, and under many at once."""

import json
import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import SPOKEN_TEXTS

pytest.importorskip("gradio", reason="the HTTP API needs fastapi and uvicorn: pip install 'recog[app]'")

import httpx
from api_server import AUDIO, IMAGES, TOKEN, Server, bundles, png, start, wav

from pipelines.web.api_work import Desk
from pipelines.web.served import ServedBundles
from scripts import benchmark_serving

__all__ = ["bundles"]  # a fixture
pytestmark = pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")


@pytest.fixture
def server(bundles: ServedBundles, tmp_path: Path) -> Iterator[Server]:
    running = start(Desk(bundles, tmp_path), TOKEN)
    yield running
    running.stop()


def test_the_official_client_of_openai_transcribes_unchanged(server: Server, tmp_path: Path) -> None:
    openai = pytest.importorskip("openai", reason="pip install openai")
    (tmp_path / "spelt.wav").write_bytes(wav())
    with openai.OpenAI(base_url=f"{server.address}/v1", api_key=TOKEN, max_retries=0) as client:
        ask = client.audio.transcriptions.create

        def recording() -> tuple[str, bytes]:
            return "spelt.wav", (tmp_path / "spelt.wav").read_bytes()

        assert ask(model="whisper-1", file=tmp_path / "spelt.wav").text == SPOKEN_TEXTS[0]
        assert ask(model="whisper-1", file=recording(), response_format="text") == SPOKEN_TEXTS[0] + "\n"
        assert " --> " in ask(model="whisper-1", file=recording(), response_format="srt")
        assert ask(model="whisper-1", file=recording(), response_format="vtt").startswith("WEBVTT\n")
        verbose = ask(
            model="tiny-speech",
            file=recording(),
            response_format="verbose_json",
            timestamp_granularities=["word", "segment"],
            language="en",
        )
        assert (verbose.text, verbose.language, verbose.duration) == (SPOKEN_TEXTS[0], "en", 0.52)
        assert [word.word for word in verbose.words] == SPOKEN_TEXTS[0].split()
        assert verbose.segments[0].text == SPOKEN_TEXTS[0] and verbose.segments[0].tokens == []
        # Made again from their own types, which say what is required.
        type(verbose).model_validate(verbose.model_dump())
        events = list(ask(model="whisper-1", file=recording(), stream=True))
        assert [event.type for event in events] == ["transcript.text.delta", "transcript.text.done"]
        assert events[0].delta == events[1].text == SPOKEN_TEXTS[0]
        assert {model.id for model in client.models.list()} == {"tiny-speech", "tiny-hand"}
        with pytest.raises(openai.NotFoundError) as missing:
            ask(model="whisper-9", file=recording())
        assert missing.value.code == "model_not_found" and missing.value.param == "model"
        with pytest.raises(openai.UnprocessableEntityError):
            ask(model="whisper-1", file=("a.wav", b"no sound"))
    stranger = openai.OpenAI(base_url=f"{server.address}/v1", api_key="wrong", max_retries=0)
    with stranger, pytest.raises(openai.AuthenticationError):
        stranger.models.list()
    assert not list(tmp_path.rglob("upload*"))


@pytest.mark.slow
def test_thirty_two_clients_at_once_are_served_fairly_and_fast_in_level_memory(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # The bundles that come with recog, a minute of load for each; the script says what is too little.
    assert benchmark_serving.main(["--json", str(tmp_path / "figures.json")]) == 0, capsys.readouterr().out
    figures = json.loads((tmp_path / "figures.json").read_text())
    for kind in ("speech", "handwriting"):
        found = figures[kind]
        assert found["errors"] == 0 and found["clients"] == 32 and found["seconds"] >= 60
        assert found["per_second"] >= 0.8 * found["pipeline_per_second"]
        assert found["fewest"] >= 0.5 * found["most"]
    assert figures["memory"]["requests"] == 1000 and figures["memory"]["growth"] <= 0.05


def spoil(rng: random.Random, content: bytes) -> bytes:
    """Cut off, overwritten, doubled, or with something else before or within it."""
    at = rng.randrange(len(content))
    match rng.randrange(5):
        case 0:
            return content[:at]
        case 1:
            return bytes(rng.randrange(256) if rng.random() < 0.05 else byte for byte in content)
        case 2:
            return content[at:] + content[:at]
        case 3:
            return rng.choice([b"PK\x03\x04", b"\x1f\x8b", b"%PDF-1.7\n", b"RIFF", b"\x89PNG\r\n\x1a\n"]) + content
        case _:
            return content[:at] + rng.randbytes(64) + content[at:]


@pytest.mark.slow
def test_three_hundred_spoilt_uploads_leave_nothing_behind(server: Server) -> None:
    rng = random.Random(1)
    statuses: Counter[int] = Counter()
    with httpx.Client(timeout=60, headers={"authorization": f"Bearer {TOKEN}"}) as session:
        for number in range(300):
            path, good = (AUDIO, wav()) if number % 2 else (IMAGES, png())
            if number % 3:  # a spoilt file in a good form
                answer = session.post(server.address + path, files={"file": ("../a", spoil(rng, good))})
            else:  # a good file in a spoilt form
                form = (
                    b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
                    + good
                    + b"\r\n--x--\r\n"
                )
                kind = {"content-type": "multipart/form-data; boundary=x"}
                answer = session.post(server.address + path, content=spoil(rng, form), headers=kind)
            statuses[answer.status_code] += 1
            assert answer.status_code in (200, 400, 422), answer.text
            assert answer.status_code == 200 or answer.json()["error"]["message"].endswith(".")
            assert server.left() == []
        assert min(statuses[400], statuses[422]) > 30  # most are refused; some can still be heard or seen
        assert session.post(server.address + AUDIO, files={"file": wav()}).json()["text"] == SPOKEN_TEXTS[0]
