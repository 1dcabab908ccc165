"""Recordings whose words have known borders: single words of one speaker, joined to strings.

A manifest of single spoken words is all that is needed (digits, for instance). Strings are made in turn with the
words glued, with pauses of digital silence or of faint noise between, and as they were recorded; but for the last,
silence around the words is cut off first, so that a join is the border of both words.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from recog import audio
from recog.audio import Waveform
from recog.errors import ConfigError
from recog.manifest import Row

WAYS = ("glued", "silence between", "noise between", "as recorded")
# What is quieter than this part of a word's loudest 10 ms lies around it, not in it (30 dB).
_AROUND = 1e-3


@dataclass(frozen=True)
class Joined:
    """Single words in one recording, and where each begins and ends in seconds."""

    waveform: Waveform
    words: tuple[str, ...]
    borders: tuple[tuple[float, float], ...]
    way: str
    speaker: str


def join(rows: Sequence[Row], rate_hz: int, strings: int = 40, seed: int = 0) -> list[Joined]:
    """At most `strings` strings of three to seven words for each speaker, no recording used twice, ways in turn."""
    random = np.random.default_rng(seed)
    speakers: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        speakers[str(row.fields.get("speaker", ""))].append(row)
    found: list[Joined] = []
    for speaker, members in sorted(speakers.items()):
        waiting = [members[number] for number in random.permutation(len(members))]
        for number in range(strings):
            count = int(random.integers(3, 8))
            chosen, waiting = waiting[:count], waiting[count:]
            if len(chosen) == count:
                found.append(_string(chosen, speaker, WAYS[number % len(WAYS)], rate_hz, random))
    if not found:
        raise ConfigError(
            f"{len(rows)} rows make no string of words; expected at least 7 rows of single words a speaker"
        )
    return found


def _string(rows: Sequence[Row], speaker: str, way: str, rate_hz: int, random: np.random.Generator) -> Joined:
    pieces: list[Waveform] = []
    borders, at = [], 0
    for row in rows:
        word = audio.read(row.path, rate_hz)
        if way != "as recorded":
            word = trimmed(word, rate_hz)
        if way in ("silence between", "noise between"):
            pause = np.zeros(int(random.uniform(0.05, 0.4) * rate_hz), np.float32)
            if way == "noise between":
                pause = (1e-3 * random.standard_normal(len(pause))).astype(np.float32)
            pieces.append(pause)
            at += len(pause)
        pieces.append(word)
        borders.append((at / rate_hz, (at + len(word)) / rate_hz))
        at += len(word)
    return Joined(np.concatenate(pieces), tuple(row.text for row in rows), tuple(borders), way, speaker)


def trimmed(word: Waveform, rate_hz: int) -> Waveform:
    """A word without the quiet around it, in steps of 10 ms."""
    step = rate_hz // 100
    if len(word) < step:
        return word
    power = np.square(word[: len(word) // step * step].reshape(-1, step), dtype=np.float64).mean(axis=1)
    loud = np.flatnonzero(power > _AROUND * power.max())
    return word[loud[0] * step : (loud[-1] + 1) * step] if len(loud) else word
