"""TensorBoard's own reader gives back what was written; without TensorBoard one line says so."""

import importlib.util
from pathlib import Path

import pytest

from recog.errors import ConfigError
from recog.events import INSTALL, Events


def absent(monkeypatch: pytest.MonkeyPatch) -> None:
    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "tensorboard" else real(name))


def test_what_is_not_installed_is_told_or_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    absent(monkeypatch)
    events = Events(tmp_path)
    assert events.note == f"no TensorBoard events are written: {INSTALL}"
    events.write(1, {"train/loss": 1.0})
    assert Events(tmp_path, "no").note == ""
    with pytest.raises(
        ConfigError, match=r"fit\.tensorboard is 'yes', and TensorBoard is not installed; python -m pip"
    ):
        Events(tmp_path, "yes")
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_wish_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is 'maybe'; choose one of auto, yes, no"):
        Events(tmp_path, "maybe")


def test_events_are_read_back_and_a_resumed_run_supersedes_what_it_repeats(tmp_path: Path) -> None:
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    first, again = Events(tmp_path, "yes"), Events(tmp_path, "yes")
    assert list(tmp_path.iterdir()) == []  # nothing before there is something to write
    for step in (10, 20, 30):
        first.write(step, {"train/loss": 100.0 + step})
    for step in (30, 40):
        again.write(step, {"train/loss": float(step), "dev/cer": 0.25})
    read = accumulator.EventAccumulator(str(tmp_path))
    read.Reload()
    assert [(event.step, event.value) for event in read.Scalars("train/loss")] == [
        (10, 110.0),
        (20, 120.0),
        (30, 30.0),
        (40, 40.0),
    ]
    assert [event.value for event in read.Scalars("dev/cer")] == [0.25, 0.25]
