"""What a training run tells: one line for people on stderr and one JSON line in the run folder, every N updates."""

import json
import math
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recog.audio import SpeechFrontend
from recog.checkpoint import Bundle
from recog.evaluation import Scores
from recog.metrics import Counts, total
from recog.training.state import TrainState


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
    # True input frames of the batch.
    frames: int

    @property
    def finite(self) -> bool:
        """Whether the weights have moved."""
        return math.isfinite(self.loss)


class RunLog:
    """Averages over the updates since the last line; left-out samples are named once and counted."""

    def __init__(self, path: Path, every: int, bundle: Bundle) -> None:
        self.path, self.every = path, every
        front = bundle.frontend
        self._hours_per_frame = front.hop_seconds / 3600 if isinstance(front, SpeechFrontend) else 0.0
        self._updates: list[Update] = []
        self._since = time.monotonic()
        self._left_out: set[str] = set()

    def left_out(self, name: str, frames: int, required: int) -> None:
        """A sample whose text is longer than its frames allow."""
        if name not in self._left_out:
            self._left_out.add(name)
            self._write({"left_out": name, "frames": frames, "required": required})

    def update(self, state: TrainState, update: Update, done: float, rate: float) -> None:
        """Takes in one update and, every N of them, prints a line. `done` is the share of the run, 0 to 1."""
        self._updates.append(update)
        if len(self._updates) < self.every:
            return
        seconds = time.monotonic() - self._since
        finite = [one for one in self._updates if one.finite]
        count = max(1, len(finite))
        frames, samples = sum(one.frames for one in self._updates), sum(one.samples for one in self._updates)
        amount = frames * self._hours_per_frame if self._hours_per_frame else samples
        line: dict[str, Any] = {
            "update": state.updates,
            "epoch": state.epoch,
            "done": round(done, 4),
            "loss": round(sum(one.loss for one in finite) / count, 4),
            "cer": round(total([one.characters for one in finite]).rate, 4),
            "blank": round(sum(one.blank for one in finite) / count, 4),
            "rate": round(rate, 7),
            "per_hour": round(amount / seconds * 3600, 1),
            "unit": "hours of audio" if self._hours_per_frame else "lines",
            "minutes": round(state.minutes, 2),
            "minutes_left": round(state.minutes * (1 - done) / done, 1) if done > 0 else None,
            "bad": state.bad,
            "left_out": len(self._left_out),
        }
        self._write(line)
        print(
            f"update {line['update']}  epoch {line['epoch']}  {100 * done:.1f} %  loss {line['loss']:.3f}  "
            f"CER {100 * line['cer']:.1f} %  blank {100 * line['blank']:.0f} %  rate {rate:.2e}  "
            f"{line['per_hour']:.0f} {line['unit']}/h  {line['minutes']:.1f} min, {'?' if line['minutes_left'] is None else line['minutes_left']} left",
            file=sys.stderr,
            flush=True,
        )
        self._updates = []
        self._since = time.monotonic()

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
        self._since = time.monotonic()

    def _write(self, record: dict[str, Any]) -> None:
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")
