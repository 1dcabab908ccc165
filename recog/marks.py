"""Case and punctuation as marks on words: written text <-> words as they are spoken, each with its case and what follows it.

    "Stop them, stop them!" he said.  <->  stop/capital them/lower, stop/lower them/lower! he/lower said/lower.

Quotes, brackets and dashes are not said and not restored. Texts with figures are not taken apart: how they are said is
not written.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

LOWER, CAPITAL, UPPER = range(3)
# What may follow a word; "" is nothing. The place in this tuple is the mark's number.
AFTER = ("", ",", ".", "?", "!", ";", ":")
_FIGURE = re.compile(r"[0-9]")
_SENTENCE_END = (".", "?", "!")
# Of several marks after a word the strongest counts.
_STRENGTH = {mark: strength for strength, mark in enumerate(("", ",", ":", ";", ".", "!", "?"))}


@dataclass(frozen=True)
class Marked:
    """A word as it is spoken, and how it is written."""

    word: str
    case: int = LOWER
    # A place in AFTER.
    after: int = 0


def take_apart(text: str, rule: Callable[[str], str]) -> list[Marked] | None:
    """The words of a written text under a text rule, with their marks; None for a text with figures.

    What stands between spaces and dashes is one piece; the rule may make several words of it ("well-known"), whose last
    has what follows.
    """
    if _FIGURE.search(text):
        return None
    found: list[Marked] = []
    for piece in re.split(r"[\s\u2013\u2014]+|--+", text):
        words = rule(piece).split()
        letters = [character for character in piece if character.isalpha()]
        tail = piece.rstrip("\"'\u2019\u201d)]}*_")
        end = re.search(r"[,.?!;:\u2026]+$", tail)
        after = _strongest(end.group()) if end else ""
        if not words:
            if after and found:  # a mark that stands alone
                found[-1] = Marked(found[-1].word, found[-1].case, AFTER.index(after))
            continue
        upper = len(letters) > 1 and all(character.isupper() for character in letters)
        first = CAPITAL if letters and letters[0].isupper() else LOWER
        cases = [UPPER if upper else first if place == 0 else LOWER for place in range(len(words))]
        marks = [0] * (len(words) - 1) + [AFTER.index(after)]
        found += [Marked(*one) for one in zip(words, cases, marks, strict=True)]
    return found


def _strongest(marks: str) -> str:
    return max((mark.replace("\u2026", ".") for mark in marks), key=_STRENGTH.__getitem__)


def written(words: Sequence[Marked]) -> list[str]:
    """Each word as it is written, its mark behind it."""
    found = []
    for one in words:
        text = one.word
        if one.case == UPPER:
            text = text.upper()
        elif one.case == CAPITAL:
            text = text[:1].upper() + text[1:]
        found.append(text + AFTER[one.after])
    return found


def ends_sentence(one: Marked) -> bool:
    """Whether a word is the last of its sentence."""
    return AFTER[one.after] in _SENTENCE_END
