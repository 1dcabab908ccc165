"""The pages of one document that are done, kept in a file while the others are read: a run that was stopped goes on."""

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

from pipelines.transcript import DocumentPage, PageTranscript, WrittenLine, WrittenWord
from recog import __version__
from recog.errors import InputError


class Journal:
    """A JSON object a line: first what was read and how, then each page. Pages that failed are not kept: they are tried again."""

    def __init__(self, path: Path | None, source: Path, how: str) -> None:
        """`path`: where it lies; None for a journal that keeps nothing. `how`: whatever decides what pages say."""
        self.path = path
        self._source, self._how = source, how
        self._begun = False

    def read(self) -> list[DocumentPage]:
        """The pages of an earlier run of the same file read in the same way; none where anything differs."""
        if self.path is None or not self.path.is_file():
            return []
        found = list[DocumentPage]()
        rows = self.path.read_text(encoding="utf-8", errors="replace").splitlines()
        with suppress(ValueError, TypeError, KeyError):  # the last line of a run that was stopped may be half a line
            if rows and json.loads(rows[0]) == self._head():
                for row in rows[1:]:
                    found.append(_page(json.loads(row)))
        return found

    def add(self, page: DocumentPage) -> None:
        """Keeps a page; the first one begins the file anew, so that pages read earlier have to be added too."""
        if self.path is None or page.transcript is None:
            return
        row = {"number": page.number, **page.transcript.as_json()}
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("a" if self._begun else "w", encoding="utf-8") as file:
                if not self._begun:
                    file.write(json.dumps(self._head()) + "\n")
                file.write(json.dumps(row, ensure_ascii=False) + "\n")
        except OSError as error:
            raise InputError(f"{self.path} cannot be written: {error.strerror}") from error
        self._begun = True

    def _head(self) -> dict[str, Any]:
        state = self._source.stat()
        return {
            "version": __version__,
            "how": self._how,
            "bytes": state.st_size,
            "modified_ns": state.st_mtime_ns,
        }


def _page(row: dict[str, Any]) -> DocumentPage:
    lines = tuple(
        WrittenLine(
            line["text"],
            _box(line["box"]),
            tuple(WrittenWord(word["text"], _box(word["box"]), word["confidence"]) for word in line["words"]),
            tuple((x, y) for x, y in line["baseline"]),
            tuple((x, y) for x, y in line["polygon"]),
        )
        for line in row["lines"]
    )
    return DocumentPage(
        row["number"], PageTranscript(row["text"], lines, row["width"], row["height"], row["calibrated"])
    )


def _box(values: list[int]) -> tuple[int, int, int, int]:
    left, top, right, bottom = values
    return left, top, right, bottom
