"""Set-up knows what is missing, does it once, and says when it fails. pip itself is not run here."""

import subprocess
import sys
from pathlib import Path

import pytest

from pipelines import environment


def test_nothing_is_missing_for_the_core_here() -> None:
    assert environment.missing(()) == []
    assert environment.rerun_if_needed(["transcribe"]) is None


def test_a_missing_module_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(environment.MODULES, "app", ("no_such_module_here",))
    assert environment.missing(("app",)) == ["no_such_module_here"]


def test_set_up_runs_once_and_again_when_the_project_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[list[str]] = []

    def call(step: list[str], **_: object) -> int:
        calls.append(step)
        (tmp_path / ".venv").mkdir(exist_ok=True)
        return 0

    monkeypatch.setattr(subprocess, "call", call)
    monkeypatch.setattr(environment, "ROOT", tmp_path)
    monkeypatch.setattr(environment, "FOLDER", tmp_path / ".venv")
    (tmp_path / "pyproject.toml").write_text("one")
    python = tmp_path / ".venv/bin/python"
    assert environment.set_up(python, ("app",))
    assert [step[1:3] for step in calls] == [["-m", "venv"], ["-m", "pip"]]
    assert calls[1][-1] == f"{tmp_path}[app]"
    assert environment.set_up(python, ("app",)) and len(calls) == 2
    (tmp_path / "pyproject.toml").write_text("two")
    assert environment.set_up(python, ("app",)) and len(calls) > 2


def test_a_failed_step_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(subprocess, "call", lambda *_, **__: 1)
    monkeypatch.setattr(environment, "FOLDER", tmp_path / ".venv")
    assert not environment.set_up(tmp_path / ".venv/bin/python", ())
    assert "set-up failed at" in capsys.readouterr().err


def test_the_command_is_run_again_inside_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[list[str]] = []

    def call(step: list[str], **_: object) -> int:
        ran.append(step)
        return 7

    monkeypatch.setattr(environment, "missing", lambda extras: ["torch"])
    monkeypatch.setattr(environment, "set_up", lambda python, extras: True)
    monkeypatch.setattr(environment, "FOLDER", tmp_path / "elsewhere")
    monkeypatch.setattr(subprocess, "call", call)
    assert environment.rerun_if_needed(["app", "--port", "1"]) == 7
    assert ran[0][1:] == ["-m", "recog", "app", "--port", "1"]


def test_an_environment_that_stays_incomplete_is_not_run_for_ever(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(environment, "missing", lambda extras: ["torch"])
    monkeypatch.setattr(environment, "FOLDER", Path(sys.prefix))
    assert environment.rerun_if_needed(["app"]) == 1
    assert "torch" in capsys.readouterr().err
