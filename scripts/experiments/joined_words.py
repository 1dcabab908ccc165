"""Recordings of single words joined to strings of one speaker: connected speech whose every word is known, for small networks.

python scripts/experiments/joined_words.py WORDS.jsonl --out FOLDER [--count 600] [--least 3] [--most 6] [--seed 1]

Each row's recording is put behind another's with a short pause; FOLDER gets the sound and rows.jsonl. Rows of
one speaker (or all, where none is told) are drawn with a seed, so that the same command makes the same strings.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np
import soundfile

from recog import audio, manifest
from recog.errors import InputError, RecogError
from recog.manifest import Row

RATE_HZ = 16000
# Shortest and longest pause between two words.
PAUSE_SECONDS = (0.05, 0.25)


def drawn(rows: Sequence[Row], count: int, least: int, most: int, random: np.random.Generator) -> list[list[Row]]:
    """So many strings, each of one speaker's rows. Refuses rows without sound, and senseless sizes."""
    if not 1 <= least <= most or count < 1:
        raise InputError(f"{count} strings of {least} to {most} words; expected 1 or more of each, in order")
    voices: dict[str, list[Row]] = {}
    for row in rows:
        if row.media != "audio":
            raise InputError(f"row {row.id} holds {row.media}; expected recordings of single words")
        voices.setdefault(str(row.fields.get("speaker", "")), []).append(row)
    names = sorted(voices)
    found = []
    for number in range(count):
        some = voices[names[number % len(names)]]
        found.append([some[at] for at in random.integers(0, len(some), random.integers(least, most + 1))])
    return found


def join(strings: Sequence[Sequence[Row]], out: Path, random: np.random.Generator) -> None:
    """Writes sound and manifest."""
    out.mkdir(parents=True, exist_ok=True)
    known: dict[Path, np.ndarray] = {}
    written = []
    for number, string in enumerate(strings):
        pieces = []
        for row in string:
            if row.path not in known:
                known[row.path] = np.asarray(audio.read(row.path, RATE_HZ))
            pieces += [known[row.path], np.zeros(round(random.uniform(*PAUSE_SECONDS) * RATE_HZ), np.float32)]
        sound = np.concatenate(pieces[:-1])
        soundfile.write(out / f"{number}.wav", sound, RATE_HZ)
        text = " ".join(row.text for row in string)
        one: dict[str, object] = {"audio": f"{number}.wav", "text": text, "duration": len(sound) / RATE_HZ}
        for name in ("speaker", "source"):
            if name in string[0].fields:
                one[name] = string[0].fields[name]
        if all("phones" in row.fields for row in string):
            one["phones"] = " ".join(str(row.fields["phones"]) for row in string)
        written.append(one)
    manifest.write(out / "rows.jsonl", written)


def main(argv: Sequence[str] | None = None) -> int:
    """Joins and says how many; 1 where the manifest cannot be used."""
    options = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    options.add_argument("words", type=Path, help="manifest of recordings of single words")
    options.add_argument("--out", type=Path, required=True, help="folder for sound and manifest")
    options.add_argument("--count", type=int, default=600, help="strings (default 600)")
    options.add_argument("--least", type=int, default=3, help="fewest words of a string (default 3)")
    options.add_argument("--most", type=int, default=6, help="most words of a string (default 6)")
    options.add_argument("--seed", type=int, default=1, help="of all that is drawn (default 1)")
    arguments = options.parse_args(argv)
    random = np.random.default_rng(arguments.seed)
    try:
        strings = drawn(manifest.read(arguments.words), arguments.count, arguments.least, arguments.most, random)
        join(strings, arguments.out, random)
    except RecogError as error:
        print(f"joined_words: {error}", file=sys.stderr)
        return 1
    print(f"{len(strings)} strings of {sum(map(len, strings))} words")
    return 0


if __name__ == "__main__":
    sys.exit(main())
