"""A text that somebody corrected -> its words, each in the place of the words that it stands for."""

import difflib
from collections.abc import Sequence
from dataclasses import dataclass

from pipelines.transcript import SpokenWord, WrittenLine, WrittenWord

# What a person wrote is taken to be right.
SURE = 1.0


@dataclass(frozen=True)
class Placed:
    """Where a corrected word lies along the reading direction, and the number of the word it was; None: it is new."""

    start: float
    end: float
    kept: int | None


def places(
    before: Sequence[str], extents: Sequence[tuple[float, float]], after: Sequence[str], whole: tuple[float, float]
) -> list[Placed]:
    """Words and where each begins and ends, and the words after correction -> where these lie, in order.

    Words that stay keep their places. Where as many words were replaced as came, each takes the place of one; else those
    that came share the place of those that went by their letters. Words that were only added share the place of the word
    before them with it, or else of the one after; where there was none, they share `whole`.
    """
    found: list[Placed] = []
    matched = difflib.SequenceMatcher(None, list(before), list(after), autojunk=False)
    for kind, first, last, begin, end in matched.get_opcodes():
        if kind == "equal":
            found += [Placed(*extents[first + step], first + step) for step in range(last - first)]
        elif kind == "replace" and last - first == end - begin:
            found += [Placed(*extent, None) for extent in extents[first:last]]
        elif kind == "replace":
            found += shared(extents[first][0], extents[last - 1][1], after[begin:end])
        elif kind == "insert" and found:
            taken = found.pop()
            # The word that makes room stays what it was.
            room = shared(taken.start, taken.end, after[begin - 1 : end])
            found += [Placed(room[0].start, room[0].end, taken.kept), *room[1:]]
        elif kind == "insert" and before:
            start, stop = extents[0]
            room = shared(start, stop, [*after[begin:end], before[0]])
            extents = [(room[-1].start, stop), *extents[1:]]
            found += room[:-1]
        elif kind == "insert":
            found += shared(*whole, after[begin:end])
    return found


def shared(start: float, end: float, words: Sequence[str]) -> list[Placed]:
    """A stretch -> the parts of it that each of the words takes, by their letters."""
    letters = [max(1, len(word)) for word in words]
    borders = [start + (end - start) * sum(letters[:number]) / sum(letters) for number in range(len(letters))]
    return [Placed(left, right, None) for left, right in zip(borders, [*borders[1:], end], strict=True)]


def spoken(words: Sequence[SpokenWord], text: str, whole: tuple[float, float] = (0.0, 0.0)) -> tuple[SpokenWord, ...]:
    """Words in order and their text as it was corrected -> its words, in seconds; those that changed are sure.

    `whole` is where words lie that came where there was none.
    """
    after = text.split()
    placed = places([word.text for word in words], [(word.start, word.end) for word in words], after, whole)
    found = []
    for word, at in zip(after, placed, strict=True):
        old = None if at.kept is None else words[at.kept]
        told = (SURE, "") if old is None else (old.confidence, old.spoken)
        found.append(SpokenWord(word, round(at.start, 3), round(at.end, 3), *told))
    return tuple(found)


def written(line: WrittenLine, text: str) -> tuple[WrittenWord, ...]:
    """A line and its text as it was corrected -> its words, in pixels; new ones are as high as those they overlap."""
    after = text.split()
    words, whole = line.words, (line.box[0], line.box[2])
    placed = places([word.text for word in words], [(word.box[0], word.box[2]) for word in words], after, whole)
    found = []
    for word, at in zip(after, placed, strict=True):
        under = [old.box for old in words if old.box[0] < at.end and at.start < old.box[2]] or [line.box]
        top, bottom = min(box[1] for box in under), max(box[3] for box in under)
        box = (round(at.start), top, round(at.end), bottom)
        if at.kept is not None and words[at.kept].box[::2] == (at.start, at.end):
            box = words[at.kept].box
        found.append(WrittenWord(word, box, SURE if at.kept is None else words[at.kept].confidence))
    return tuple(found)
