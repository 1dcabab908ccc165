"""What a training run tells: one line for people on stderr and one JSON line in the run folder, every N updates."""

import json
import math
import os
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch

from recog import curves
from recog.audio import SpeechFrontend
from recog.checkpoint import Bundle
from recog.evaluation import Scores
from recog.events import Events
from recog.metrics import Counts, total
from recog.training.state import TrainState

T = TypeVar("T")


@dataclass(frozen=True)
class Update:
    """What one update tells."""

    # Loss in nats a label; infinite where the gradient was not finite and the update was thrown away.
    loss: float
    # Character errors of a few samples of the batch, greedy.
    characters: Counts
    # Share of frames whose likeliest symbol is blank.
    blank: float
    samples: int
    # True input frames of the batch, and all of them with padding (0: not known).
    frames: int
    padded: int = 0

    @property
    def finite(self) -> bool:
        """Whether the weights have moved."""
        return math.isfinite(self.loss)


# Waiting for data beyond this share of the time is worth a word, at the line of this number: by then caches are warm.
_LONG_WAIT, _ADVISED = 0.05, 3
# The first updates, during which buffers grow and kernels are chosen, and those from which an epoch's time is told.
_WARM_UP, _MEASURED = 3, 12


class Forecast:
    """Minutes an epoch, from the pace of the updates after the first few."""

    def __init__(self, epoch_frames: int) -> None:
        self._epoch_frames = epoch_frames
        self._updates = self._frames = 0
        self._seconds = 0.0

    def take(self, frames: int, seconds: float) -> float | None:
        """Takes in one update; gives the forecast when it is due, once."""
        self._updates += 1
        if self._updates > _WARM_UP:
            self._frames += frames
            self._seconds += seconds
        if self._updates != _WARM_UP + _MEASURED or not self._frames:
            return None
        return self._epoch_frames / self._frames * self._seconds / 60


class RunLog:
    """Averages over the updates since the last line; left-out samples are named once and counted.

    Beside log.jsonl lie curves.png, drawn anew after each evaluation, and TensorBoard's events (`events`, see there).
    """

    def __init__(
        self, folder: Path, every: int, bundle: Bundle, events: str = "no", rank: int = 0, workers: int = 0
    ) -> None:
        """The first of several processes writes all; the others note what they left out in a file of their own.

        `workers`: processes that read for this one.
        """
        self.path = folder / (f"log-{rank}.jsonl" if rank else "log.jsonl")
        self.every, self._name = every, bundle.name
        self._events = Events(folder, "no" if rank else events)
        if self._events.note:
            print(self._events.note, file=sys.stderr)
        front = bundle.frontend
        self._hours_per_frame = front.hop_seconds / 3600 if isinstance(front, SpeechFrontend) else 0.0
        self._updates: list[Update] = []
        # Seconds of the updates since the last line, evaluations and saving not included, and of waiting among them.
        self._busy = self._waited = 0.0
        self._since = time.monotonic()
        self._left_out: set[str] = set()
        self._workers, self._lines = workers, 0
        self._forecast: Forecast | None = None

    def expect(self, frames: int) -> None:
        """At the start of an epoch of so many frames: after the first updates of the run its time is told, once."""
        if self._forecast is None:
            self._forecast = Forecast(frames)

    def timed(self, batches: Iterable[T]) -> Iterator[T]:
        """The batches, whose fetching is timed: it is time in which nothing is learnt."""
        coming = iter(batches)
        while True:
            began = time.monotonic()
            try:
                batch = next(coming)
            except StopIteration:
                return
            finally:
                self._waited += time.monotonic() - began
            yield batch

    def left_out(self, name: str, frames: int, required: int) -> None:
        """A sample whose text is longer than its frames allow."""
        if name not in self._left_out:
            self._left_out.add(name)
            self._write({"left_out": name, "frames": frames, "required": required})

    def update(self, state: TrainState, update: Update, done: float, rate: float) -> None:
        """Takes in one update and, every N of them, prints a line. `done` is the share of the run, 0 to 1."""
        seconds = time.monotonic() - self._since
        self._updates.append(update)
        self._busy += seconds
        self._since += seconds
        foretold = self._forecast.take(update.frames, seconds) if self._forecast else None
        if foretold is not None:
            print(
                f"estimate: an epoch takes about {foretold:.1f} min at the pace of the first updates", file=sys.stderr
            )
        if len(self._updates) >= self.every:
            line = self._line(state, done, rate)
            self._write(line)
            print(told(line), file=sys.stderr, flush=True)
            self._lines += 1
            note = advice(line["waiting"], self._workers, spare_cores()) if self._lines == _ADVISED else ""
            if note:
                print(note, file=sys.stderr)
            self._events.write(
                state.updates, {f"train/{key}": line[key] for key in _SCALARS if line.get(key) is not None}
            )
            self._updates, self._busy, self._waited = [], 0.0, 0.0

    def _line(self, state: TrainState, done: float, rate: float) -> dict[str, Any]:
        seconds = max(self._busy, 1e-9)
        finite = [one for one in self._updates if one.finite]
        count = max(1, len(finite))
        frames, samples = sum(one.frames for one in self._updates), sum(one.samples for one in self._updates)
        amount = frames * self._hours_per_frame if self._hours_per_frame else samples
        padded = sum(one.padded for one in self._updates)
        return {
            "update": state.updates,
            "epoch": state.epoch,
            "done": round(done, 4),
            "loss": round(sum(one.loss for one in finite) / count, 4),
            "cer": round(total([one.characters for one in finite]).rate, 4),
            "blank": round(sum(one.blank for one in finite) / count, 4),
            "rate": round(rate, 7),
            "per_hour": round(amount / seconds * 3600, 1),
            "unit": "hours of audio" if self._hours_per_frame else "lines",
            # Shares: of the time that nothing was learnt for want of data, of a batch's frames that are padding, of the GPU.
            "waiting": round(min(1.0, self._waited / seconds), 4),
            "padding": round(1 - frames / padded, 4) if padded else None,
            "device": device_share(),
            "minutes": round(state.minutes, 2),
            "minutes_left": round(state.minutes * (1 - done) / done, 1) if done > 0 else None,
            "bad": state.bad,
            "left_out": len(self._left_out),
        }

    def evaluation(self, state: TrainState, epoch: int, scores: Scores) -> None:
        """The dev scores at the end of an epoch."""
        cer, wer = scores.characters.rate, scores.words.rate
        self._write(
            {
                "epoch": epoch,
                "update": state.updates,
                "cer": round(cer, 5),
                "wer": round(wer, 5),
                "minutes": round(state.minutes, 2),
            }
        )
        print(
            f"epoch {epoch} done: dev CER {100 * cer:.2f} %  WER {100 * wer:.2f} %  ({scores.rows} rows)",
            file=sys.stderr,
            flush=True,
        )
        self._events.write(state.updates, {"dev/cer": cer, "dev/wer": wer})
        curves.draw(self.path, self._name)
        self._since = time.monotonic()

    def _write(self, record: dict[str, Any]) -> None:
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")


_SCALARS = ("loss", "cer", "blank", "rate", "per_hour", "waiting", "padding", "device")


def told(line: dict[str, Any]) -> str:
    """A log line for people."""
    left = "?" if line["minutes_left"] is None else line["minutes_left"]
    shares = [f"waiting {100 * line['waiting']:.0f} %"]
    shares += [f"padding {100 * line['padding']:.0f} %"] if line["padding"] is not None else []
    shares += [f"GPU {100 * line['device']:.0f} %"] if line["device"] is not None else []
    return (
        f"update {line['update']}  epoch {line['epoch']}  {100 * line['done']:.1f} %  loss {line['loss']:.3f}  "
        f"CER {100 * line['cer']:.1f} %  blank {100 * line['blank']:.0f} %  rate {line['rate']:.2e}  "
        f"{line['per_hour']:.0f} {line['unit']}/h  {'  '.join(shares)}  {line['minutes']:.1f} min, {left} left"
    )


def advice(waiting: float, workers: int, spare: int) -> str:
    """What shortens a long wait for data where cores are idle; else nothing."""
    wanted = min(spare, max(1, 2 * workers))
    if waiting <= _LONG_WAIT or wanted <= workers:
        return ""
    return (
        f"note: {100 * waiting:.0f} % of the time the network waits for data; --set data.workers={wanted} reads ahead of "
        "it, in a new run or with --resume"
    )


def spare_cores() -> int:
    """Cores of this process's share of the machine that its network leaves idle."""
    try:
        cores = len(os.sched_getaffinity(0))
    except AttributeError:  # not on every system
        cores = os.cpu_count() or 1
    share = cores // max(1, int(os.environ.get("LOCAL_WORLD_SIZE", "1")))
    return max(0, share - (1 if torch.cuda.is_available() else torch.get_num_threads()))


def device_share() -> float | None:
    """Share of the last second or so in which the GPU computed; None without one, or where its driver does not tell."""
    if not torch.cuda.is_available():
        return None
    try:
        return torch.cuda.utilization() / 100
    except (ImportError, RuntimeError, OSError):  # nvidia-ml-py is not installed, or speaks another driver's language
        return None
