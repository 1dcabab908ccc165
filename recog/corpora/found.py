"""What an importer makes of a source: samples, and, by reason, the names of those it had to leave out."""

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from recog.errors import ManifestError


@dataclass(frozen=True)
class Sample:
    """One future manifest row."""

    # Samples of one group are one voice, one hand or one text: they stay together in training or in dev.
    group: str
    # The manifest's object.
    row: dict[str, Any]
    # What the corpus itself wants it used for: "train", "dev" or "test"; "" where it leaves that to others.
    use: str = ""


@dataclass(frozen=True)
class Found:
    """Collected while a source is walked; nothing that was seen is missing from both."""

    samples: list[Sample] = field(default_factory=list)
    # Reason -> names of what was left out for it.
    left_out: dict[str, list[str]] = field(default_factory=dict)
    # What writes the media that rows name but the source holds only as parts of larger files; run before manifests.
    work: list[Callable[[], None]] = field(default_factory=list, compare=False)

    def leave_out(self, reason: str, name: str) -> None:
        """Notes that something cannot be used."""
        self.left_out.setdefault(reason, []).append(name)

    def usable(self, looked_for: str, source: Path) -> "Found":
        """Itself; refuses a source without a single sample, telling what was looked for and what was met instead."""
        if self.samples:
            return self
        met = "; ".join(f"{len(names)} x {reason} (first: {names[0]})" for reason, names in self.left_out.items())
        raise ManifestError(
            f"{source} holds nothing to make a manifest of: looked for {looked_for}; found {met or 'none'}"
        )


def transcript(path: Path, found: Found, name: str) -> str:
    """The text of a UTF-8 file with white space collapsed; "" after noting in `found` that there is none to be had."""
    try:
        text = " ".join(path.read_text(encoding="utf-8-sig").split())
    except (OSError, UnicodeDecodeError):
        found.leave_out("text that cannot be read as UTF-8", name)
        return ""
    if not text:
        found.leave_out("empty text", name)
    return text


def written_path(path: Path, base: Path) -> str:
    """A path as a manifest in the folder `base` writes it: relative to that folder if inside it, else absolute."""
    whole, base = Path(os.path.abspath(path)), Path(os.path.abspath(base))  # noqa: PTH100 - resolve() would follow links
    return whole.relative_to(base).as_posix() if whole.is_relative_to(base) else str(whole)


def walk(source: Path, found: Found) -> list[Path]:
    """All files below a folder, in the order of their names; those that no manifest can name are noted in `found`.

    Refuses what is not a folder.
    """
    if not source.is_dir():
        raise ManifestError(f"{source} is not a folder; name the folder that holds the corpus")
    files = []
    for path in sorted(source.rglob("*")):
        shown = str(path).encode(errors="backslashreplace").decode()
        if shown != str(path):  # bytes of another encoding, as old archives leave them
            found.leave_out("a file name that is not UTF-8", shown)
        elif path.is_file():
            files.append(path)
    return files
