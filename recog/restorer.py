"""Words as they are spoken -> text as people write it: sentences, case, points and commas, numbers in figures.

A tagger (recog.models.tagger) says for every word how it is cased and what follows it; recog.numerals writes numbers.
One file, restorer.safetensors, in a bundle; its settings are in the file's header.
"""

import json
import zlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from recog.compact import packed, unpacked
from recog.config import build
from recog.errors import CheckpointError, RecogError
from recog.marks import AFTER, CAPITAL, LOWER, Marked, ends_sentence, written
from recog.models.tagger import Tagger, TaggerConfig, together
from recog.numerals import figures

FILE = "restorer.safetensors"
# Words that are looked at together, and how many of them on either side are only there to be known about.
WINDOW, AROUND = 240, 40


@dataclass(frozen=True)
class Piece:
    """A piece of the text, and the spoken words first..last (last not included) that it stands for."""

    text: str
    first: int
    last: int


class Restorer:
    """Restores what speech does not tell."""

    def __init__(self, tagger: Tagger) -> None:
        self.tagger = tagger.eval()

    @torch.inference_mode()
    def likeliest(self, words: Sequence[str]) -> list[Marked]:
        """The likeliest marks of spoken words (lower case), each by itself."""
        found: list[Marked] = []
        step = WINDOW - 2 * AROUND
        for start in range(0, len(words), step):
            first, last = max(0, start - AROUND), min(len(words), start + step + AROUND)
            rows = [[features(word, self.tagger.config.buckets) for word in words[first:last]]]
            cases, afters = (scores[0].argmax(dim=1).tolist() for scores in self.tagger(*together(rows)))
            inner = range(start - first, min(start + step, len(words)) - first)
            found += [Marked(words[first + place], cases[place], afters[place]) for place in inner]
        return found

    def marks(self, words: Sequence[str]) -> list[Marked]:
        """The likeliest marks of spoken words (lower case); a text begins and ends as sentences do."""
        return sentences(self.likeliest(words))

    def restore(self, words: Sequence[str]) -> list[Piece]:
        """The text of spoken words, piece by piece; a number in figures stands for several words."""
        return pieces(self.marks(words))


def sentences(found: Sequence[Marked], begins: bool = True, ends: bool = True) -> list[Marked]:
    """Marks by which every sentence begins with a capital; whether the first begins here, and the last ends here."""
    whole = list(found)
    if whole and ends and not ends_sentence(whole[-1]):
        whole[-1] = Marked(whole[-1].word, whole[-1].case, AFTER.index("."))
    for place, one in enumerate(whole):
        first = ends_sentence(whole[place - 1]) if place else begins
        if first and one.case == LOWER:
            whole[place] = Marked(one.word, CAPITAL, one.after)
    return whole


def pieces(marked: Sequence[Marked]) -> list[Piece]:
    """The text of marked words, numbers in figures."""
    texts, found, place = written(marked), list[Piece](), 0
    for figure in figures([one.word for one in marked]):
        # A comma within a number, or a sentence that ends in it: then it is none.
        if any(one.after for one in marked[figure.first : figure.last - 1]):
            continue
        found += [Piece(texts[at], at, at + 1) for at in range(place, figure.first)]
        text = figure.text + AFTER[marked[figure.last - 1].after]
        found.append(Piece(text, figure.first, figure.last))
        place = figure.last
    return [*found, *(Piece(texts[at], at, at + 1) for at in range(place, len(marked)))]


def features(word: str, buckets: int) -> list[int]:
    """Rows of a word: itself, its beginnings and endings of up to four letters; hashed, so that none is unknown."""
    parts = {f"={word}", *(f"^{word[:size]}" for size in (1, 3)), *(f"{word[-size:]}$" for size in (2, 3, 4))}
    return sorted(zlib.crc32(part.encode()) % buckets for part in parts)


def save(restorer: Restorer, path: Path) -> None:
    """Writes the one file, weights in 8 bits, whole or not at all."""
    partial = path.with_name(path.name + ".partial")
    header = {"tagger": json.dumps(asdict(restorer.tagger.config))}
    save_file(packed(restorer.tagger.state_dict()), partial, metadata=header)
    partial.chmod(0o644)  # safetensors leaves it to the owner alone
    partial.replace(path)


def load(path: Path) -> Restorer:
    """Reads it; refuses a damaged file in one sentence."""
    try:
        with safe_open(path, "pt") as file:
            config = build(TaggerConfig, json.loads((file.metadata() or {})["tagger"]), "tagger")
            weights = unpacked({name: file.get_tensor(name) for name in file.keys()})  # noqa: SIM118
        tagger = Tagger(config)
        tagger.load_state_dict(weights)
    except (OSError, ValueError, LookupError, TypeError, RuntimeError, SafetensorError, RecogError) as error:
        reason = " ".join(str(error).split())[:200]
        raise CheckpointError(f"{path} is damaged ({reason}); fetch or train it again") from error
    return Restorer(tagger)
