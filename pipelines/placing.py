"""An alignment's frames -> where each written word and character stands along the reading direction.

One road for sound and pictures: positions are seconds there and columns here, as the ruler says.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from recog.ctc.gapped import Aligned
from recog.ctc.hypothesis import Span
from recog.wording import Wording, WrittenWord

# A frame that a filler holds is sound or ink, not a pause, if it costs as many nats.
LEAST_LOSS = 0.1


@dataclass(frozen=True)
class Stretch:
    """A word or character and where it stands: start <= end."""

    text: str
    start: float
    end: float
    # The mean of its labels' highest posteriors, 0 to 1; None for a word without labels.
    confidence: float | None = None
    # Those that have labels.
    characters: tuple["Stretch", ...] = ()


@dataclass(frozen=True)
class Ruler:
    """How frames become positions."""

    # Frames first..last of words in order -> where each begins and ends.
    extents: Callable[[Sequence[tuple[int, int]]], list[tuple[float, float]]]
    # A frame -> where it begins.
    position: Callable[[float], float]
    # A word that nothing is seen or heard of gets at most so much for each of its characters.
    longest_unspelled: float


@dataclass(frozen=True)
class Placement:
    """Where the words of a text stand."""

    # One for each word; None for those that were left out.
    words: tuple[Stretch | None, ...]
    # Sound or ink, start and end, that no word explains.
    unexplained: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class _Event:
    """What takes up frames: word number `word`, or (-1) what no label spells, at a place of the labels."""

    word: int
    place: int
    start: int
    end: int


def place(words: Wording, found: Aligned, sentences: Sequence[tuple[int, int]], ruler: Ruler) -> Placement:
    """The words of a text, whose sentences are words first..last, where the alignment of its labels puts them.

    Words without labels stand between their neighbours, see `_interpolate`; in a sentence that was left out they do not.
    """
    events = _events(words, found)
    extents = ruler.extents([(event.start, event.end) for event in events])
    placed: list[Stretch | None] = [None] * len(words.words)
    gaps: dict[int, tuple[float, float]] = {}
    for event, (start, end) in zip(events, extents, strict=True):
        if event.word >= 0:
            placed[event.word] = _stretch(words.words[event.word], found.spans, ruler, start, end)
        else:
            gaps[event.place] = start, end
    explained = set[int]()
    for first, last in sentences:
        if any(placed[first:last]):
            explained.update(_interpolate(words.words, placed, gaps, (first, last), ruler.longest_unspelled))
    return Placement(tuple(placed), tuple(gaps[place] for place in sorted(gaps) if place not in explained))


def _events(words: Wording, found: Aligned) -> list[_Event]:
    """Words with labels, and unspelled sound, in order."""
    events = []
    for number, word in enumerate(words.words):
        own = [span for span in found.spans[word.first : word.last] if span is not None]
        if own:
            events.append(_Event(number, word.first, own[0].start, own[-1].end))
    for place, (start, end) in found.fillers.items():
        # Where blank is as good as any symbol there is a pause, not sound.
        loud = start + np.flatnonzero(found.losses[start:end] > LEAST_LOSS)
        if len(loud):
            events.append(_Event(-1, place, int(loud[0]), int(loud[-1]) + 1))
    return sorted(events, key=lambda event: (event.start, event.end))


def _stretch(word: WrittenWord, spans: Sequence[Span | None], ruler: Ruler, start: float, end: float) -> Stretch:
    """A word with its characters: these share its length, and meet half way between the frames of their labels."""
    labelled = [(one, [span for span in spans[one.first : one.last] if span]) for one in word.characters]
    labelled = [(one, own) for one, own in labelled if own]
    meetings = [
        min(max(ruler.position((one[-1].end + two[0].start) / 2), start), end)
        for (_, one), (_, two) in pairwise(labelled)
    ]
    edges = [start, *meetings, end]
    characters = tuple(
        Stretch(one.text, left, right, _sure(own))
        for (one, own), left, right in zip(labelled, edges, edges[1:], strict=False)
    )
    confidence = _sure([span for span in spans[word.first : word.last] if span])
    return Stretch(word.text, start, end, confidence, characters)


def _sure(spans: Sequence[Span]) -> float:
    return round(sum(span.confidence for span in spans) / len(spans), 4)


def _interpolate(
    words: Sequence[WrittenWord],
    placed: list[Stretch | None],
    gaps: dict[int, tuple[float, float]],
    sentence: tuple[int, int],
    longest: float,
) -> Iterator[int]:
    """Places the words of a sentence first..last that have no labels, in `placed`; yields the places of the gaps they fill.

    Those in a row share the gap at their place, or else what lies between their neighbours, by their lengths; at the
    ends of the sentence that is at most `longest` a character.
    """
    (number, last), first = sentence, sentence[0]
    while number < last:
        if words[number].spelled:
            number += 1
            continue
        end = next((other for other in range(number, last) if words[other].spelled), last)
        before = placed[number - 1] if number > first else None
        after = placed[end] if end < last else None
        total = sum(len(word.text) for word in words[number:end])
        if words[number].first in gaps and any(word.read_aloud for word in words[number:end]):
            yield words[number].first
            low, high = gaps[words[number].first]
        else:
            low = (
                before.end
                if before
                else max(_end_before(placed, first), after.start - longest * total if after else 0.0)
            )
            high = after.start if after else min(_start_after(placed, last), low + longest * total)
        for word in words[number:end]:
            share = max(0.0, high - low) * len(word.text) / total
            placed[number] = Stretch(word.text, low, low + share)
            low, total, number = low + share, total - len(word.text), number + 1


def _end_before(placed: Sequence[Stretch | None], first: int) -> float:
    return next((word.end for word in reversed(placed[:first]) if word), 0.0)


def _start_after(placed: Sequence[Stretch | None], last: int) -> float:
    return next((word.start for word in placed[last:] if word), float("inf"))
