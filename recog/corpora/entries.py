"""Text files with one entry a line, as corpora list their utterances: read with line numbers, to refuse by."""

from dataclasses import dataclass
from pathlib import Path

from recog.errors import ManifestError


@dataclass(frozen=True)
class Entry:
    """One line that is not blank."""

    text: str
    number: int
    path: Path

    def refusal(self, wrong: str) -> ManifestError:
        """The error to raise for this line: `wrong` says what it holds and what was expected."""
        return ManifestError(f"line {self.number} of {self.path} {wrong}")

    def pair(self, expected: str) -> tuple[str, str]:
        """First word and the rest; refuses a line with one word alone."""
        first, _, rest = self.text.replace("\t", " ").partition(" ")
        if not rest.strip():
            raise self.refusal(f"is {self.text[:60]!r}; expected {expected}")
        return first, rest.strip()


def entries(path: Path, blank: str | None = None) -> list[Entry]:
    """The entries of a UTF-8 file, without the `blank` characters (None: all white space) at their ends.

    Refuses a file that is not there or in another encoding.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise ManifestError(f"{path} cannot be read as UTF-8 text: {error}") from error
    return [Entry(line.strip(blank), number, path) for number, line in enumerate(lines, 1) if line.strip()]
