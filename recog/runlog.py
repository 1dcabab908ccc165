"""What a training run tells: one line for people on stderr and one JSON line in the run folder, every N updates."""

import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from recog.audio import SpeechFrontend
from recog.checkpoint import Bundle
from recog.data import Example
from recog.evaluation import Scores
from recog.trainstate import TrainState


class RunLog:
    """Averages over the updates since the last line; left-out samples are named once and counted."""

    def __init__(self, path: Path, every: int, bundle: Bundle) -> None:
        self.path, self.every = path, every
        front = bundle.frontend
        self._hours_per_frame = front.hop_seconds / 3600 if isinstance(front, SpeechFrontend) else 0.0
        self._losses: list[float] = []
        self._blanks: list[float] = []
        self._frames = self._samples = 0
        self._since = time.monotonic()
        self._left_out: set[str] = set()

    def left_out(self, name: str, frames: int, required: int) -> None:
        """A sample whose text is longer than its frames allow."""
        if name not in self._left_out:
            self._left_out.add(name)
            self._write({"left_out": name, "frames": frames, "required": required})

    def update(
        self, state: TrainState, loss: float, blank: float, examples: Sequence[Example], done: float, rate: float
    ) -> None:
        """Takes in one update and, every N of them, prints a line."""
        self._losses.append(loss)
        self._blanks.append(blank)
        self._frames += sum(len(example.features) for example in examples)
        self._samples += len(examples)
        if len(self._losses) < self.every:
            return
        seconds = time.monotonic() - self._since
        count = len(self._losses)
        amount = self._frames * self._hours_per_frame if self._hours_per_frame else self._samples
        line = {
            "update": state.updates,
            "epoch": state.epoch,
            "done": round(done, 4),
            "loss": round(sum(self._losses) / count, 4),
            "blank": round(sum(self._blanks) / count, 4),
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
            f"blank {100 * sum(self._blanks) / count:.0f} %  rate {rate:.2e}  {line['per_hour']:.0f} {line['unit']}/h  "
            f"{line['minutes']:.1f} min, {line['minutes_left']} left",
            file=sys.stderr,
            flush=True,
        )
        self._losses, self._blanks, self._frames, self._samples = [], [], 0, 0
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
