"""The buttons that save a result, one for each form of it."""

import tempfile
import threading
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import gradio as gr

from pipelines import page_rendering, rendering
from pipelines.rendering import Rendering
from pipelines.transcript import SpeechTranscript, Transcript
from pipelines.web.result import cache

ZIP = "Save all (ZIP)"
# Files that are remembered: for so many transcripts in every form.
_MOST_MADE = 256


@dataclass(frozen=True)
class Downloads:
    """A row of buttons; `fill` gives their new values in order."""

    # Name of a form in `pipelines.rendering` -> what its button says.
    forms: Mapping[str, str]
    buttons: tuple[gr.DownloadButton, ...]
    # Upload and a number for its transcript -> the files that were made of it: whoever turns a page waits for none of
    # them again. Of the transcripts nothing is kept here.
    _made: OrderedDict[tuple[Path, int], list[Path]] = field(default_factory=OrderedDict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @classmethod
    def draw(
        cls, forms: Mapping[str, str], placed: Mapping[str, gr.DownloadButton] = MappingProxyType({})
    ) -> "Downloads":
        """Places the row inside a Blocks context, but for buttons that were `placed` before; nothing can be saved yet."""
        gr.Markdown("Save as", elem_classes="hint")
        with gr.Row(elem_classes="downloads"):
            buttons = tuple(
                placed[form] if form in placed else gr.DownloadButton(name, size="sm", min_width=80, interactive=False)
                for form, name in forms.items()
            )
            everything = gr.DownloadButton(ZIP, size="sm", min_width=120, interactive=False, visible=False)
        return cls(forms, (*buttons, everything))

    def clear(self) -> list[Any]:
        """Nothing to save."""
        off = [gr.DownloadButton(value=None, interactive=False) for _ in self.forms]
        return [*off, gr.DownloadButton(value=None, interactive=False, visible=False)]

    def fill(self, shown: Transcript, path: Path, others: Sequence[tuple[Transcript, Path]] = ()) -> list[Any]:
        """The transcript of a file in every form; with `others`, a ZIP file of all forms of them all too."""
        buttons = [gr.DownloadButton(value=str(file), interactive=True) for file in self.made(shown, path)]
        if len(others) < 2:
            return [*buttons, gr.DownloadButton(value=None, interactive=False, visible=False)]
        target = Path(tempfile.mkdtemp(dir=cache())) / "transcripts.zip"
        with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
            # Two uploads may bear the same name.
            for number, (transcript, one) in enumerate(others, 1):
                for file in self.made(transcript, one):
                    archive.write(file, f"{number:02}-{file.name}")
        return [*buttons, gr.DownloadButton(value=str(target), interactive=True, visible=True)]

    def made(
        self, transcript: Transcript, path: Path, tell: Callable[[str], object] = lambda name: None
    ) -> Sequence[Path]:
        """A file for each form: those that were made before, where they still lie there. `tell` is told of each new one."""
        key = path, hash(transcript)
        with self._lock:
            files = self._made.pop(key, [])
        if not files or not all(file.exists() for file in files):
            files = self.write(transcript, path, Path(tempfile.mkdtemp(dir=cache())), tell)
        with self._lock:
            self._made[key] = files
            while len(self._made) > _MOST_MADE:
                self._made.popitem(last=False)
        return files

    def write(
        self,
        transcript: Transcript,
        path: Path,
        folder: Path,
        tell: Callable[[str], object] = lambda name: None,
    ) -> list[Path]:
        """A file for each form, called after what was uploaded; the place where that lay is nobody's affair."""
        files = []
        content = None if isinstance(transcript, SpeechTranscript) else path.read_bytes()
        for form in self.forms:
            tell(form)
            if isinstance(transcript, SpeechTranscript):
                ending = rendering.SUFFIXES[form]
            else:
                ending = page_rendering.ending(transcript, form)
            # What would be a folder is packed, and two forms of it must not bear one name.
            which = {"gt": "-lines"}.get(form, f"-{form}") if ending == ".zip" else ""
            target = folder / f"{path.stem}{which}{ending}"
            rendering.write(rendering.render(transcript, Path(path.name), Rendering(form), content), target)
            files.append(target)
        return files
