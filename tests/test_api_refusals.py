"""What the HTTP API refuses, in a sentence, and leaves nothing behind."""

import contextlib
import http.client
import io
import json
import socket
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from api_server import (
    AUDIO,
    IMAGES,
    TOKEN,
    Server,
    bundles,
    collected,
    counted,
    png,
    problem,
    server,
    small,
    start,
    wait_for,
    wav,
)
from conftest import SPOKEN_TEXTS
from PIL import Image

from pipelines.web.api_work import Desk
from pipelines.web.once import Once
from pipelines.web.served import ServedBundle, ServedBundles
from recog.errors import CheckpointError

__all__ = ["bundles", "collected", "server", "small"]  # fixtures
# The web server leaves sockets to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")


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
        (IMAGES, many_pixels(), "2000 x 1000 pixels; make it smaller than 1 megapixels, the limit"),
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
