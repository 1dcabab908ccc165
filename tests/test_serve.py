import argparse
import fnmatch
import json
import logging
import os
import re
import signal
import subprocess
import sys
import threading
import tomllib
import urllib.request
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
import soundfile
from conftest import SPOKEN_TEXTS, TINY_SPEECH, spell_wave

from pipelines import cli
from pipelines.web import log, settings
from pipelines.web.settings import ServeSettings
from recog.errors import ConfigError

ROOT = Path(__file__).resolve().parents[1]
TOKEN = "a-token-of-many-letters"


def test_the_command_line_overrules_the_environment_and_that_the_file(tmp_path: Path) -> None:
    (tmp_path / "serve.toml").write_text('host = "file"\nport = 1\nminutes = 5\nlog = "plain"\n')
    environment = {"RECOG_SERVE_PORT": "2", "RECOG_SERVE_HOST": "127.0.0.2", "RECOG_TOKEN": TOKEN, "PORT": "9"}
    given = {"port": 3, "host": None, "run": print, "config": "x"}
    assert settings.read(
        tmp_path / "serve.toml", environment, given, {"log": "json", "speech": "own"}
    ) == ServeSettings(host="127.0.0.2", port=3, minutes=5.0, log="plain", speech="own")
    assert settings.read(None, {}, {}) == ServeSettings()


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("RECOG_SERVE_PROT", "1", "unknown setting serve.prot; did you mean 'port'?"),
        ("RECOG_SERVE_TOKEN", "1", "unknown setting serve.token; did you mean 'token_file'?"),
        ("RECOG_SERVE_PORT", "http", "setting serve.port is"),
        ("RECOG_SERVE_PORT", "70000", "expected 0 to 65535"),
        ("RECOG_SERVE_MEGABYTES", "0", "serve.megabytes is 0; expected more than 0"),
        ("RECOG_SERVE_LOG", "xml", "choose 'plain' or 'json'"),
        ("RECOG_SERVE_KEEP_MINUTES", "1", "keep_minutes must be at least 3"),
    ],
)
def test_wrong_settings_are_refused(name: str, value: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said.replace("?", r"\?")):
        settings.read(None, {name: value}, {})


def test_the_token_comes_from_a_file_or_the_environment(tmp_path: Path) -> None:
    (tmp_path / "token").write_text(f"{TOKEN}\n")
    assert ServeSettings().token({}) == ""
    assert ServeSettings().token({"RECOG_TOKEN": TOKEN}) == TOKEN
    from_file = ServeSettings(token_file=str(tmp_path / "token"))
    assert from_file.token({"RECOG_TOKEN": "another"}) == TOKEN
    for weak in ("", "short", "two words that are long enough", "é" * 20):
        with pytest.raises(ConfigError, match="the token in RECOG_TOKEN must be one word"):
            ServeSettings().token({"RECOG_TOKEN": weak})
    with pytest.raises(ConfigError, match="cannot be read"):
        ServeSettings(token_file=str(tmp_path / "nowhere")).token({})


def test_a_wrong_setting_ends_the_command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("RECOG_SERVE_PORT", "none")
    assert cli.main(["serve"]) == 1
    assert capsys.readouterr().err.startswith("recog serve: setting serve.port is")


def test_the_container_starts_the_server_as_its_files_say(monkeypatch: pytest.MonkeyPatch) -> None:
    yaml = pytest.importorskip("yaml", reason="it comes with gradio: pip install 'recog[app]'")
    dockerfile, compose = ((ROOT / name).read_text(encoding="utf-8") for name in ("Dockerfile", "compose.yaml"))
    started: list[ServeSettings] = []

    def serve(arguments: argparse.Namespace, config: str | None, defaults: Mapping[str, Any]) -> int:
        started.append(settings.read(config, {"RECOG_TOKEN": TOKEN}, vars(arguments), defaults))
        return 0

    monkeypatch.setattr("pipelines.web.serve.serve", serve)
    command = json.loads(re.search(r"^ENTRYPOINT (\[.+\])$", dockerfile, re.MULTILINE)[1])  # type: ignore[index]
    assert command[0] == "recog" and cli.main(command[1:]) == 0
    assert (started[0].host, started[0].log, started[0].runs) == ("0.0.0.0", "json", "")
    assert f"EXPOSE {started[0].port}\n" in dockerfile and f"127.0.0.1:{started[0].port}/health" in dockerfile
    service = yaml.safe_load(compose)["services"]["recog"]
    assert service["ports"] == [f"127.0.0.1:{started[0].port}:{started[0].port}"] and service["build"] == "."
    # Nothing can be written but uploads, which are forgotten, and what numba compiles, which belongs to who runs it.
    cache = re.search(r"^ENV NUMBA_CACHE_DIR=(\S+)$", dockerfile, re.MULTILINE)[1]  # type: ignore[index]
    assert service["read_only"] and service["tmpfs"] == ["/tmp"] and service["volumes"] == [f"compiled:{cache}"]
    assert list(yaml.safe_load(compose)["volumes"]) == ["compiled"]
    assert f"install -d -o recog {cache}\nUSER recog\n" in dockerfile
    assert service["environment"] == [settings.TOKEN]
    # What runs is finished before the container is killed, and nobody in it is root.
    grace = int(service["stop_grace_period"].removesuffix("s"))
    assert grace > started[0].grace_seconds and re.search(r"^USER recog$", dockerfile, re.MULTILINE)


def test_the_container_installs_what_the_project_declares_from_what_is_copied(monkeypatch: pytest.MonkeyPatch) -> None:
    dockerfile = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    (torch,) = [need for need in project["dependencies"] if need.startswith("torch")]
    assert f'pip install --no-cache-dir "{torch}" --index-url' in dockerfile
    extras = re.search(r'"/src\[([a-z,]+)\]"', dockerfile)[1].split(",")  # type: ignore[index]
    # gradio, and what the decoders are compiled with.
    assert {"app", "lm"} <= set(extras) <= set(project["optional-dependencies"])
    version = re.search(r"^FROM python:(\d+)\.(\d+)-slim$", dockerfile, re.MULTILINE)
    assert version and tuple(map(int, version.groups())) >= (3, int(project["requires-python"].removeprefix(">=3.")))
    assert project["scripts"]["recog"] == "pipelines.cli:main"
    left = (ROOT / ".dockerignore").read_text(encoding="utf-8").split()
    needed = (
        "pyproject.toml",
        project["readme"],
        *project["license-files"],
        "recog/config.py",
        "pipelines/web/serve.py",
    )
    needed += ("pipelines/web/assets/pad.js", "pipelines/web/examples/reader.opus", "pipelines/bundles/speech-en")
    # Of both bundles what is compiled is compiled while the image is made, by what loads them when the page is opened.
    load = re.search(r'^RUN python -c "(.+)"$', dockerfile, re.MULTILINE)[1]  # type: ignore[index]
    loaded: list[str] = []
    pytest.importorskip("gradio", reason="the page needs gradio: pip install 'recog[app]'")
    monkeypatch.setattr("pipelines.web.speech.load", loaded.append)
    monkeypatch.setattr("pipelines.web.handwriting.load", loaded.append)
    exec(compile(load, "Dockerfile", "exec"), {})
    assert loaded == [ServeSettings().speech, ServeSettings().handwriting]
    for name in needed:
        assert (ROOT / name).exists()
        parts = [name, *map(str, PurePosixPath(name).parents)]
        assert not [pattern for pattern in left for part in parts if fnmatch.fnmatch(part, pattern.removeprefix("**/"))]


def test_lines_of_the_log_are_json_and_hold_no_words_of_an_exception(capsys: pytest.CaptureFixture[str]) -> None:
    logger = logging.Logger("web")
    logger.addHandler(log.Lines())
    logger.warning("a %s", "diary")
    try:
        raise ValueError("diary")
    except ValueError:
        logger.exception("at work on diary")
    first, second = map(json.loads, capsys.readouterr().err.splitlines())
    assert first.pop("time").endswith("+00:00") and second.pop("time")
    assert first == {"event": "log", "level": "warning", "logger": "web", "message": "a %s"}
    assert re.fullmatch(r"(tests\.)?test_serve:\d+", second.pop("where"))
    assert second == {"event": "log", "level": "error", "logger": "web", "failure": "ValueError"}


@pytest.mark.slow
def test_the_server_is_stopped_by_a_plain_kill_after_what_runs(trained_speech_bundle: Path, tmp_path: Path) -> None:
    pytest.importorskip("gradio")
    wave = tmp_path / "diary.wav"
    soundfile.write(wave, spell_wave(SPOKEN_TEXTS[0], TINY_SPEECH.rate_hz), TINY_SPEECH.rate_hz)
    (tmp_path / "uploads").mkdir()
    command = [sys.executable, "-m", "recog", "serve", "--speech", str(trained_speech_bundle)]
    environment = {**os.environ, "TMPDIR": str(tmp_path / "uploads"), "RECOG_TOKEN": TOKEN}
    form = b'--x\r\nContent-Disposition: form-data; name="file"; filename="diary.wav"\r\n\r\n'
    found: list[str] = []

    def ask(address: str) -> None:
        request = urllib.request.Request(
            f"{address}v1/audio/transcriptions",
            form + wave.read_bytes() + b"\r\n--x--\r\n",
            {"Content-Type": "multipart/form-data; boundary=x", "Authorization": f"Bearer {TOKEN}"},
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            found.append(json.loads(answer.read())["text"])

    with subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True) as program:
        assert program.stderr is not None
        ready = json.loads(program.stderr.readline())
        assert ready["event"] == "ready"
        # The bundle is still being loaded when the kill comes: the request waits for it, and is answered.
        asking = threading.Thread(target=ask, args=(ready["address"],))
        asking.start()
        while True:
            metrics = urllib.request.Request(f"{ready['address']}metrics", headers={"Authorization": f"Bearer {TOKEN}"})
            with urllib.request.urlopen(metrics, timeout=20) as answer:
                text = answer.read().decode()
            if "recog_requests_running 1" in text or 'status="200"} 1\n' in text.split("/metrics")[0]:
                break
        program.send_signal(signal.SIGTERM)
        asking.join(60)
        assert program.wait(60) == 0
        lines = [json.loads(line) for line in program.stderr.read().splitlines()]
    assert found == [SPOKEN_TEXTS[0]]
    assert [line["event"] for line in lines] == ["request", "stopped"] and lines[1]["finished"]
    assert "diary" not in json.dumps(lines)
    assert list((tmp_path / "uploads").iterdir()) == []
