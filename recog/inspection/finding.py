"""The records of an inspection: manifests as they were read, samples with all that is known of them, faults found."""

from dataclasses import dataclass
from pathlib import Path

from recog import manifest
from recog.inspection.facts import Facts
from recog.manifest import Malformed, Row

# Kinds of findings in the order of a report. Errors: rows of no use, and figures that would lie.
ERRORS = {
    "malformed": "lines of the manifest that are no rows",
    "medium": "rows of the other medium",
    "missing": "files that do not exist",
    "unreadable": "files that cannot be read",
    "damaged": "files that cannot be decoded, or not wholly",
    "duration": "recordings of another length than their row says",
    "empty": "texts with nothing left under the text rule",
    "infeasible": "texts with more characters than the network has frames for",
    "alphabet": "characters outside the alphabet",
    "leaked sample": "the same bytes in two manifests",
    "leaked page": "pages in two manifests",
    "contradiction": "the same bytes twice, with different texts",
}
# Worth a look; nothing that keeps anybody from training.
WARNINGS = {
    "leaked text": "the same text by the same speaker or writer in two manifests",
    "leaked speaker": "speakers or writers in two manifests",
    "duplicate": "the same bytes twice in a manifest",
    "repeated": "the same text by the same speaker or writer, twice in a manifest",
    "unseen": "characters that the first manifest, whose texts make the alphabet, never holds",
    "markup": "texts with character references or tags of HTML and XML",
    "rare": "characters that are too rare to be learnt",
    "pace": "texts that are far too long or short for their sample",
    "silent": "recordings that are mostly or wholly silence",
    "clipped": "recordings driven beyond full scale",
    "blank": "pictures almost without contrast",
    "inverted": "pictures with light ink on dark paper",
}
KINDS = ERRORS | WARNINGS


@dataclass(frozen=True)
class Finding:
    """One fault."""

    kind: str
    # The manifest as it was named, and the line; 0 for what concerns the manifest as a whole.
    manifest: str
    line: int
    # The sample as the manifest names it; "" for what concerns no single one.
    sample: str
    message: str
    # How far from the others, where that can be said: the farthest come first.
    weight: float = 0.0

    @property
    def is_error(self) -> bool:
        """Whether the row is of no use, or a figure would lie."""
        return self.kind in ERRORS


@dataclass(frozen=True)
class Split:
    """One manifest."""

    name: str
    rows: tuple[Row, ...]
    malformed: tuple[Malformed, ...] = ()


@dataclass(frozen=True)
class Sample:
    """A row with all that is known of it."""

    split: Split
    row: Row
    # Under the text rule.
    spelled: str
    facts: Facts

    @property
    def where(self) -> str:
        """Manifest and line."""
        return f"{self.split.name}:{self.row.line}"

    @property
    def person(self) -> str:
        """The speaker or writer; "" where the row names none."""
        return str(self.row.fields.get("speaker") or self.row.fields.get("writer") or "")

    def finding(self, kind: str, message: str, weight: float = 0.0) -> Finding:
        """A fault of this sample."""
        return Finding(kind, self.split.name, self.row.line, self.row.id, message, weight)


def read(path: str | Path) -> Split:
    """A manifest with its malformed lines. Refuses a file that cannot be read as text."""
    lines = list(manifest.scan(path))
    return Split(
        str(path),
        tuple(line for line in lines if isinstance(line, Row)),
        tuple(line for line in lines if isinstance(line, Malformed)),
    )


def counted(count: int, noun: str) -> str:
    """A number with its noun: 1 row, 2 rows."""
    return f"{count} {noun}{'' if count == 1 else 's'}"
