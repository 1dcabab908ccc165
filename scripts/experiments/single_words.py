"""Single words cut out of written lines whose rows tell where their words are: a small task for small recognisers.

python scripts/experiments/single_words.py LINES.jsonl --out FOLDER [--words 30] [--each 60] [--shortest 2] [--held-out 5]

Takes the commonest words of two letters and more (`--shortest`), at most `--each` pictures of one, evenly spaced; FOLDER
gets them with train.jsonl and dev.jsonl. The words of every fifth page (`--held-out`) are the dev rows, half of them to choose a bundle by
and half to measure on. Lines get their words from `recog align --manifest`, which is a recogniser's guess: some pictures show
a letter of the neighbour.
"""

import argparse
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from recog import image, manifest
from recog.augment.passage import Placed, placed_words
from recog.errors import InputError, RecogError
from recog.manifest import Row

# Kept free on both sides of a word.
MARGIN_PX = 3


@dataclass(frozen=True)
class Cut:
    """A word of a row."""

    row: Row
    word: Placed
    page: str


def chosen(rows: Sequence[Row], words: int, each: int, shortest: int = 2) -> list[Cut]:
    """The commonest words of `shortest` small letters and more, evenly spaced. Refuses rows that do not tell their words."""
    found: dict[str, list[Cut]] = {}
    for row in rows:
        if "words" not in row.fields or row.media != "image":
            raise InputError(f"row {row.id} tells no words of a picture; run recog align --manifest first")
        page = str(row.fields.get("page", row.id))
        for word in placed_words(row.fields["words"], f"row {row.id}"):
            if len(word.text) >= shortest and word.text.isalpha() and word.text.islower():
                found.setdefault(word.text, []).append(Cut(row, word, page))
    common = [text for text, _ in Counter({text: len(cuts) for text, cuts in found.items()}).most_common(words)]
    kept = []
    for text in sorted(common):
        cuts = found[text]
        kept += [cuts[place * len(cuts) // each] for place in range(each)] if len(cuts) > each else cuts
    return kept


def cut(kept: Sequence[Cut], out: Path, held_out: int) -> tuple[int, int]:
    """Writes the pictures and both manifests; rows to train on and held out. Refuses fewer than two pages."""
    pages = sorted({one.page for one in kept})
    away = set(pages[::held_out])
    if not 0 < len(away) < len(pages):
        raise InputError(f"words of {len(pages)} pages, every {held_out}th to be held out; give more lines")
    out.mkdir(parents=True, exist_ok=True)
    parts: dict[str, list[dict[str, object]]] = {"train": [], "dev": []}
    for number, one in enumerate(kept):
        part = "dev" if one.page in away else "train"
        with image.read(one.row.path) as line:
            left, right = max(0, int(one.word.start) - MARGIN_PX), min(line.width, int(one.word.end) + MARGIN_PX)
            line.crop((left, 0, right, line.height)).save(out / f"{number}.png")
        parts[part].append({"image": f"{number}.png", "text": one.word.text, "page": one.page, "source": "words"})
    for number, row in enumerate(parts["dev"]):
        row["part"] = "report" if number % 2 else "tune"
    for part, rows in parts.items():
        manifest.write(out / f"{part}.jsonl", rows)
    return len(parts["train"]), len(parts["dev"])


def main(argv: Sequence[str] | None = None) -> int:
    """Cuts and says how many; 1 where the manifest cannot be used."""
    options = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    options.add_argument("lines", type=Path, help="manifest of lines with their words")
    options.add_argument("--out", type=Path, required=True, help="folder for pictures and manifests")
    options.add_argument("--words", type=int, default=30, help="how many different words (default 30)")
    options.add_argument("--each", type=int, default=60, help="most pictures of a word (default 60)")
    options.add_argument("--shortest", type=int, default=2, help="fewest letters of a word (default 2)")
    options.add_argument("--held-out", type=int, default=5, help="every so many pages become dev rows (default 5)")
    arguments = options.parse_args(argv)
    try:
        kept = chosen(manifest.read(arguments.lines), arguments.words, arguments.each, arguments.shortest)
        train, dev = cut(kept, arguments.out, arguments.held_out)
    except RecogError as error:
        print(f"single_words: {error}", file=sys.stderr)
        return 1
    print(f"{train} words to train on, {dev} held out: {' '.join(sorted({one.word.text for one in kept}))}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
