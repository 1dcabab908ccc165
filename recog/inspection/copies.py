"""What is in a corpus twice, and what one split gives away of another."""

from collections import defaultdict
from collections.abc import Iterator, Sequence

from recog.inspection.finding import Finding, Sample


def copies(samples: Sequence[Sample]) -> Iterator[Finding]:
    """Samples that came before, byte for byte, or as the same words from the same person."""
    by_bytes: dict[str, Sample] = {}
    by_words: dict[tuple[str, str], Sample] = {}
    for sample in samples:
        digest, words = sample.facts.digest, (sample.person, sample.spelled)
        first = by_bytes.setdefault(digest, sample) if digest else sample
        spoken = by_words.setdefault(words, sample) if all(words) else sample
        if first is not sample:
            other = first.spelled != sample.spelled
            if other:
                kind, told = "contradiction", f", where it says {first.row.text[:40]!r}, here {sample.row.text[:40]!r}"
                yield sample.finding(kind, f"the same bytes as {first.where}{told}")
            if first.split is not sample.split:
                yield sample.finding("leaked sample", f"the same bytes as {first.where} ({first.row.id})")
            elif not other:
                yield sample.finding("duplicate", f"the same bytes as {first.where} ({first.row.id})")
        elif spoken is not sample:
            kind = "repeated" if spoken.split is sample.split else "leaked text"
            yield sample.finding(kind, f"{sample.person} has the same text in {spoken.where}: {sample.spelled[:40]!r}")


def leaks(samples: Sequence[Sample]) -> Iterator[Finding]:
    """Persons and pages that a later split shares with an earlier one: one finding for each."""
    for kind, name_of in (("leaked speaker", _person), ("leaked page", _page)):
        places: dict[str, dict[str, list[Sample]]] = defaultdict(lambda: defaultdict(list))
        for sample in samples:
            if name_of(sample):
                places[name_of(sample)][sample.split.name].append(sample)
        for name, by_split in places.items():
            (earlier, theirs), *later = by_split.items()
            for mine in (members for _, members in later):
                told = f"{name}: {len(mine)} rows here, {len(theirs)} in {earlier} (the first in line {theirs[0].row.line})"
                yield mine[0].finding(kind, told)


def _person(sample: Sample) -> str:
    return sample.person


def _page(sample: Sample) -> str:
    """Page 12 of one writer is not page 12 of another."""
    page = sample.row.fields.get("page")
    return f"{sample.person} {page}".strip() if page not in (None, "") else ""
