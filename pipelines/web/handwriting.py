"""The handwriting tab: a picture of a line or a page -> its text, and the page with what was found drawn over it."""

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import gradio as gr
from PIL import Image

from pipelines.handwriting import HandwritingPipeline
from pipelines.transcript import DocumentPage, DocumentTranscript, PageTranscript, Written
from pipelines.web import pad, sheet
from pipelines.web.downloads import Downloads
from pipelines.web.limits import Limits, refusal, told
from pipelines.web.once import Once
from pipelines.web.result import COPY, cache
from pipelines.web.work import Sessions, Work, bar, session
from recog import scan
from recog.errors import RecogError
from recog.scan import Scan

HERE = Path(__file__).parent / "examples"
EXAMPLES = {
    "an English line": HERE / "line-english.webp",
    "a French line": HERE / "line-french.webp",
    "a French page": HERE / "page-french.webp",
}
# The camera that looks away from the user, and letters the right way round.
CAMERA = gr.WebcamOptions(
    mirror=False, constraints={"video": {"facingMode": {"ideal": "environment"}, "width": {"ideal": 2560}}}
)
FORMS = {
    "txt": "Text",
    "page": "PAGE",
    "alto": "ALTO",
    "hocr": "hOCR",
    "pdf": "PDF",
    "json": "JSON",
    "gt": "Use my corrections to train",
}
MOST_PAGES = 100


def load(name_or_path: str | Path) -> HandwritingPipeline:
    """A pipeline that has read an example: what is compiled on first use is compiled before anybody waits for it."""
    pipeline = HandwritingPipeline.load(name_or_path)
    pipeline(HERE / "line-english.webp")
    return pipeline


@dataclass(frozen=True)
class Sheet:
    """A page on the screen."""

    # As it was uploaded; which page of it, from 1, and of how many.
    path: Path
    number: int
    of: int
    # What browsers show of it, in the same pixels.
    picture: Path
    transcript: PageTranscript | None = None

    @property
    def name(self) -> str:
        """What the user calls it."""
        return f"{self.path.name}, page {self.number}" if self.of > 1 else self.path.name


class HandwritingTab:
    """Draws the tab inside a Blocks context; its methods are what happens on the page."""

    def __init__(self, page: gr.Blocks, pipeline: Once[HandwritingPipeline], limits: Limits) -> None:
        self.pipeline, self.limits, self.sessions = pipeline, limits, Sessions()
        self.kept = gr.State((), time_to_live=60 * limits.keep_minutes)
        notice = gr.Markdown(visible=False, elem_classes="notice")
        with gr.Row(equal_height=False):
            with gr.Column(min_width=300):
                self._draw_inputs()
            with gr.Column(min_width=300):
                self.chosen = gr.Dropdown(label="Page", choices=[], visible=False, type="index")
                self.progress = gr.HTML(elem_classes="waiting")
                self.sheet = sheet.part()
                self.summary = gr.Markdown(elem_classes="hint")
                self.copy = gr.Button("Copy text", size="sm", min_width=90, interactive=False)
                self.downloads = Downloads.draw(FORMS)
                self.copy.click(None, js=COPY)
        self._connect(page, notice)

    def _draw_inputs(self) -> None:
        limits = self.limits
        self.files = gr.File(
            label="Pictures or PDF files",
            file_types=["image", ".pdf", ".tif", ".tiff"],
            file_count="multiple",
            type="filepath",
            height=150,
        )
        gr.Markdown(
            f"Each page up to {limits.megapixels:g} megapixels, each file up to {limits.megabytes} MB and "
            f"{MOST_PAGES} pages. Or photograph or paste a picture, or write here:",
            elem_classes="hint",
        )
        with gr.Tabs():
            with gr.Tab("Write"):
                self.pad = pad.part()
            with gr.Tab("Camera"):
                self.camera = gr.Image(
                    label="Photograph or pasted picture",
                    sources=["webcam", "clipboard"],
                    type="filepath",
                    image_mode=None,  # the file as it came, not one that gradio stored again
                    webcam_options=CAMERA,
                    height=280,
                    buttons=["fullscreen"],
                    elem_classes="picture",
                )
        self.fast = gr.Checkbox(
            label="Fast, without search",
            info="Takes the likeliest letter at every place; quicker, a little less exact.",
        )
        with gr.Row():
            self.go = gr.Button("Transcribe", variant="primary", min_width=120)
            self.stop = gr.Button("Cancel", variant="stop", min_width=90, visible=False)
        with gr.Row():
            self.examples = [
                (gr.Button(f"Try {name}", size="sm", min_width=90), path) for name, path in EXAMPLES.items()
            ]

    def _connect(self, page: gr.Blocks, notice: gr.Markdown) -> None:
        """What leads to what."""
        quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
        waited: dict[str, Any] = {"show_progress_on": [self.progress], "api_visibility": "private"}
        seen = [self.kept, self.chosen, self.progress, self.sheet, self.summary, self.copy, *self.downloads.buttons]
        # What was uploaded moves into the page's place; files that were refused make room for the next ones too.
        taken = self.files.upload(self.take, self.files, seen, **waited)
        taken.then(lambda: None, None, self.files, **quiet)
        taken.failure(self.empty, None, seen, **quiet)
        self.camera.input(lambda path: list(self.take([path] if path else []))[-1], self.camera, seen, **quiet)
        begun = [self.go.click(lambda: gr.Button(visible=True), None, self.stop, queue=False, **quiet)]
        coming = [self.pad.submit(self.drawn, None, seen, **quiet)]
        coming += [
            button.click(lambda path=path: self.take_example(path), None, seen, **quiet)
            for button, path in self.examples
        ]
        begun += [one.success(lambda: gr.Button(visible=True), None, self.stop, queue=False, **quiet) for one in coming]
        runs = [one.then(self.transcribe, [self.kept, self.fast], seen, **waited) for one in begun]
        for one in runs:
            one.then(lambda: gr.Button(visible=False), None, self.stop, **quiet)
        self.stop.click(
            self.stopped, [self.kept, self.chosen], [self.stop, *seen], cancels=[taken, *runs], queue=False, **quiet
        )
        self.chosen.input(self.choose, [self.kept, self.chosen], seen, **quiet)
        self.sheet.submit(self.correct, [self.kept, self.chosen], seen, **quiet)
        page.load(self.notice, None, notice, **quiet)

    def notice(self) -> Any:
        """What is missing, said before anybody uploads anything."""
        problem = self.pipeline.problem()
        return gr.Markdown(f"**Handwriting cannot be read yet:** {problem}", visible=bool(problem))

    # What is shown ----------------------------------------------------------------------------------------------------

    def show(self, kept: Sequence[Sheet], chosen: int = 0, summary: str = "") -> list[Any]:
        """Values of everything that shows a page: the chosen one of those that are kept."""
        one, names = kept[chosen], [each.name for each in kept]
        chooser = gr.Dropdown(choices=names, value=names[chosen], visible=len(kept) > 1)
        if one.transcript is None:
            with Image.open(one.picture) as opened:
                bare = PageTranscript("", (), *opened.size)
            off = gr.Button(interactive=False)
            return [tuple(kept), chooser, "", sheet.show(bare, one.picture), summary, off, *self.downloads.clear()]
        documents = [
            (document, path) for path in dict.fromkeys(each.path for each in kept) if (document := of_file(kept, path))
        ]
        own = next(document for document, path in documents if path == one.path)
        saved = self.downloads.fill(own, one.path, documents)
        on = gr.Button(interactive=bool(one.transcript.text))
        return [tuple(kept), chooser, "", sheet.show(one.transcript, one.picture), summary, on, *saved]

    def empty(self) -> list[Any]:
        """What is shown when there is nothing to show."""
        off = gr.Button(interactive=False)
        return [(), gr.Dropdown(choices=[], visible=False), "", sheet.empty(), "", off, *self.downloads.clear()]

    def choose(self, kept: Sequence[Sheet], chosen: int | None) -> list[Any]:
        """Another of several pages."""
        if not kept:
            raise refusal("These pages have been deleted; choose them again")
        return self.show(kept, min(chosen or 0, len(kept) - 1))

    def _waiting(self, progress: str, kept: Any = None) -> list[Any]:
        rest = [gr.skip()] * (3 + len(self.downloads.buttons))
        return [gr.skip() if kept is None else kept, gr.skip(), progress, *rest]

    # Pages come -------------------------------------------------------------------------------------------------------

    def take(self, uploaded: list[str] | None, request: gr.Request | None = None) -> Iterator[list[Any]]:
        """Uploaded files -> pages on the screen; files that cannot be read are refused at once, each in a sentence."""
        paths = [Path(one) for one in uploaded or []]
        if not paths:
            yield [gr.skip()] * (6 + len(self.downloads.buttons))
            return
        refused: list[gr.Error] = []

        def read(work: Work[list[Sheet]]) -> list[Sheet]:
            taken: list[Sheet] = []
            for path in paths:
                try:
                    with told(path):
                        taken += self._pages(path, work)
                except gr.Error as error:
                    refused.append(error)
            return taken

        work = self.sessions.begin(session(request), Work(read))
        for step, seconds in work.run():
            yield self._waiting(bar(step, seconds))
        if not work.result:
            raise refused[0]
        for error in refused:
            gr.Warning(error.message, duration=None)
        yield self.show(work.result)

    def _pages(self, path: Path, work: Work[list[Sheet]]) -> list[Sheet]:
        work.tell(about=f"Opening {path.name}")
        folder = Path(tempfile.mkdtemp(dir=cache()))
        found = []
        with Scan(path, scan.Limits(MOST_PAGES, self.limits.megapixels)) as pages:
            for number in range(len(pages)):
                picture = folder / f"{path.stem}-{number + 1}.png"
                pages.read(number).save(picture, compress_level=1)
                found.append(Sheet(path, number + 1, len(pages), picture))
                work.tell(number + 1, len(pages), f"Opening {path.name}")
        return found

    def take_example(self, path: Path) -> list[Any]:
        """A picture that comes with recog."""
        return list(self.take([shutil.copy(path, tempfile.mkdtemp(dir=cache()))]))[-1]

    def drawn(self, event: gr.EventData) -> list[Any]:
        """What was written on the page."""
        try:
            path = pad.save(event.picture, Path(tempfile.mkdtemp(dir=cache())))
        except RecogError as error:
            raise refusal(str(error)) from error
        return list(self.take([str(path)]))[-1]

    # Pages are read ---------------------------------------------------------------------------------------------------

    def transcribe(
        self, kept: Sequence[Sheet], fast: bool = False, request: gr.Request | None = None
    ) -> Iterator[list[Any]]:
        """The pages on the screen -> their texts, one after another; the first one is shown."""
        if not kept:
            raise refusal("There is no picture yet; choose or paste one, take a photo, write, or try an example")
        kept = [replace(one, transcript=None) for one in kept]

        def read(work: Work[None]) -> None:
            work.tell(about="Getting ready")
            for number, one in enumerate(kept):
                with told(one.path):
                    pipeline = self.pipeline()
                    if fast:
                        greedy = replace(pipeline.recognizer.options, beam=0)
                        pipeline = HandwritingPipeline(pipeline.recognizer.bundle, greedy)
                    work.tell(number, len(kept), f"Reading {one.name}")
                    kept[number] = replace(one, transcript=pipeline(one.picture))

        work = self.sessions.begin(session(request), Work(read))
        for step, seconds in work.run():
            yield self._waiting(bar(step, seconds), tuple(kept))
        yield self.show(kept, 0, summarise(kept, work.seconds))

    def stopped(self, kept: Sequence[Sheet], chosen: int | None, request: gr.Request | None = None) -> list[Any]:
        """The user has waited enough: the pages that were read until then stay."""
        self.sessions.stop(session(request))
        return [gr.Button(visible=False), *(self.choose(kept, chosen) if kept else self.empty())]

    def correct(self, kept: Sequence[Sheet], chosen: int | None, event: gr.EventData) -> list[Any]:
        """The lines as the user corrected them -> words in their places, and files of them."""
        chosen = min(chosen or 0, len(kept) - 1)
        if not kept or (before := kept[chosen].transcript) is None:
            raise refusal("This page has been deleted; choose it again")
        with told(kept[chosen].path):
            after = sheet.corrected(before, event.texts)
        changed = [replace(one, transcript=after) if at == chosen else one for at, one in enumerate(kept)]
        return self.show(changed, chosen, "Corrected; words that you wrote are taken to be right.")


def of_file(kept: Sequence[Sheet], path: Path) -> Written | None:
    """What is known of a file: its one page, or the document of all that were read; None where none was."""
    own = [one for one in kept if one.path == path and one.transcript is not None]
    if not own:
        return None
    if own[0].of == 1 and path.suffix.lower() != ".pdf":
        return own[0].transcript
    return DocumentTranscript(tuple(DocumentPage(one.number, one.transcript) for one in own))


def summarise(kept: Sequence[Sheet], seconds: float) -> str:
    """One line below the text."""
    read = [one.transcript for one in kept if one.transcript is not None]
    words, lines = sum(len(one.words) for one in read), sum(len(one.lines) for one in read)
    if not words:
        return "No writing was found in this picture."
    pages = f" on {len(read)} pages" if len(read) > 1 else ""
    return (
        f"{words} word{'s' * (words != 1)} in {lines} line{'s' * (lines != 1)}{pages}, read in {seconds:.1f} s. "
        "Shaded words are unsure."
    )
