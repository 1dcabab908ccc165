"""What a run tells: averages by hand, waiting and padding as they were, curves and events beside the log."""

import json
import math
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from conftest import TINY_HANDWRITING, TINY_SPEECH, random_bundle
from torch import nn

from recog import runlog
from recog.evaluation import Scores
from recog.metrics import Counts
from recog.models.average import Average
from recog.runlog import Forecast, RunLog, Update
from recog.training.state import TrainState


@pytest.fixture
def state(tmp_path: Path) -> TrainState:
    network = nn.Linear(2, 2)
    optimiser = torch.optim.SGD(network.parameters(), 0.1)
    return TrainState(tmp_path / "state.safetensors", network, optimiser, Average(network, 0.9), {}, {})


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A clock that goes only when the test moves it."""
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


def lines(folder: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


def test_a_line_averages_what_came_since_the_last(
    tmp_path: Path, state: TrainState, clock: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    log = RunLog(tmp_path, 2, random_bundle(TINY_SPEECH, " abcd", "spoken"))

    def coming() -> Iterator[int]:
        for number in range(2):
            clock[0] += 1  # a second of reading
            yield number

    for _, loss, edits, padded in zip(log.timed(coming()), (3.0, 2.0), (1, 4), (1000, 1250), strict=True):
        clock[0] += 3  # three of learning
        log.update(state, Update(loss, Counts(edits, 0, 0, 10), 0.5, 4, 900, padded), 0.25, 1e-3)
    (told,) = lines(tmp_path)
    assert (told["loss"], told["cer"], told["blank"]) == (2.5, 0.25, 0.5)
    assert told["waiting"] == 0.25  # 2 of 8 seconds
    assert told["padding"] == 0.2  # 1800 of 2250 frames are true
    # 1800 frames of 10 ms in 8 s: 18 s of sound an 8 s, 2.25 hours an hour
    assert (told["per_hour"], told["unit"]) == (pytest.approx(2.25, abs=0.06), "hours of audio")
    assert told["device"] is None
    printed = capsys.readouterr().err
    assert "waiting 25 %  padding 20 %" in printed and "GPU" not in printed


def test_a_long_wait_for_data_is_worth_a_word_once(
    tmp_path: Path,
    state: TrainState,
    clock: list[float],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(runlog, "spare_cores", lambda: 3)
    log = RunLog(tmp_path, 1, random_bundle(TINY_HANDWRITING, "ab", "strict"), workers=1)

    def coming() -> Iterator[int]:
        for number in range(5):
            clock[0] += 1
            yield number

    notes = []
    for _ in log.timed(coming()):
        clock[0] += 3
        log.update(state, Update(1.0, Counts(0, 0, 0, 1), 0.5, 1, 100), 0.1, 1e-3)
        notes.append([line for line in capsys.readouterr().err.splitlines() if line.startswith("note")])
    told = (
        "note: 25 % of the time the network waits for data; --set data.workers=2 reads ahead of it, in a new run or "
        "with --resume"
    )
    assert notes == [[], [], [told], [], []]


def test_more_workers_are_advised_only_where_cores_are_idle() -> None:
    assert "data.workers=1 " in runlog.advice(0.06, 0, 1)
    assert "data.workers=8 " in runlog.advice(0.5, 4, 12)
    assert "data.workers=6 " in runlog.advice(0.5, 4, 6)
    assert runlog.advice(0.05, 0, 8) == runlog.advice(0.9, 0, 0) == runlog.advice(0.9, 4, 4) == ""


@pytest.mark.parametrize(
    ("processes", "cuda", "expected"), [("1", False, 5), ("1", True, 7), ("4", True, 1), ("8", False, 0)]
)
def test_cores_that_are_idle(processes: str, cuda: bool, expected: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 3)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setenv("LOCAL_WORLD_SIZE", processes)
    assert runlog.spare_cores() == expected


def test_an_evaluation_takes_no_time_from_the_updates_around_it(
    tmp_path: Path, state: TrainState, clock: list[float]
) -> None:
    log = RunLog(tmp_path, 2, random_bundle(TINY_HANDWRITING, "ab", "strict"))
    scores = Scores(3, Counts(1, 0, 0, 4), Counts(1, 0, 0, 2), (0.0, 1.0), (0.0, 1.0))
    for number in range(2):
        clock[0] += 2
        log.update(state, Update(1.0, Counts(), 0.0, 10, 100), 0.5, 1e-3)
        if number == 0:
            clock[0] += 100
            log.evaluation(state, 0, scores)
    evaluated, told = lines(tmp_path)
    assert (evaluated["cer"], evaluated["wer"]) == (0.25, 0.5)
    assert (told["per_hour"], told["unit"], told["padding"]) == (20 / 4 * 3600, "lines", None)
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")


def test_updates_without_a_finite_gradient_count_as_frames_but_not_as_loss(
    tmp_path: Path, state: TrainState, clock: list[float]
) -> None:
    log = RunLog(tmp_path, 2, random_bundle(TINY_HANDWRITING, "ab", "strict"))
    for loss in (1.5, math.inf):
        clock[0] += 1
        log.update(state, Update(loss, Counts(), 0.0, 1, 80, 100), 0.5, 1e-3)
    (told,) = lines(tmp_path)
    assert (told["loss"], told["padding"], told["per_hour"]) == (1.5, 0.2, 3600.0)


def test_the_time_of_an_epoch_is_told_once_after_the_first_updates(
    tmp_path: Path, state: TrainState, clock: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    # Three slow updates to warm up, then 12 of 100 frames in half a second: 24000 frames take 120 s.
    forecast = Forecast(24000)
    given = [forecast.take(100, 30.0) for _ in range(3)] + [forecast.take(100, 0.5) for _ in range(20)]
    assert [minutes for minutes in given if minutes is not None] == [pytest.approx(2.0)]
    assert given.index(next(filter(None, given))) == 14
    log = RunLog(tmp_path, 100, random_bundle(TINY_HANDWRITING, "ab", "strict"))
    log.expect(24000)
    log.expect(1)  # the next epoch: told already
    for _ in range(30):
        clock[0] += 0.5
        log.update(state, Update(1.0, Counts(), 0.0, 1, 100), 0.5, 1e-3)
    assert capsys.readouterr().err.count("estimate: an epoch takes about 2.0 min") == 1


def test_other_processes_write_no_curves_and_no_events(tmp_path: Path) -> None:
    log = RunLog(tmp_path, 1, random_bundle(TINY_HANDWRITING, "ab", "strict"), "yes", rank=2)
    log.left_out("x", 3, 5)
    log.left_out("x", 3, 5)  # named once
    assert [path.name for path in tmp_path.iterdir()] == ["log-2.jsonl"]
    assert json.loads((tmp_path / "log-2.jsonl").read_text()) == {"left_out": "x", "frames": 3, "required": 5}


def test_the_gpus_share_is_told_where_its_driver_tells_it(monkeypatch: pytest.MonkeyPatch) -> None:
    assert runlog.device_share() is None
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "utilization", lambda: 87)
    assert runlog.device_share() == 0.87

    def refuse() -> int:
        raise ModuleNotFoundError("nvidia-ml-py does not seem to be installed")

    monkeypatch.setattr(torch.cuda, "utilization", refuse)
    assert runlog.device_share() is None
