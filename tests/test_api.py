import contextlib
import gc
import http.client
import io
import json
import math
import re
import socket
import threading
import time
import warnings
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from conftest import SPOKEN_TEXTS, TINY_SPEECH, WRITTEN_TEXTS, draw_line, spell_wave
from PIL import Image

pytest.importorskip("gradio", reason="the HTTP API needs fastapi and uvicorn: pip install 'recog[app]'")

import httpx
import uvicorn

from pipelines.handwriting import HandwritingPipeline
from pipelines.speech import SpeechPipeline
from pipelines.transcript import SpeechTranscript, SpokenWord
from pipelines.web import api, api_audio, served
from pipelines.web.api_work import Desk
from pipelines.web.gate import Gate
from pipelines.web.limits import Limits
from pipelines.web.once import Once
from pipelines.web.page import Page
from pipelines.web.served import ServedBundle, ServedBundles
from pipelines.web.turns import Turns
from recog.errors import CheckpointError

# The web server leaves sockets to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
AUDIO, IMAGES = "/v1/audio/transcriptions", "/v1/images/transcriptions"
TOKEN = "a-token-of-many-letters"


@pytest.fixture(scope="module", autouse=True)
def collected() -> Iterator[None]:
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


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


# Answers in every format ----------------------------------------------------------------------------------------------

CALLED = SpeechTranscript(
    "so it was <told> me",
    (
        SpokenWord("so", 0.0, 0.25, 1.0),
        SpokenWord("it", 0.25, 0.5, math.exp(-1)),
        SpokenWord("was", 0.5, 1.0, math.exp(-2)),
        SpokenWord("<told>", 2.0, 2.5, 0.5),
        SpokenWord("me", 3661.5, 3662.0, 0.25),
    ),
    3662.25,
    True,
)


def body(wanted: str, **more: Any) -> str:
    return bytes(api_audio.formatted(CALLED, wanted, **more).body).decode("utf-8")


def test_text_json_and_subtitles_are_as_written_by_hand() -> None:
    assert body("text") == "so it was <told> me\n"
    assert json.loads(body("json")) == {
        "text": "so it was <told> me",
        "usage": {"type": "duration", "seconds": 3663},
    }
    # A pause of 0.8 s ends a cue.
    assert body("srt") == (
        "1\n00:00:00,000 --> 00:00:01,000\nso it was\n\n"
        "2\n00:00:02,000 --> 00:00:02,500\n<told>\n\n"
        "3\n01:01:01,500 --> 01:01:02,000\nme\n"
    )
    assert body("vtt") == (
        "WEBVTT\n\n"
        "00:00:00.000 --> 00:00:01.000\nso it was\n\n"
        "00:00:02.000 --> 00:00:02.500\n&lt;told&gt;\n\n"
        "01:01:01.500 --> 01:01:02.000\nme\n"
    )


def test_verbose_json_is_as_written_by_hand() -> None:
    both = json.loads(body("verbose_json", granularities=("word", "segment"), language="en"))
    assert {key: both[key] for key in ("task", "language", "duration", "text", "calibrated")} == {
        "task": "transcribe",
        "language": "en",
        "duration": 3662.25,
        "text": "so it was <told> me",
        "calibrated": True,
    }
    assert both["words"][3] == {"word": "<told>", "start": 2.0, "end": 2.5, "confidence": 0.5}
    first = both["segments"][0]
    assert first.pop("compression_ratio") < 1  # nine letters do not become fewer
    assert first == {
        "id": 0,
        "seek": 0,
        "start": 0.0,
        "end": 1.0,
        "text": "so it was",
        "tokens": [],
        "temperature": 0.0,
        "avg_logprob": -1.0,  # (0 - 1 - 2) / 3
        "no_speech_prob": 0.0,
    }
    assert [(one["id"], one["seek"], one["text"]) for one in both["segments"]] == [
        (0, 0, "so it was"),
        (1, 200, "<told>"),
        (2, 366150, "me"),
    ]
    assert "words" not in json.loads(body("verbose_json"))
    words = json.loads(body("verbose_json", granularities=("word",)))
    assert "segments" not in words and [word["word"] for word in words["words"]] == CALLED.text.split()


@pytest.mark.parametrize("model", ["", "whisper-1", "tiny-speech"])
def test_a_recording_is_transcribed(server: Server, model: str, trained_speech_bundle: Path) -> None:
    answer = server.post(AUDIO, wav(), model=model, prompt="ignored", temperature="0", unheard_of="1")
    assert (answer.status_code, answer.json()["text"]) == (200, SPOKEN_TEXTS[0])
    assert answer.headers["cache-control"] == "no-store"
    timed = server.post(
        AUDIO, wav(), response_format="verbose_json", **{"timestamp_granularities[]": ["word", "segment"]}
    ).json()
    expected = SpeechPipeline.load(trained_speech_bundle)(wav())
    assert timed["words"] == [
        {"word": word.text, "start": word.start, "end": word.end, "confidence": word.confidence}
        for word in expected.words
    ]
    assert (timed["language"], timed["duration"]) == ("und", expected.duration)
    assert server.left() == []


def test_subtitles_come_as_text(server: Server) -> None:
    answer = server.post(AUDIO, wav("dab c"), response_format="srt")
    assert re.fullmatch(r"1\n00:00:00,\d{3} --> 00:00:00,\d{3}\ndab c\n", answer.text)
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert server.post(AUDIO, wav("dab c"), response_format="text").text == "dab c\n"
    assert server.post(AUDIO, wav("dab c"), response_format="vtt").headers["content-type"].startswith("text/vtt")


def events(text: str) -> list[dict[str, Any]]:
    assert text.endswith("\n\n")
    return [json.loads(event.removeprefix("data: ")) for event in text[:-2].split("\n\n")]


def test_a_stream_has_the_pieces_and_then_the_whole(server: Server) -> None:
    answer = server.post(AUDIO, wav(), stream="true")
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert events(answer.text) == [
        {"type": "transcript.text.delta", "delta": "abcd"},
        {"type": "transcript.text.done", "text": "abcd", "usage": {"type": "duration", "seconds": 1}},
    ]
    assert server.left() == []


class SlowListener:
    """Hears three pieces, the second one empty, and the third only when it is told to."""

    frontend = TINY_SPEECH

    def __init__(self) -> None:
        self.go_on = threading.Event()

    def words(self, waveform: Any, together: int) -> Iterator[list[SpokenWord]]:
        assert together == 1
        yield [SpokenWord("so", 0.0, 0.2, 1.0), SpokenWord("it", 0.2, 0.3, 1.0)]
        yield []
        assert self.go_on.wait(10)
        yield [SpokenWord("was", 0.3, 0.4, 1.0)]

    def join(self, waveform: Any, words: list[SpokenWord]) -> SpeechTranscript:
        return SpeechTranscript(" ".join(word.text for word in words), tuple(words), 0.5)


def test_a_piece_is_sent_before_the_next_is_heard(tmp_path: Path) -> None:
    listener = SlowListener()
    server = start(Desk(ServedBundles([ServedBundle("slow", "speech", Once(lambda: listener))]), tmp_path))
    try:
        with httpx.stream("POST", server.address + AUDIO, files={"file": wav()}, data={"stream": "true"}) as answer:
            pieces = answer.iter_text()
            assert events(next(pieces)) == [{"type": "transcript.text.delta", "delta": "so it"}]
            assert any(server.desk.folder.iterdir())
            listener.go_on.set()
            last, done = events("".join(pieces))
        assert last["delta"] == " was" and done["text"] == "so it was"
        wait_for(lambda: not server.left())
    finally:
        listener.go_on.set()
        server.stop()


def test_silence_is_an_empty_text(server: Server) -> None:
    file = io.BytesIO()
    soundfile.write(file, np.zeros(8000), 8000, format="WAV")
    assert server.post(AUDIO, file.getvalue()).json()["text"] == ""
    assert server.post(AUDIO, file.getvalue(), response_format="verbose_json").json()["segments"] == []
    assert events(server.post(AUDIO, file.getvalue(), stream="true").text)[0]["type"] == "transcript.text.done"


def test_a_picture_is_transcribed(server: Server, trained_handwriting_bundle: Path) -> None:
    assert server.post(IMAGES, png(), "a.png").json() == {"text": "add 1"}
    assert server.post(IMAGES, png(), "a.png", response_format="text", model="tiny-hand").text == "add 1\n"
    verbose = server.post(IMAGES, png(), "a.png", response_format="verbose_json").json()
    expected = HandwritingPipeline.load(trained_handwriting_bundle)(png())
    assert verbose == {"task": "transcribe", **json.loads(json.dumps(expected.as_json()))}
    assert [word["text"] for word in verbose["lines"][0]["words"]] == ["add", "1"]
    assert server.left() == []


# The other routes -----------------------------------------------------------------------------------------------------


def test_models_are_listed_as_by_openai(server: Server) -> None:
    first, second = server.get("/v1/models").json()["data"]
    assert first == {"id": "tiny-speech", "object": "model", "created": 7, "owned_by": "recog", "kind": "speech"}
    assert (second["id"], second["kind"]) == ("tiny-hand", "handwriting")


def test_bundles_on_the_shelf_are_served_by_name_and_nothing_else_is(
    random_speech_bundle: Path, tmp_path: Path
) -> None:
    for name in ("own", "other", "damaged"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "bundle.json").write_text('{"kind": "handwriting"}' if name == "other" else "no json")
    never: Once[Any] = Once(lambda: pytest.fail("nobody asked for it"))
    found = served.collect(random_speech_bundle, never, "own", never, tmp_path)
    listed = [(one["id"], one["kind"]) for one in found.as_json()["data"]]
    assert listed == [("speech", "speech"), ("own", "handwriting"), ("other", "handwriting")]
    assert found.get("other", "handwriting").name == "other"
    for name in (str(random_speech_bundle), "../speech", "other/", "./other", "damaged", "OTHER", "\0"):
        with pytest.raises(served.RefusalError) as caught:
            found.get(name, "handwriting")
        assert caught.value.status == 404 and name not in caught.value.sentence.split(", ")


def test_metrics_count_and_health_is_well(small: Callable[..., Server]) -> None:
    server = small()
    assert server.get("/health").json() == {"status": "ok"}
    server.post(AUDIO, wav())
    server.post(IMAGES, png())
    server.post(AUDIO, b"no sound")
    server.get("/v1/secret-path")
    assert counted(server, f'recog_requests_total{{route="{AUDIO}",status="200"}}') == 1
    assert counted(server, f'recog_requests_total{{route="{AUDIO}",status="422"}}') == 1
    assert counted(server, 'recog_requests_total{route="other",status="404"}') == 1
    assert counted(server, f'recog_request_seconds_count{{route="{AUDIO}"}}') == 2
    assert counted(server, f'recog_request_seconds_bucket{{route="{AUDIO}",le="+Inf"}}') == 2
    assert counted(server, "recog_audio_seconds_total") == len(spell_wave("abcd")) / 8000
    assert counted(server, "recog_pages_total") == 1
    assert counted(server, "recog_requests_waiting") == 0
    text = server.get("/metrics").text
    assert "secret" not in text
    for line in text.splitlines():
        assert re.fullmatch(r'# (HELP|TYPE) \w+ .+|\w+(\{\w+="[^"]*"(,\w+="[^"]*")*\})? [\d.]+', line), line


def test_the_description_needs_nothing_from_elsewhere(server: Server) -> None:
    schema = server.get("/openapi.json").json()
    assert set(schema["paths"]) == {AUDIO, IMAGES, "/v1/models", "/health", "/metrics"}
    fields = schema["paths"][AUDIO]["post"]["requestBody"]["content"]["multipart/form-data"]["schema"]["properties"]
    assert tuple(fields["response_format"]["enum"]) == api_audio.FORMATS
    page = server.get("/docs").text
    assert AUDIO in page and "<script" not in page and not re.search(r"(https?:)?//|@import|url\(", page)


def test_the_log_has_figures_and_no_content(server: Server) -> None:
    server.log.clear()
    server.post(AUDIO, wav("dab c"), "my-diary.wav", language="xx-private")
    server.get("/v1/my-diary")
    wait_for(lambda: {AUDIO, "other"} <= {line["route"] for line in server.log})  # written after the answer is sent
    first, second = (next(line for line in server.log if line["route"] == route) for route in (AUDIO, "other"))
    assert first.items() >= {"route": AUDIO, "status": 200, "method": "POST", "model": "tiny-speech"}.items()
    assert first["media_seconds"] == len(spell_wave("dab c")) / 8000 and first["bytes"] > len(wav("dab c"))
    assert second.items() >= {"route": "other", "status": 404}.items()
    assert not re.search("dab|diary|private|127", json.dumps(server.log))


# Refusals -------------------------------------------------------------------------------------------------------------


def test_the_token_is_needed_and_compared(small: Callable[..., Server]) -> None:
    server = small(TOKEN)
    for path in ("/health", "/docs", "/openapi.json"):
        assert server.get(path).status_code == 200
    for path in ("/v1/models", "/metrics"):
        assert "needs a token" in problem(server.get(path), 401)
        for wrong in (f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}", "Bearer x", "bearer y"):
            problem(server.get(path, authorization=wrong), 401, code="invalid_api_key")
        for none in ("Bearer", TOKEN, f"Basic {TOKEN}"):
            assert server.get(path, authorization=none).headers["www-authenticate"] == "Bearer"
        assert server.get(path, authorization=f"Bearer {TOKEN}").status_code == 200
    problem(server.post(AUDIO, wav()), 401)
    assert server.left() == []


@pytest.mark.parametrize(
    ("path", "fields", "status", "param", "said"),
    [
        (AUDIO, {"response_format": "docx"}, 400, "response_format", "json, text, srt, verbose_json, vtt"),
        (AUDIO, {"timestamp_granularities[]": "page"}, 400, "timestamp_granularities", "word, segment"),
        (AUDIO, {"stream": "perhaps"}, 400, "stream", "true or false"),
        (AUDIO, {"language": "x" * 36}, 400, "language", "such as en"),
        (AUDIO, {"model": "../../etc/passwd"}, 404, "model", "tiny-speech, tiny-hand"),
        (AUDIO, {"model": "tiny-hand"}, 400, "model", IMAGES),
        (IMAGES, {"response_format": "srt"}, 400, "response_format", "json, text, verbose_json"),
        (IMAGES, {"model": "whisper-1"}, 404, "model", "tiny-hand"),
        (AUDIO, {"prompt": "x" * 70_000}, 413, None, "fields beside the file"),
    ],
)
def test_wrong_fields_are_refused(
    server: Server, path: str, fields: dict[str, str], status: int, param: str | None, said: str
) -> None:
    assert said in problem(server.post(path, wav(), **fields), status, param=param)
    assert server.left() == []


def zipped() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.wav", bytes(100_000))
    return file.getvalue()


def many_pixels() -> bytes:
    file = io.BytesIO()
    Image.new("1", (2000, 1000)).save(file, "PNG")
    return file.getvalue()


@pytest.mark.parametrize(
    ("path", "content", "said"),
    [
        (AUDIO, b"", "empty (0 bytes)"),
        (AUDIO, wav()[:30], "the uploaded file"),
        (AUDIO, png(), "the uploaded file"),
        (AUDIO, zipped(), "the uploaded file is not a recording"),
        (AUDIO, b"#EXTM3U\nhttp://127.0.0.1:1/a.wav\n", "the uploaded file is not a recording"),
        (AUDIO, wav("abcd" * 20), "longer than 6 s"),
        (IMAGES, b"", "empty (0 bytes)"),
        (IMAGES, wav(), "the uploaded file is not an image"),
        (IMAGES, png()[:60], "the uploaded file"),
        (IMAGES, zipped(), "the uploaded file is not an image"),
        (IMAGES, b"<svg xmlns='http://www.w3.org/2000/svg'/>", "the uploaded file is not an image"),
        (IMAGES, many_pixels(), "2000 x 1000 pixels; the limit is 1 megapixels"),
    ],
)
@pytest.mark.parametrize("stream", ["false", "true"])
def test_files_that_cannot_be_read_are_refused_and_the_next_is_read(
    server: Server, path: str, content: bytes, said: str, stream: str
) -> None:
    sentence = problem(server.post(path, content, stream=stream), 422, param="file")
    assert said in sentence and str(server.desk.folder) not in sentence
    assert server.left() == []
    assert server.post(AUDIO, wav()).json()["text"] == SPOKEN_TEXTS[0]


@pytest.mark.parametrize(
    "name", ["../../evil.wav", "/etc/passwd", "a\x00b.wav", "..\\evil", "x" * 2000, ".", "..", "x.tar/y", "CON", " "]
)
def test_tricks_in_file_names_change_nothing(server: Server, name: str) -> None:
    form = b'--x\r\nContent-Disposition: form-data; name="file"; filename="' + name.encode() + b'"\r\n\r\n'
    answer = raw(server, form + wav() + b"\r\n--x--\r\n")
    assert answer.status == 200 and json.loads(answer.read())["text"] == SPOKEN_TEXTS[0]
    assert server.left() == [] and not list(server.desk.folder.parent.rglob("evil*"))


def raw(server: Server, content: bytes, kind: str = "multipart/form-data; boundary=x") -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection(server.address.removeprefix("http://"), timeout=20)
    connection.request("POST", AUDIO, content, {"Content-Type": kind})
    return connection.getresponse()


PART = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\n'


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
        (wav(), "audio/wav", 415),
        (b"{}", "application/json", 415),
        (b"file=a", "application/x-www-form-urlencoded", 415),
        (PART + wav(), "multipart/form-data", 400),
        (PART + wav(), "multipart/form-data; boundary=" + "y" * 300, 400),
        (PART + wav(), "multipart/form-data; boundary=x", 400),  # cut off
        (PART[:40], "multipart/form-data; boundary=x", 400),
        (b"", "multipart/form-data; boundary=x", 400),
        (b"nonsense" * 9, "multipart/form-data; boundary=x", 400),
        (b"--x--\r\n", "multipart/form-data; boundary=x", 400),
        (
            b'--x\r\nContent-Disposition: form-data; name="file"\r\n\r\ntext\r\n--x--\r\n',
            "multipart/form-data; boundary=x",
            400,
        ),
        (b"--x\r\nContent-Type: audio/wav\r\n\r\ntext\r\n--x--\r\n", "multipart/form-data; boundary=x", 400),
        ((PART + b"a\r\n") * 2 + b"--x--\r\n", "multipart/form-data; boundary=x", 400),
        (PART.replace(b'"file"', b'"other"') + b"a\r\n--x--\r\n", "multipart/form-data; boundary=x", 400),
        (
            b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\nb\r\n' * 65 + b"--x--\r\n",
            "multipart/form-data; boundary=x",
            400,
        ),
        (b"--x\r\nA: " + b"b" * 70_000 + b"\r\n\r\n\r\n--x--\r\n", "multipart/form-data; boundary=x", 400),
    ],
)
def test_malformed_requests_are_refused(server: Server, content: bytes, kind: str, status: int) -> None:
    answer = raw(server, content, kind)
    assert answer.status == status
    assert json.loads(answer.read())["error"]["message"].endswith(".")
    assert server.left() == []


def test_addresses_and_methods_that_are_none(server: Server) -> None:
    assert "/docs" in problem(server.get("/v1/engines"), 404)
    answer = server.get(AUDIO)
    problem(answer, 405)
    assert answer.headers["allow"] == "POST"


def rest(connection: socket.socket) -> bytes:
    """What comes until the other side is silent or gone: head and body of an answer may come apart."""
    connection.settimeout(1)
    found = b""
    with contextlib.suppress(TimeoutError, ConnectionError):
        while piece := connection.recv(65536):
            found += piece
    return found


def endless(server: Server, header: bytes, most: int) -> tuple[bytes, int]:
    """Sends a body that does not end; what was answered, and how many bytes were taken."""
    host, _, port = server.address.removeprefix("http://").partition(":")
    taken, piece = 0, bytes(50_000)
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        connection.sendall(
            f"POST {AUDIO} HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=x\r\n".encode()
            + header
            + b"\r\n\r\n"
        )
        connection.setblocking(True)
        try:
            connection.sendall(framed(PART) if b"chunked" in header else PART)
            while taken < most:
                connection.sendall(framed(piece) if b"chunked" in header else piece)
                taken += len(piece)
                connection.settimeout(0.001)
                try:
                    if answer := connection.recv(65536):
                        return answer + rest(connection), taken
                except TimeoutError:
                    pass
                connection.settimeout(20)
        except ConnectionError:
            pass
        return rest(connection), taken


def framed(piece: bytes) -> bytes:
    return f"{len(piece):x}\r\n".encode() + piece + b"\r\n"


@pytest.mark.parametrize("header", [b"Transfer-Encoding: chunked", b"Content-Length: 999999999999"])
def test_a_body_without_end_is_cut_off(server: Server, header: bytes) -> None:
    answer, taken = endless(server, header, 20_000_000)
    assert answer.startswith(b"HTTP/1.1 413 ") and b"larger than 1.1 MB" in answer
    assert taken < 10_000_000
    assert server.left() == []
    assert server.post(AUDIO, wav()).status_code == 200


def test_a_file_over_the_limit_is_refused_to_ordinary_clients(server: Server) -> None:
    assert "larger than 1.1 MB" in problem(server.post(AUDIO, bytes(1_500_000)), 413, param="file")
    assert server.left() == []


def test_a_slow_upload_and_one_that_is_broken_off_leave_nothing(small: Callable[..., Server]) -> None:
    server = small(upload_seconds=0.3)
    host, _, port = server.address.removeprefix("http://").partition(":")
    head = b"POST " + AUDIO.encode() + b" HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=x\r\n"
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        connection.sendall(head + b"Content-Length: 5000\r\n\r\n" + PART)
        assert connection.recv(65536).startswith(b"HTTP/1.1 408 ")
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        connection.sendall(head + b"Content-Length: 5000\r\n\r\n" + PART)
    wait_for(lambda: counted(server, f'recog_requests_total{{route="{AUDIO}",status="400"}}') == 1)
    assert server.left() == []


def wait_for(true: Callable[[], bool]) -> None:
    end = time.monotonic() + 10
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.mark.parametrize(
    ("error", "status"), [(CheckpointError("/home/anna/x is damaged"), 503), (OSError("abcd"), 500)]
)
def test_what_fails_on_the_server_is_not_the_clients_fault_nor_its_business(
    error: Exception, status: int, tmp_path: Path
) -> None:
    def fail() -> Any:
        raise error

    server = start(Desk(ServedBundles([ServedBundle("broken", "speech", Once(fail))]), tmp_path))
    try:
        answer = server.post(AUDIO, wav())
        sentence = problem(answer, status, type="server_error")
        wait_for(lambda: bool(server.log))
        assert "anna" not in sentence and "abcd" not in json.dumps(server.log) + sentence
        assert ("retry-after" in answer.headers) == (status == 503)
        assert server.log[0].get("failure") == (None if status == 503 else "OSError")
        assert server.left() == []
    finally:
        server.stop()


# Turns ----------------------------------------------------------------------------------------------------------------


def test_clients_take_turns() -> None:
    turns, done, begin = Turns(), list[str](), threading.Event()
    turns.ask("first", lambda: begin.wait(10))
    wait_for(lambda: len(turns) == 0)
    futures = [
        turns.ask(client, lambda name=f"{client}{number}": done.append(name))
        for client, number in [("a", 1), ("a", 2), ("a", 3), ("b", 1), ("b", 2), ("c", 1)]
    ]
    assert futures[1].cancel() and len(turns) == 5
    begin.set()
    for future in futures[:1] + futures[2:]:
        future.result(10)
    # a2 was taken back, but it was a's turn.
    assert done == ["a1", "b1", "c1", "b2", "a3"]
    turns.close()


def test_a_full_queue_and_a_closed_one_are_told() -> None:
    turns, begin = Turns(1), threading.Event()
    turns.ask("a", lambda: begin.wait(10))
    wait_for(lambda: len(turns) == 0)
    waiting = turns.ask("a", lambda: None)
    with pytest.raises(served.RefusalError, match="1 requests are waiting already"):
        turns.ask("b", lambda: None)
    turns.close()
    assert waiting.cancelled()
    with pytest.raises(served.RefusalError, match="is stopping"):
        turns.ask("a", lambda: None)
    begin.set()


def test_a_client_that_leaves_makes_room(small: Callable[..., Server]) -> None:
    turns, begin = Turns(), threading.Event()
    server = small(turns=turns)
    turns.ask("somebody", lambda: begin.wait(10))
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(server.address + AUDIO, files={"file": wav()}, timeout=0.3)
    wait_for(lambda: len(turns) == 0 and not server.left())
    begin.set()
    wait_for(lambda: bool(server.log))
    assert server.log[0]["status"] == 499


def test_stopping_finishes_what_runs_and_refuses_what_comes(small: Callable[..., Server]) -> None:
    turns, begin = Turns(), threading.Event()
    server = small(turns=turns)
    turns.ask("somebody", lambda: begin.wait(10))
    with ThreadPoolExecutor() as pool:
        running = pool.submit(server.post, AUDIO, wav())
        wait_for(lambda: len(turns) == 1)
        assert not server.gate.drain(0.05)
        assert "stopping" in problem(server.post(AUDIO, wav()), 503)
        assert problem and server.get("/health").json() == {"status": "stopping"}
        begin.set()
        assert running.result(10).json()["text"] == SPOKEN_TEXTS[0]
        assert server.gate.drain(5)


def test_several_clients_at_once_get_their_own_text(server: Server) -> None:
    texts = [SPOKEN_TEXTS[number % len(SPOKEN_TEXTS)] for number in range(12)]
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda text: server.post(AUDIO, wav(text)).json()["text"], texts))
    assert answers == texts
    assert server.left() == []


# Under the page -------------------------------------------------------------------------------------------------------


def test_page_and_api_share_an_address_and_a_token(
    bundles: ServedBundles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    gate = api.api(Desk(bundles, tmp_path), TOKEN)
    page = Page(bundles.get("", "speech").pipeline, bundles.get("", "handwriting").pipeline)
    try:
        address = page.launch(beside=api.routes(gate), allowed=lambda given: given == TOKEN)
        client = httpx.Client(base_url=address, headers={"authorization": f"Bearer {TOKEN}"}, timeout=20)
        with client:
            assert client.post(AUDIO, files={"file": wav()}).json()["text"] == SPOKEN_TEXTS[0]
            assert [client.get(path).status_code for path in ("/health", "/metrics", "/docs", "/openapi.json")] == [
                200
            ] * 4
            assert "gradio" in client.get("/").text  # the page, which asks for the password
            assert client.get("/config").status_code == 401
            assert client.post("/login", data={"username": "a", "password": TOKEN + "x"}).status_code == 400
            assert client.post("/login", data={"username": "a", "password": TOKEN}).status_code == 200
            assert client.get("/config").status_code == 200
        assert httpx.get(f"{address}v1/models").status_code == 401
    finally:
        page.close()
