"""References against what was read: counts with intervals, where each error stands, and what is taken for what."""

import csv
import io
import itertools
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

import jiwer
import numpy as np

from recog import metrics, text
from recog.errors import InputError
from recog.evaluation import Pair, Scores, score
from recog.metrics import Counts

# Longer lines are refused: aligning takes memory with the square of the length.
LONGEST_LINE = 20_000
# Words across each other are chosen by likeness where there are at most so many pairs.
MOST_CHOICES = 2_500
# What an edit is, as jiwer names it.
EQUAL, SUBSTITUTED, LEFT_OUT, ADDED = "equal", "substitute", "delete", "insert"


@dataclass(frozen=True)
class Edit:
    """A word or character of the reference and what stands in its place; "" where one has nothing."""

    # EQUAL, SUBSTITUTED, LEFT_OUT or ADDED.
    kind: str
    reference: str
    hypothesis: str


@dataclass(frozen=True)
class Confusion:
    """So many times this was read as that; "" for nothing."""

    reference: str
    hypothesis: str
    count: int


@dataclass(frozen=True)
class ComparedLine:
    """One line of a comparison; texts as they were given, edits and counts under the text rule."""

    name: str
    reference: str
    hypothesis: str
    # Of the words, in order.
    edits: tuple[Edit, ...]
    words: Counts
    characters: Counts
    # Why it could not be read at all; "" where it could.
    failure: str = ""
    # False for a line whose reference is empty under the text rule: it has no rate.
    counted: bool = True


@dataclass(frozen=True)
class Comparison:
    """All lines, and their rates together."""

    lines: tuple[ComparedLine, ...]
    scores: Scores
    text_rule: str
    # What is read as what, most often first; equal ones are not told.
    words: tuple[Confusion, ...]
    characters: tuple[Confusion, ...]

    def worst_first(self) -> list[ComparedLine]:
        """The lines by their character errors, as `Evaluation.worst` has it; equal ones as they came."""
        return sorted(self.lines, key=lambda line: -line.characters.edits if line.counted else 0)


def compare(pairs: Sequence[Pair], text_rule: str) -> Comparison:
    """Counts under a text rule, 95 % intervals by bootstrap, alignments (jiwer's) and confusions of some pairs.

    Lines whose reference is empty under the rule are kept and not counted. Refuses no pairs at all, and lines of more
    than 20 000 characters.
    """
    if not pairs:
        raise InputError("there is nothing to compare: no line came")
    rule, lines = text.rule(text_rule), []
    words: Counter[tuple[str, str]] = Counter()
    characters: Counter[tuple[str, str]] = Counter()
    for pair in pairs:
        reference, hypothesis = rule(pair.row.text), rule(pair.hypothesis)
        longest = max(len(reference), len(hypothesis))
        if longest > LONGEST_LINE:
            raise InputError(
                f"{pair.row.id} has {longest} characters; at most {LONGEST_LINE} can be aligned, so cut it into lines"
            )
        edits = alike(align(reference.split(), hypothesis.split()))
        if reference:
            _count(words, edits)
            _count(characters, align(reference, hypothesis))
        lines.append(
            ComparedLine(
                pair.row.id,
                pair.row.text,
                pair.hypothesis,
                edits,
                metrics.word_counts(reference, hypothesis),
                metrics.character_counts(reference, hypothesis),
                pair.failure,
                bool(reference),
            )
        )
    return Comparison(tuple(lines), score(pairs, text_rule), text_rule, _confusions(words), _confusions(characters))


def align(reference: Sequence[str], hypothesis: Sequence[str]) -> tuple[Edit, ...]:
    """The fewest edits that make the units of one those of the other, in order: one edit a unit."""
    if not reference or not hypothesis:  # jiwer refuses empty references
        return (*(Edit(LEFT_OUT, one, "") for one in reference), *(Edit(ADDED, "", one) for one in hypothesis))
    # jiwer splits on spaces, so units travel as numbers.
    numbers = {unit: str(number) for number, unit in enumerate({*reference, *hypothesis})}
    aligned = jiwer.process_words(" ".join(numbers[u] for u in reference), " ".join(numbers[u] for u in hypothesis))
    edits = []
    for chunk in aligned.alignments[0]:
        said = reference[chunk.ref_start_idx : chunk.ref_end_idx]
        read = hypothesis[chunk.hyp_start_idx : chunk.hyp_end_idx]
        for place in range(max(len(said), len(read))):
            one, other = said[place : place + 1], read[place : place + 1]
            edits.append(Edit(chunk.type, one[0] if one else "", other[0] if other else ""))
    return tuple(edits)


def alike(edits: Sequence[Edit]) -> tuple[Edit, ...]:
    """The same alignment of words with, of all that need as few edits, the words that are most alike across each other.

    "a cat" against "a cut too": cat is read as cut and too is added, not cut added and cat read as too.
    """
    found: list[Edit] = []
    for equal, group in itertools.groupby(edits, lambda edit: edit.kind == EQUAL):
        stretch = list(group)
        said = [edit.reference for edit in stretch if edit.reference]
        read = [edit.hypothesis for edit in stretch if edit.hypothesis]
        # With as many on both sides there is nothing to choose; in a stretch without end nothing is alike.
        same = equal or len(said) == len(read) or not said or not read or len(said) * len(read) > MOST_CHOICES
        found += stretch if same else _paired(said, read)
    return tuple(found)


def _paired(said: Sequence[str], read: Sequence[str]) -> list[Edit]:
    """Each word of the shorter side across one of the longer, in order, so that they are alike in sum."""
    swapped = len(said) > len(read)
    short, long = (read, said) if swapped else (said, read)
    loose = len(long) - len(short)
    # best[i][skipped]: the likeness of the first i short words when so many long ones before them stand alone.
    best = np.full((len(short) + 1, loose + 1), -np.inf)
    best[0], skips = 0.0, np.zeros((len(short) + 1, loose + 1), int)
    for i, word in enumerate(short, 1):
        for skipped in range(loose + 1):
            likeness = SequenceMatcher(None, word, long[i - 1 + skipped], autojunk=False).ratio()
            before = int(best[i - 1, : skipped + 1].argmax())
            best[i, skipped], skips[i, skipped] = best[i - 1, before] + likeness, before
    partner, skipped = {}, int(best[-1].argmax())
    for i in range(len(short), 0, -1):
        partner[i - 1 + skipped] = short[i - 1]
        skipped = int(skips[i, skipped])
    pairs = [(partner.get(place, ""), word) for place, word in enumerate(long)]
    if swapped:
        pairs = [(word, other) for other, word in pairs]
    return [Edit(SUBSTITUTED if one and other else LEFT_OUT if one else ADDED, one, other) for one, other in pairs]


def _count(counter: Counter[tuple[str, str]], edits: Iterable[Edit]) -> None:
    counter.update((edit.reference, edit.hypothesis) for edit in edits if edit.kind != EQUAL)


def _confusions(counter: Counter[tuple[str, str]]) -> tuple[Confusion, ...]:
    ordered = sorted(counter.items(), key=lambda item: (-item[1], item[0]))
    return tuple(Confusion(*pair, count) for pair, count in ordered)


def lines_csv(comparison: Comparison) -> str:
    """A row for each line: its texts, rates and counts; rates are empty where nothing was counted."""
    rows: list[Sequence[object]] = [
        (
            "name",
            "reference",
            "hypothesis",
            "wer",
            "cer",
            "word_substitutions",
            "word_deletions",
            "word_insertions",
            "words",
            "character_edits",
            "characters",
            "failure",
        )
    ]
    for line in comparison.lines:
        words, characters = line.words, line.characters
        rates = (round(words.rate, 5), round(characters.rate, 5)) if line.counted else ("", "")
        kinds = (words.substitutions, words.deletions, words.insertions, words.units)
        counts = (*kinds, characters.edits, characters.units)
        rows.append((line.name, line.reference, line.hypothesis, *rates, *counts, line.failure))
    return _csv(rows)


def confusions_csv(comparison: Comparison) -> str:
    """A row for each confusion of words and of characters."""
    rows: list[Sequence[object]] = [("unit", "reference", "hypothesis", "count")]
    for unit, confusions in (("word", comparison.words), ("character", comparison.characters)):
        rows += [(unit, one.reference, one.hypothesis, one.count) for one in confusions]
    return _csv(rows)


def _csv(rows: Iterable[Sequence[object]]) -> str:
    file = io.StringIO()
    csv.writer(file, lineterminator="\n").writerows(rows)
    return file.getvalue()
