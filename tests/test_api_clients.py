"""The HTTP API under other people's programs, and under many at once."""

import gc
import json
import random
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from conftest import SPOKEN_TEXTS

pytest.importorskip("gradio", reason="the HTTP API needs fastapi and uvicorn: pip install 'recog[app]'")

import httpx
from api_server import AUDIO, IMAGES, TOKEN, Server, bundles, png, start, wav

from pipelines.web.api_work import Desk
from pipelines.web.served import ServedBundles

__all__ = ["bundles"]  # a fixture
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")]


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


def test_thirty_two_clients_at_once_are_served_fairly_and_fast(server: Server) -> None:
    seconds, clients = 20.0, 32
    pipeline = server.desk.bundles.get("", "speech").pipeline()
    contents = [wav(text) for text in SPOKEN_TEXTS]
    pipeline(contents[0])
    began, alone = time.perf_counter(), 0
    while time.perf_counter() - began < 4:
        pipeline(contents[alone % len(contents)])
        alone += 1
    alone_rate = alone / (time.perf_counter() - began)
    served: Counter[int] = Counter()
    end = time.perf_counter() + seconds

    def work(client: int) -> None:
        with httpx.Client(timeout=60, headers={"authorization": f"Bearer {TOKEN}"}) as session:
            while time.perf_counter() < end:
                which = (client + served[client]) % len(contents)
                answer = session.post(server.address + AUDIO, files={"file": ("a.wav", contents[which])})
                assert answer.status_code == 200, answer.text
                assert answer.json()["text"] == SPOKEN_TEXTS[which]
                served[client] += 1

    with ThreadPoolExecutor(clients) as pool:
        for done in [pool.submit(work, client) for client in range(clients)]:
            done.result()
    rate = sum(served.values()) / seconds
    print(
        json.dumps({"requests_per_second": rate, "pipeline_per_second": alone_rate, "served": sorted(served.values())})
    )
    assert min(served.values()) >= 0.5 * max(served.values())
    assert server.left() == []


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


def test_memory_stays_flat_over_a_thousand_requests(server: Server) -> None:
    if not Path("/proc/self/statm").exists():
        pytest.skip("the memory of a process is read from /proc, which only Linux has")

    def pages() -> int:
        gc.collect()
        return int(Path("/proc/self/statm").read_text().split()[1])

    with httpx.Client(timeout=60, headers={"authorization": f"Bearer {TOKEN}"}) as session:
        sizes = []
        for number in range(1001):
            if number % 250 == 0:
                sizes.append(pages())
            path, content = (AUDIO, wav(SPOKEN_TEXTS[number % 8])) if number % 2 else (IMAGES, png())
            assert session.post(server.address + path, files={"file": content}).status_code == 200
    print(json.dumps({"resident_pages": sizes}))
    assert sizes[-1] <= 1.05 * sizes[1]  # the first quarter warms up
