"""A run's log.jsonl -> curves.png beside it: loss, error rates, learning rate and speed over updates."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recog import plot
from recog.plot import Line, Panel

_TRAIN, _TRAIN_PALE, _DEV, _WORDS, _OTHER = "#2471a3", "#b5d0e2", "#c0392b", "#e8a29a", "#1e8449"


@dataclass(frozen=True)
class History:
    """A log, by what its lines tell."""

    # Lines of every N updates, and of every evaluation; later lines of a resumed run replace what they repeat.
    updates: tuple[dict[str, Any], ...]
    evaluations: tuple[dict[str, Any], ...]


def read(path: Path) -> History:
    """The lines of a log. A last line that was cut off while it was written is left out."""
    updates: list[dict[str, Any]] = []
    evaluations: list[dict[str, Any]] = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            record = json.loads(line)
        except json.JSONDecodeError:
            continue
        if "update" not in record:
            continue  # a sample that was left out
        # What a run had told beyond its last saved state is told again by the run that went on from there.
        is_update, now = "loss" in record, record["update"]
        while updates and updates[-1]["update"] >= now + (not is_update):
            updates.pop()
        while evaluations and evaluations[-1]["update"] >= now:
            evaluations.pop()
        (updates if is_update else evaluations).append(record)
    return History(tuple(updates), tuple(evaluations))


def panels(history: History) -> list[Panel]:
    """The charts: what is learnt above, how the run goes below."""
    loss, cer = _points(history.updates, "loss"), _points(history.updates, "cer", 100)
    dev, words = _points(history.evaluations, "cer", 100), _points(history.evaluations, "wer", 100)
    window = max(1, len(loss) // 40)
    unit = next((str(line["unit"]) for line in history.updates if "unit" in line), "samples")
    return [
        Panel(
            "Loss, nats a label",
            (Line("train", loss, _TRAIN_PALE, 1.2), Line("running mean", plot.smooth(loss, window), _TRAIN, 2.4)),
            logarithmic=_spans(loss, 4.0),
        ),
        Panel(
            "Error rates, %",
            (
                Line("train CER, a glance", plot.smooth(cer, window), _TRAIN, 2),
                Line("dev WER", words, _WORDS, 2, marked=True),
                Line("dev CER", dev, _DEV, 2.6, marked=True),
            ),
            low=0.0,
            high=min(100.0, max((y for _, y in (*cer, *dev, *words)), default=100.0)),
        ),
        Panel("Learning rate", (Line("", _points(history.updates, "rate"), _OTHER, 2.4),), low=0.0),
        Panel(
            f"Speed, {unit} an hour",
            (Line("", _points(history.updates, "per_hour"), _OTHER, 2),),
            low=0.0,
        ),
        Panel(
            "Share of frames that are blank, %",
            (Line("", _points(history.updates, "blank", 100), _TRAIN, 2),),
            low=0.0,
            high=100.0,
        ),
        Panel(
            "Lost, %",
            (
                Line("time waiting for data", _points(history.updates, "waiting", 100), _DEV, 2),
                Line("padding in batches", _points(history.updates, "padding", 100), _TRAIN, 2),
            ),
            low=0.0,
        ),
    ]


def _spans(points: Sequence[tuple[float, float]], times: float) -> bool:
    """Whether the values are positive and the highest is so many times the lowest."""
    low, high = min((y for _, y in points), default=0.0), max((y for _, y in points), default=0.0)
    return low > 0 and high > times * low


def _points(lines: Sequence[dict[str, Any]], key: str, times: float = 1.0) -> tuple[tuple[float, float], ...]:
    return tuple(
        (float(line["update"]), times * float(line[key]))
        for line in lines
        if line.get(key) is not None and math.isfinite(line[key])
    )


def draw(log: Path, name: str) -> Path:
    """Reads a log and writes curves.png beside it, whole or not at all; gives its path."""
    history = read(log)
    best = min((line["cer"] for line in history.evaluations if math.isfinite(line["cer"])), default=None)
    told = f"{name}: {history.updates[-1]['update'] if history.updates else 0} updates"
    if history.updates and history.updates[-1].get("minutes") is not None:
        told += f", {history.updates[-1]['minutes']:.0f} min"
    if best is not None:
        told += f", best dev CER {100 * best:.2f} %"
    path = log.with_name("curves.png")
    plot.save(plot.draw(panels(history), told, "updates"), path)
    return path
