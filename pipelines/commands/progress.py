"""How far a recording is, and the time left, on stderr where that is a terminal."""

from pathlib import Path
from types import TracebackType

from tqdm import tqdm

from pipelines.speech import Progress


class Bars:
    """A bar for each of several recordings, one after another; none for those that are done within a second."""

    def __init__(self, files: int) -> None:
        self._files, self._begun = files, 0
        self._bar: tqdm[None] | None = None

    def __enter__(self) -> "Bars":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.clear()

    def clear(self) -> None:
        """Takes the bar away, so that something can be printed."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def begin(self, path: Path) -> Progress:
        """What is to be told how far `path` is, in seconds of sound or in pages."""
        from pipelines.transcription import IMAGE_SUFFIXES

        unit = "pages" if path.suffix.lower() in IMAGE_SUFFIXES else "s"
        self.clear()
        self._begun += 1
        which = f"{self._begun}/{self._files} " if self._files > 1 else ""
        bar = self._bar = tqdm(
            desc=which + path.name[:40],
            unit=unit,
            delay=1.0,
            leave=False,
            disable=None,
            bar_format="{desc}: {percentage:3.0f}%|{bar}| {n:.0f}/{total:.0f} " + unit + " [{elapsed}<{remaining}]",
            total=1.0,
        )

        def tell(done: float, total: float | None) -> None:
            if total is None:
                bar.bar_format = "{desc}: {n:.0f} s done [{elapsed}]"
            bar.total = None if total is None else max(total, done)
            bar.update(done - bar.n)

        return tell
