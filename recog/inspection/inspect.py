"""Manifests against a frontend, an alphabet, a network's lengths and each other. Prints nothing."""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from recog import text
from recog.alphabet import Alphabet
from recog.ctc.align import required_frames
from recog.frontend import Frontend, media
from recog.inspection.copies import copies, leaks
from recog.inspection.facts import Facts, Sound
from recog.inspection.finding import KINDS, Finding, Sample, Split, counted
from recog.inspection.outliers import pace, pictures, sounds

# Characters seen less often are hardly learnt.
_RARE = 5
_MARKUP = re.compile(r"&(?:[a-z]{2,8}|#\d+|#x[0-9a-f]+);|</?[a-z][^<>]{0,40}>", re.IGNORECASE)


@dataclass(frozen=True)
class Standard:
    """What the rows are to be held against: the same frontend, rule and lengths that training would use."""

    frontend: Frontend
    text_rule: str
    # Frames of the frontend -> frames of the network.
    shorten: Callable[[int], int]
    # A bundle's, or None: made from the texts of the first split, as training does.
    alphabet: Alphabet | None = None
    # Characters rarer than this are left out of an alphabet made here (data.rare).
    rare: int = 1


@dataclass(frozen=True)
class Inspection:
    """All that was found, by kind in the order of KINDS, then by manifest and line."""

    findings: tuple[Finding, ...]
    alphabet: Alphabet

    @property
    def errors(self) -> int:
        """How many findings are errors."""
        return sum(finding.is_error for finding in self.findings)

    def kinds(self) -> dict[str, list[Finding]]:
        """The findings by kind, without kinds of which there is none."""
        found: dict[str, list[Finding]] = {}
        for finding in self.findings:
            found.setdefault(finding.kind, []).append(finding)
        return found


def inspect(splits: Sequence[Split], standard: Standard, facts: Mapping[Path, Facts]) -> Inspection:
    """Holds the rows of one or more splits, the training split first, against the standard and each other.

    `facts` has an entry for the path of every row of the standard's medium.
    """
    rule, medium = text.rule(standard.text_rule), media(standard.frontend)
    samples = [
        Sample(split, row, rule(row.text), facts[row.path])
        for split in splits
        for row in split.rows
        if row.media == medium
    ]
    alphabet = standard.alphabet or _made(samples, splits, standard.rare)
    found = [
        *_lines(splits, medium),
        *_files(samples),
        *_texts(samples, standard),
        *_characters(samples, splits, alphabet, standard),
        *copies(samples),
        *leaks(samples),
        *pace(samples, is_sound=medium == "audio"),
        *sounds(samples),
        *pictures(samples),
    ]
    order, places = {kind: n for n, kind in enumerate(KINDS)}, {split.name: n for n, split in enumerate(splits)}
    found.sort(key=lambda one: (order[one.kind], places[one.manifest], -one.weight, one.line))
    return Inspection(tuple(found), alphabet)


def _made(samples: Sequence[Sample], splits: Sequence[Split], rare: int) -> Alphabet:
    """The alphabet that training on the first split would have; a blank space where it has no text at all."""
    texts = [sample.spelled for sample in samples if sample.split is splits[0]]
    counts = Counter(character for spelled in texts for character in spelled)
    return Alphabet.from_texts(texts, rare) if max(counts.values(), default=0) >= rare else Alphabet((" ",))


def _lines(splits: Sequence[Split], medium: str) -> Iterator[Finding]:
    for split in splits:
        for bad in split.malformed:
            yield Finding("malformed", split.name, bad.line, "", bad.reason)
        for row in split.rows:
            if row.media != medium:
                yield Finding("medium", split.name, row.line, row.id, f"is {row.media!r}; expected {medium!r}")


def _files(samples: Sequence[Sample]) -> Iterator[Finding]:
    for sample in samples:
        facts, told = sample.facts, sample.row.duration
        if facts.trouble:
            yield sample.finding(facts.trouble, facts.reason)
        elif facts.damage:
            more = f", and {len(facts.damage) - 1} more" if len(facts.damage) > 1 else ""
            yield sample.finding("damaged", facts.damage[0] + more)
        elif isinstance(facts.content, Sound) and told is not None and _differ(facts.content.seconds, told):
            seconds = facts.content.seconds
            yield sample.finding("duration", f"the row says {told:.2f} s, {seconds:.2f} s can be decoded")


def _differ(seconds: float, told: float) -> bool:
    """By more than what codecs add at the ends."""
    return abs(seconds - told) > 0.1 + 0.05 * told


def _texts(samples: Sequence[Sample], standard: Standard) -> Iterator[Finding]:
    for sample in samples:
        marked = _MARKUP.findall(sample.row.text)
        if marked:
            yield sample.finding("markup", f"holds {', '.join(sorted(set(marked)))}: {sample.row.text[:40]!r}")
        if not sample.spelled:
            yield sample.finding("empty", f"nothing is left of {sample.row.text[:40]!r}")
        elif sample.facts.content is not None:
            frames = standard.shorten(sample.facts.frames)
            needed = required_frames([ord(character) for character in sample.spelled])
            if needed > frames:
                yield sample.finding(
                    "infeasible",
                    f"{len(sample.spelled)} characters need {needed} frames, the network gives {frames}: "
                    f"{sample.spelled[:40]!r}",
                )


def _characters(
    samples: Sequence[Sample], splits: Sequence[Split], alphabet: Alphabet, standard: Standard
) -> Iterator[Finding]:
    known = set(alphabet.symbols)
    for split in splits:
        counts: Counter[str] = Counter()
        rows: dict[str, list[Sample]] = defaultdict(list)
        for sample in samples:
            if sample.split is split:
                counts.update(sample.spelled)
                for character in set(sample.spelled):
                    rows[character].append(sample)
        made_here = split is splits[0] and standard.alphabet is None
        for character, count in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
            first = rows[character][0]
            told = f"U+{ord(character):04X} {character!r}: {counted(count, 'time')} in {counted(len(rows[character]), 'row')}"
            if made_here and (count < _RARE or character not in known):
                fate = "; its rows are left out (data.rare)" if character not in known else ""
                yield first.finding("rare", told + fate)
            elif not made_here and character not in known:
                yield first.finding("alphabet" if standard.alphabet else "unseen", told)
