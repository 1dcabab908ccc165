"""The handwriting tab: a picture of a line or a page -> its text, and the page with what was found drawn over it."""

import itertools
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr

from pipelines.handwriting import HandwritingPipeline
from pipelines.web import pad, sheet, sheets
from pipelines.web.downloads import Downloads
from pipelines.web.limits import Limits, refusal, sentence, told, warn_of
from pipelines.web.once import Once
from pipelines.web.result import COPY, cache
from pipelines.web.sheets import MOST_PAGES, Sheet
from pipelines.web.work import Sessions, Work, bar, session
from recog.errors import RecogError

# Writing files that takes longer can be cancelled; for less, a button would only flicker.
_CANCEL_SECONDS = 0.5
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


def load(name_or_path: str | Path) -> HandwritingPipeline:
    """A pipeline that has read an example: what is compiled on first use is compiled before anybody waits for it."""
    pipeline = HandwritingPipeline.load(name_or_path)
    pipeline(HERE / "line-english.webp")
    return pipeline


class HandwritingTab:
    """Draws the tab inside a Blocks context; its methods are what happens on the page."""

    def __init__(self, page: gr.Blocks, pipeline: Once[HandwritingPipeline], limits: Limits) -> None:
        self.pipeline, self.limits = pipeline, limits
        self.sessions, self.savings = Sessions(), Sessions()
        # Seconds that a page took to be read the last time; at first a guess.
        self.pace = 4.0
        self.kept = gr.State((), time_to_live=60 * limits.keep_minutes)
        notice = gr.Markdown(visible=False, elem_classes="notice")
        with gr.Row(equal_height=False):
            with gr.Column(min_width=300):
                self._draw_inputs()
            with gr.Column(min_width=300):
                self.chosen = gr.Dropdown(label="Page", choices=[], visible=False, type="index")
                self.sheet = sheet.part()
                self.summary = gr.Markdown(elem_classes="hint")
                with gr.Row():
                    self.copy = gr.Button("Copy text", size="sm", min_width=90, interactive=False)
                    learn = gr.DownloadButton(FORMS["gt"], size="sm", min_width=90, interactive=False)
                self.downloads = Downloads.draw(FORMS, {"gt": learn})
                self.again = gr.Button("Write the files to save", size="sm", visible=False)
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
        # Where the eye is when the button was pressed, on a phone too.
        self.progress = gr.HTML("", padding=False)
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
        begin: dict[str, Any] = {"fn": lambda: gr.Button(visible=True), "outputs": self.stop, "queue": False, **quiet}
        taken = self.files.upload(**begin).then(self.take, self.files, seen, **waited)
        taken.success(lambda: [None, gr.Button(visible=False)], None, [self.files, self.stop], **quiet)
        none = [self.files, self.stop, *seen]
        taken.failure(lambda: [None, gr.Button(visible=False), *self.empty()], None, none, queue=False, **quiet)
        self.camera.input(lambda path: list(self.take([path] if path else []))[-1], self.camera, seen, **quiet)
        begun = [self.go.click(**begin)]
        coming = [self.pad.submit(self.drawn, None, seen, **quiet)]
        coming += [
            button.click(lambda path=path: self.take_example(path), None, seen, **quiet)
            for button, path in self.examples
        ]
        begun += [one.success(**begin) for one in coming]
        runs = [one.then(self.transcribe, [self.kept, self.fast], seen, **waited) for one in begun]
        place = [self.kept, self.chosen]
        done = []
        for one in runs:
            # What stands in `then` is not done after a failure; gradio takes a cancel for one.
            done.append(one.failure(self.ended, place, [self.stop, *seen], queue=False, **quiet))
            done.append(one.success(lambda: gr.Button(visible=False), None, self.stop, **quiet))
        done += [
            self.chosen.input(self.choose, place, seen, **quiet),
            self.sheet.submit(self.correct, place, seen, **quiet),
            self.again.click(lambda: None, None, None, **quiet),
        ]
        state = [self.stop, self.again, self.progress]
        saved = [one.then(self.save, place, [*state, *self.downloads.buttons], **waited) for one in done]
        for one in saved:
            one.failure(self.unsaved, None, state, queue=False, **quiet)
        self.stop.click(self.stopped, None, None, cancels=[taken, *runs, *saved], queue=False, **quiet)
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
        copy = gr.Button(interactive=bool(one.transcript and one.transcript.text))
        # Files to save follow, by `save`: of many pages they take a while, and the text need not wait for them.
        return [tuple(kept), chooser, "", sheets.drawn(one), summary, copy, *self.downloads.clear()]

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
        refused: list[str] = []

        def read(work: Work[list[Sheet]]) -> list[Sheet]:
            taken: list[Sheet] = []
            for path in paths:
                try:
                    taken += sheets.take(path, self.limits, partial(_opening, work, path.name))
                except RecogError as error:
                    refused.append(sentence(error, path))
            return taken

        work = self.sessions.begin(session(request), Work(read))
        for step, seconds in work.run():
            yield self._waiting(bar(step, seconds))
        taken = work.result
        if not taken:
            raise refusal(refused[0])
        warn_of(refused + [one.failure for one in taken if one.failure])
        yield self.show(taken, sheets.first(taken, lambda one: not one.failure))

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
        # Why a page could not be opened stays true; why it could not be read may have been another bundle's trouble.
        kept = [replace(one, transcript=None, failure="" if one.picture else one.failure) for one in kept]

        def read(work: Work[None]) -> None:
            work.tell_ready("Getting ready", self.pipeline.left)
            try:
                pipeline = self.pipeline()
            except RecogError as error:
                raise refusal(str(error)) from error
            if fast:
                greedy = replace(pipeline.recognizer.options, beam=0)
                pipeline = HandwritingPipeline(pipeline.recognizer.bundle, greedy)
            for number, one in enumerate(kept):
                began = work.seconds
                expected = self.pace * (len(kept) - number)
                work.tell(number, len(kept), _about(number, len(kept), one.name), left=expected)
                if one.picture is not None:
                    kept[number] = self._read(
                        one, one.picture, pipeline, partial(_reading, work, number, len(kept), one.name)
                    )
                    self.pace = work.seconds - began

        work = self.sessions.begin(session(request), Work(read))
        for step, seconds in work.run():
            yield self._waiting(bar(step, seconds), tuple(kept))
        failures = [one.failure for one in kept if one.failure]
        if len(failures) == len(kept):
            raise refusal(failures[0])
        warn_of([one.failure for one in kept if one.failure and one.picture])  # of the others the user has been told
        yield self.show(
            kept, sheets.first(kept, lambda one: one.transcript is not None), sheets.summarise(kept, work.seconds)
        )

    def _read(self, one: Sheet, picture: Path, pipeline: HandwritingPipeline, tell: Callable[[float], None]) -> Sheet:
        """A page with its text, or with the sentence that says why there is none: it costs only itself."""
        try:
            return replace(one, transcript=pipeline(picture, tell))
        except RecogError as error:
            return replace(one, failure=str(error).replace(str(picture), one.name))

    def save(self, kept: Sequence[Sheet], chosen: int | None, request: gr.Request | None = None) -> Iterator[list[Any]]:
        """The files to save of all pages that were read; the buttons get those of the chosen one."""
        documents = sheets.documents(kept)
        total, done = len(documents) * len(FORMS), itertools.count()
        path = kept[min(chosen or 0, len(kept) - 1)].path if kept else None
        own = next((document for document, one in documents if one == path), None)

        def write(work: Work[list[Any]]) -> list[Any]:
            def tell(name: str, form: str) -> None:
                work.tell(next(done), total, f"Writing {name} as {FORMS[form]}")

            for document, one in documents:
                self.downloads.made(document, one, partial(tell, one.name))
            work.tell(total, total, "Packing the files")
            return self.downloads.fill(own, path, documents) if own and path else self.downloads.clear()

        # Sessions of their own: it does not end what the user may have begun meanwhile.
        work = self.savings.begin(session(request), Work(write))
        hidden, rest = gr.Button(visible=False), [gr.skip()] * len(self.downloads.buttons)
        for step, seconds in work.run():
            shown = gr.Button(visible=True) if seconds >= _CANCEL_SECONDS else gr.skip()
            yield [shown, hidden, bar(step, seconds), *rest]
        yield [self._cancel(request), hidden, "", *work.result]

    def unsaved(self, request: gr.Request | None = None) -> list[Any]:
        """The files are not wanted now, or could not be written: whoever wants them can have them written again."""
        return [self._cancel(request), gr.Button(visible=True), ""]

    def _cancel(self, request: gr.Request | None) -> gr.Button:
        """The button to cancel, which stays while pages are read."""
        return gr.Button(visible=self.sessions.busy(session(request)))

    def ended(self, kept: Sequence[Sheet], chosen: int | None) -> list[Any]:
        """The reading was refused, has failed or was stopped: the pages that were read until then stay."""
        return [gr.Button(visible=False), *(self.choose(kept, chosen) if kept else self.empty())]

    def stopped(self, request: gr.Request | None = None) -> None:
        """The user has waited enough; `ended` shows what there is."""
        self.sessions.stop(session(request))
        self.savings.stop(session(request))

    def correct(self, kept: Sequence[Sheet], chosen: int | None, event: gr.EventData) -> list[Any]:
        """The lines as the user corrected them -> words in their places, and files of them."""
        chosen = min(chosen or 0, len(kept) - 1)
        if not kept or (before := kept[chosen].transcript) is None:
            raise refusal("This page has been deleted; choose it again")
        with told(kept[chosen].path):
            after = sheet.corrected(before, event.texts)
        changed = [replace(one, transcript=after) if at == chosen else one for at, one in enumerate(kept)]
        return self.show(changed, chosen, "Corrected; words that you wrote are taken to be right.")


def _reading(work: Work[Any], number: int, pages: int, name: str, share: float) -> None:
    work.tell(number + share, pages, _about(number, pages, name))


def _about(number: int, pages: int, name: str) -> str:
    return f"Reading {name}" + (f" ({number + 1} of {pages})" if pages > 1 else "")


def _opening(work: Work[Any], name: str, done: float, total: float | None) -> None:
    work.tell(done, total, f"Opening {name}")
