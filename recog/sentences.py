"""A plain text as people write it -> its sentences, as slices of the text, nothing lost but white space."""

import re
from dataclasses import dataclass

# What may stand between the point and the space: quotes and brackets that close.
_END = re.compile(r"[.!?…]+[\"'’”»)\]]*(?=\s)|[。！？।]+[”」』）]*")
_PARAGRAPH = re.compile(r"\n[^\S\n]*\n\s*")
# Words whose point ends no sentence: titles, initials, and what figures follow.
_ABBREVIATION = re.compile(
    r"(?<![\w'’])(?:[^\W\d_]|Mr|Mrs|Ms|Dr|St|Messrs|Mme|Mlle|MM|Nos?|Esq|Capt|Col|Rev|Hon|Jr|Sr|Gen|Maj|Lt|Sgt|Prof"
    r"|vol|chap|cf|vs|e\.g|i\.e|viz)\.$",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Sentence:
    """A sentence of a text: its characters start..end (end not included)."""

    start: int
    end: int


def sentences(text: str) -> list[Sentence]:
    """The sentences of a text in order; an empty line ends one too, a broken line does not.

    A sentence ends at . ! ? or … (closing quotes included) before white space, unless a small letter follows or the
    point belongs to an abbreviation or an initial; at 。！？ and । always. Headings and verses without any of these go as
    far as the next empty line.
    """
    found = []
    start = 0
    for end in [*_ends(text), len(text)]:
        first, last = _stripped(text, start, end)
        if first < last:
            found.append(Sentence(first, last))
        start = end
    return found


def _ends(text: str) -> list[int]:
    ends = [match.start() for match in _PARAGRAPH.finditer(text)]
    for match in _END.finditer(text):
        after = text[match.end() : match.end() + 60].lstrip()
        if match.group()[0] in "。！？।" or not (after[:1].islower() or _is_abbreviation(text, match)):
            ends.append(match.end())
    return sorted(ends)


def _is_abbreviation(text: str, match: re.Match[str]) -> bool:
    return match.group() == "." and _ABBREVIATION.search(text[max(0, match.end() - 12) : match.end()]) is not None


def _stripped(text: str, start: int, end: int) -> tuple[int, int]:
    piece = text[start:end]
    return start + len(piece) - len(piece.lstrip()), start + len(piece.rstrip())
