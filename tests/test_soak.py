"""Runs that are killed, again and again: they go on, lose little, and end where an undisturbed run ends. `make soak`."""

import contextlib
import itertools
import json
import multiprocessing
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import safetensors
import torch
from conftest import SPOKEN_TEXTS, TINY_NETWORK, TINY_SPEECH, write_rows
from safetensors.torch import load_file

from pipelines.training import SpeechTraining, train
from recog import checkpoint
from recog.data import DataConfig
from recog.errors import RecogError
from recog.training.settings import FitConfig

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform == "win32", reason="these processes are forked")]
KILLS = 20
INTERVAL_MINUTES = 0.02
SETTINGS = SpeechTraining(
    name="soaked",
    frontend=TINY_SPEECH,
    network=replace(TINY_NETWORK, dropout=0.2),
    # Every row stands 20 times in an epoch of some 20 updates.
    data=DataConfig(batch_frames=500, weights={"built": 20.0}),
    fit=FitConfig(
        epochs=12,
        warmup_steps=20,
        average=0.9,
        precision="fp32",
        log_every=1,
        save_minutes=INTERVAL_MINUTES,
        keep_best=2,
    ),
)
ROOT = Path(__file__).resolve().parents[1]


def run(rows: Path, out: Path, resume: bool) -> None:
    train(SETTINGS, rows, rows, out, resume=resume)


@contextlib.contextmanager
def started(rows: Path, out: Path) -> Iterator[multiprocessing.process.BaseProcess]:
    """A process that trains, from the last state where there is one."""
    resume = (out / "state.safetensors").exists()
    process = multiprocessing.get_context("fork").Process(target=run, args=(rows, out, resume))
    process.start()
    try:
        yield process
    finally:
        process.kill()
        process.join()


def saved(out: Path) -> dict[str, float]:
    """The numbers of the state; reading it whole proves that it is."""
    load_file(out / "state.safetensors")
    with safetensors.safe_open(out / "state.safetensors", "pt") as file:
        numbers: dict[str, float] = json.loads(file.metadata()["state"])
    return numbers


def minutes_of_updates(out: Path) -> list[float]:
    """The clock at each update of the log, the line that the kill cut off left out."""
    found = []
    for line in (out / "log.jsonl").read_text(encoding="utf-8").splitlines() if (out / "log.jsonl").exists() else []:
        with contextlib.suppress(json.JSONDecodeError):
            record = json.loads(line)
            if "rate" in record:
                found.append(record["minutes"])
    return found


def test_twenty_kills_lose_no_more_than_the_interval(tmp_path: Path) -> None:
    rows = write_rows(tmp_path / "rows", TINY_SPEECH, SPOKEN_TEXTS)
    begun = time.monotonic()
    run(rows, tmp_path / "straight", False)
    seconds = time.monotonic() - begun
    out, chance = tmp_path / "killed", random.Random(7)
    kills, reached, lost = 0, -1.0, []
    while kills < KILLS:
        before = len(minutes_of_updates(out))
        with started(rows, out) as process:
            # Some kills come while the process starts, most within the training, wherever that is.
            if chance.random() < 0.8:
                while process.is_alive() and len(minutes_of_updates(out)) == before:
                    time.sleep(0.01)
            process.join(chance.uniform(0, seconds / KILLS))
            if process.exitcode is not None:
                break
            os.kill(process.pid or 0, signal.SIGKILL)
            process.join()
        kills += 1
        if not (out / "state.safetensors").exists():
            continue
        state, clock = saved(out), minutes_of_updates(out)
        assert state["updates"] >= reached
        reached = state["updates"]
        here = [minute for minute in clock[before:] if minute >= state["minutes"]]
        # What was done since the last save: the interval, and at most the update or evaluation that was under way.
        longest = max((later - sooner for sooner, later in itertools.pairwise(here)), default=0.0)
        lost.append(here[-1] - state["minutes"] if here else 0.0)
        assert lost[-1] <= INTERVAL_MINUTES + longest + 0.01
        for bundle in ("best", *(f"kept/{path.name}" for path in out.glob("kept/epoch-*"))):
            if (out / bundle).exists():
                checkpoint.load(out / bundle)
    assert kills == KILLS, "the run ended before it was killed so often; let it be longer"
    train(SETTINGS, rows, rows, out, resume=True)
    print(
        f"{kills} kills in a run of {seconds:.0f} s; most lost at once: {60 * max(lost):.1f} s of work, "
        f"interval {60 * INTERVAL_MINUTES:.1f} s",
        file=sys.stderr,
    )
    one, other = (load_file(tmp_path / name / "state.safetensors") for name in ("straight", "killed"))
    assert all(torch.equal(one[name], other[name]) for name in one)
    for name in ("best", "average"):
        weights = [(tmp_path / folder / name / "network.safetensors").read_bytes() for folder in ("straight", "killed")]
        assert weights[0] == weights[1], name
    assert not list(out.glob(".best.*")) and not list(out.glob("*.partial"))


def starve(rows: Path, out: Path, batch_frames: int, accumulate: int, gigabytes: float) -> None:
    """Trains with so much memory more than the process has, and writes down how that ended."""
    import resource

    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # each thread of a pool reserves room of its own
    held = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (held + int(gigabytes * 1e9),) * 2)
    settings = replace(
        SETTINGS,
        network=replace(TINY_NETWORK, projection=256, hidden=64),
        data=DataConfig(batch_frames=batch_frames, early_batch_frames=batch_frames, weights={"built": 200.0}),
        fit=replace(SETTINGS.fit, epochs=1, accumulate=accumulate),
    )
    try:
        train(settings, rows, rows, out, resume=(out / "state.safetensors").exists())
        told = "done"
    except RecogError as error:
        told = str(error)
    torch.set_num_threads(threads)
    (out / "told.txt").write_text(told, encoding="utf-8")


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="asks the system how much memory a process has")
def test_a_run_without_memory_names_the_setting_that_fits_and_goes_on_with_it(tmp_path: Path) -> None:
    rows, out = write_rows(tmp_path / "rows", TINY_SPEECH, SPOKEN_TEXTS), tmp_path / "run"
    batch_frames, accumulate, sentences = 100_000, 1, []
    for _ in range(8):
        process = multiprocessing.get_context("fork").Process(
            target=starve, args=(rows, out, batch_frames, accumulate, 0.5)
        )
        process.start()
        process.join(300)
        assert process.exitcode == 0
        sentences.append((out / "told.txt").read_text(encoding="utf-8"))
        if sentences[-1] == "done":
            break
        named = re.search(
            r"does not fit into main memory; --set data.batch_frames=(\d+) --set fit.accumulate=2", sentences[-1]
        )
        assert named and "is saved, go on with --resume" in sentences[-1], sentences[-1]
        batch_frames, accumulate = int(named[1]), 2 * accumulate
    assert len(sentences) > 1 and sentences[-1] == "done"
    print(f"{len(sentences) - 1} times without memory; {batch_frames} frames fitted", file=sys.stderr)


def preset(path: Path) -> Path:
    """The tiny network as a preset file."""
    path.write_text(
        """
        kind = "speech"
        [frontend]
        rate_hz = 8000
        mel_bands = 16
        high_hz = 3800.0
        [network]
        channels = []
        strides_time = []
        strides_features = []
        projection = 16
        layers = 1
        hidden = 8
        rates = [1]
        dropout = 0.0
        auxiliary_layers = [0]
        [data]
        batch_frames = 210
        [data.weights]
        built = 10.0
        [fit]
        epochs = 6
        warmup_steps = 2
        precision = "fp32"
        log_every = 1
        save_minutes = 0.0
        keep_best = 1
        """,
        encoding="utf-8",
    )
    return path


def torchrun(rows: Path, settings: Path, out: Path) -> "subprocess.Popen[bytes]":
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "--max-restarts=3"]
    command = [str(ROOT / "scripts" / "train.py"), str(settings), "--train", str(rows), "--dev", str(rows)]
    return subprocess.Popen([*launch, *command, "--out", str(out)], cwd=ROOT)


def workers(parent: int) -> list[int]:
    """The processes that torchrun has started."""
    found = subprocess.run(["ps", "-o", "pid=", "--ppid", str(parent)], capture_output=True, text=True, check=False)
    return [int(number) for number in found.stdout.split()]


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks for the processes of torchrun")
def test_torchrun_starts_again_where_it_was_when_a_process_dies(tmp_path: Path) -> None:
    rows, settings = write_rows(tmp_path / "rows", TINY_SPEECH, SPOKEN_TEXTS), preset(tmp_path / "p.toml")
    assert torchrun(rows, settings, tmp_path / "straight").wait(600) == 0
    running = torchrun(rows, settings, tmp_path / "killed")
    try:
        deadline = time.monotonic() + 300
        while len(minutes_of_updates(tmp_path / "killed")) < 40 and time.monotonic() < deadline:
            time.sleep(0.02)
        os.kill(workers(running.pid)[-1], signal.SIGKILL)
        assert running.wait(600) == 0
    finally:
        running.terminate()
    states = [load_file(tmp_path / name / "state.safetensors") for name in ("straight", "killed")]
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    weights = [(tmp_path / name / "best" / "network.safetensors").read_bytes() for name in ("straight", "killed")]
    assert weights[0] == weights[1]
