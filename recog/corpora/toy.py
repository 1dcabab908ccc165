"""Corpora made from nothing but a seed, so that a training can be watched within two minutes without any data."""

import io
import wave
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from recog.corpora import scribble, tones
from recog.corpora.split import in_parts

TRAIN_ROWS, DEV_ROWS = 400, 60
TRAIN_VOICES, DEV_VOICES = 40, 6
VOWELS = "aeiou"


@dataclass(frozen=True)
class Drawn:
    """One generated sample."""

    # The manifest's object; its path is relative to the manifest.
    row: dict[str, Any]
    # The whole media file.
    content: bytes


def speech(seed: int = 1) -> Iterator[Drawn]:
    """Whistled words (see tones) as wav: TRAIN_ROWS samples, then DEV_ROWS by other voices; always the same for a seed."""
    for number, text in enumerate(texts(tones.LETTERS, seed)):
        dev = number >= TRAIN_ROWS
        speaker = number % TRAIN_VOICES if not dev else TRAIN_VOICES + number % DEV_VOICES
        voice = tones.voice(np.random.default_rng([seed, 1, speaker]))
        samples = tones.whistle(text, voice, np.random.default_rng([seed, 2, number]))
        row = {
            "audio": f"audio/{number:03d}.wav",
            "text": text,
            "duration": round(len(samples) / tones.RATE_HZ, 3),
            "speaker": f"toy-{speaker:02d}",
            "source": "toy",
        }
        yield Drawn(row, _wav(samples.astype("<i2").tobytes()))


def _wav(samples: bytes) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setparams((1, 2, tones.RATE_HZ, 0, "NONE", ""))
        writer.writeframes(samples)
    return file.getvalue()


def handwriting(seed: int = 1) -> Iterator[Drawn]:
    """Drawn lines (see scribble) as png: TRAIN_ROWS samples, then DEV_ROWS; always the same for a seed."""
    for number, text in enumerate(texts("bdfghklmnprst" + VOWELS, seed)):
        file = io.BytesIO()
        scribble.draw_line(text, np.random.default_rng([seed, 3, number])).save(file, "png")
        yield Drawn({"image": f"lines/{number:03d}.png", "text": text, "source": "toy"}, file.getvalue())


def texts(letters: str, seed: int) -> list[str]:
    """TRAIN_ROWS + DEV_ROWS different texts of one to three made-up words, each one to three syllables of `letters`."""
    random = np.random.default_rng([seed, 0])
    vowels = [letter for letter in letters if letter in VOWELS]
    consonants = [letter for letter in letters if letter not in VOWELS]
    made: dict[str, None] = {}  # a set that keeps its order
    while len(made) < TRAIN_ROWS + DEV_ROWS:
        words = [
            "".join(str(random.choice(consonants)) + str(random.choice(vowels)) for _ in range(random.integers(1, 4)))
            for _ in range(random.integers(1, 4))
        ]
        made[" ".join(words)] = None
    return list(made)


def write(drawn: Drawn, folder: Path) -> None:
    """The sample's file below the manifest's folder, whole or not at all."""
    target = folder / (drawn.row.get("audio") or drawn.row["image"])
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(target.name + ".partial")
    partial.write_bytes(drawn.content)
    partial.replace(target)


def manifests(rows: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """The rows of all samples, in order -> file name -> rows."""
    return {"train.jsonl": rows[:TRAIN_ROWS], "dev.jsonl": in_parts(rows[TRAIN_ROWS:])}
