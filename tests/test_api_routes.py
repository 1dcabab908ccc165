"""The other addresses of the HTTP API: models, metrics, health, description, log; and the page beside it."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from api_server import AUDIO, IMAGES, TOKEN, Server, bundles, collected, counted, png, server, small, wait_for, wav
from conftest import SPOKEN_TEXTS, spell_wave

from pipelines.web import api, api_audio, served
from pipelines.web.api_work import Desk
from pipelines.web.once import Once
from pipelines.web.page import Page
from pipelines.web.served import ServedBundles

__all__ = ["bundles", "collected", "server", "small"]  # fixtures
# The web server leaves sockets to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")


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
    # A request's own number is drawn in hexadecimal, which can spell "dab" by chance, as seconds can hold 127.
    told = [{key: value for key, value in line.items() if key not in ("id", "seconds")} for line in server.log]
    assert not re.search(r"dab|diary|private|\b127\.", json.dumps(told))


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
