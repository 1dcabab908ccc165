"""The tab that trains: a bundle and a folder of samples -> a run of its own process, its curves, and the bundle it makes."""

import html
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from pipelines import unpacking
from pipelines.fine_tuning import DONE, FAILED, STOPPED, TRAINING, Run, Runs
from pipelines.handwriting import HandwritingPipeline
from pipelines.shared_recognizer import share
from pipelines.speech import SpeechPipeline
from pipelines.web import chart, handwriting, speech
from pipelines.web.limits import Limits, refusal, told
from pipelines.web.once import Once
from pipelines.web.result import cache
from pipelines.web.work import Sessions, Work, bar, session
from recog import checkpoint, curves
from recog.errors import RecogError

# What a zip may hold unpacked, in uploads of the largest size.
UNPACKED = 5
OFF = (
    "Training from this page is switched off here. Whoever runs the server switches it on with `--runs FOLDER`, "
    "the folder that runs are kept in; or train with `recog train`."
)
# What a bundle takes to be loaded and to read its first example.
LOADING_SECONDS = 5.0
EMPTY = '<p class="hint">The curves will appear here, after the first steps.</p>'
EXPLANATION = """
**Recordings**, each with its text beside it (`a.wav` and `a.txt`), or **pictures of lines** (`a.png` and `a.gt.txt`), at
any depth; or one manifest (`rows.jsonl`) that names them; or `train.jsonl` and `dev.jsonl`. Every fifth sample is kept
apart: it chooses the best weights, and nothing is learnt from it. Five samples are the least; a few dozen lines or some
minutes of one voice or hand are worth the wait.

The run goes on when you leave this page, and ends when the program ends, which saves its state: *Go on* continues it.
"""
STATES = {
    TRAINING: "is being trained",
    STOPPED: "was stopped, and can go on",
    DONE: "is done",
    FAILED: "has failed",
}


@dataclass(frozen=True)
class Training:
    """What the tab may do."""

    # None: nothing; training is switched off.
    runs: Runs | None = None
    # Whether folders of this computer may be named: only where nobody else can open the page.
    folders: bool = False
    # Told of a bundle's name, its kind and its pipeline when it is taken into use.
    taken: Callable[[str, str, Once[Any]], None] = lambda name, kind, pipeline: None


class TrainTab:
    """Draws the tab inside a Blocks context; its methods are what happens on the page."""

    def __init__(
        self,
        page: gr.Blocks,
        speech_pipeline: Once[SpeechPipeline],
        handwriting_pipeline: Once[HandwritingPipeline],
        limits: Limits,
        training: Training,
    ) -> None:
        self.pipelines: dict[str, Once[Any]] = {"speech": speech_pipeline, "handwriting": handwriting_pipeline}
        self.limits, self.training = limits, training
        # Apart, so that neither ends the other: samples are unpacked while a bundle is made ready.
        self.sessions, self.takings = Sessions(), Sessions()
        # The pipelines that the page began with, to go back to.
        self._first: dict[str, Any] = {}
        if training.runs is None:
            gr.Markdown(OFF, elem_classes="hint")
            return
        self.runs = training.runs
        self._draw(page)

    def _draw(self, page: gr.Blocks) -> None:
        with gr.Row(equal_height=False):
            with gr.Column(min_width=300):
                bundle = gr.Dropdown(self.bundles(), label="Begin with this recogniser")
                path = gr.Textbox(
                    label="Folder on this computer",
                    placeholder="/home/anna/letters",
                    visible=self.training.folders,
                )
                file = gr.File(
                    label="Or its zip" if self.training.folders else "Zip of a folder", file_types=[".zip"], height=150
                )
                gr.Markdown(
                    f"A zip of up to {self.limits.megabytes} MB, {UNPACKED * self.limits.megabytes} MB unpacked and "
                    f"{unpacking.MOST_FILES} files. What you train and what it was trained on stays in "
                    f"`{self.runs.folder}` until you delete it there.",
                    elem_classes="hint",
                )
                with gr.Row():
                    name = gr.Textbox(label="Name of the new recogniser", max_length=40, min_width=130)
                    passes = gr.Number(label="Passes over the samples", value=25, minimum=1, precision=0, min_width=130)
                with gr.Row():
                    go = gr.Button("Start training", variant="primary", min_width=120)
                    cancel = gr.Button("Cancel", variant="stop", min_width=90, visible=False)
                progress = gr.HTML("", padding=False)
                with gr.Accordion("What must be in the folder?", open=False):
                    gr.Markdown(EXPLANATION)
            with gr.Column(min_width=300):
                run = gr.Dropdown(self.runs.names(), label="Run", value=None)
                status = gr.HTML(region("Nothing is being trained."), padding=False)
                with gr.Row():
                    stop, resume, use, back = (
                        gr.Button(label, size="sm", min_width=width, interactive=False)
                        for label, width in (
                            ("Stop", 70),
                            ("Go on", 70),
                            ("Use in the other tabs", 160),
                            ("Use the first one again", 170),
                        )
                    )
                drawn = gr.HTML(framed(EMPTY), padding=False)
        clock = gr.Timer(1.0, active=False)
        quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
        shown = [status, drawn, stop, resume, use, back, clock]
        busy: dict[str, Any] = {"show_progress_on": [status], "api_visibility": "private"}
        given, begins = [bundle, path, file, name, passes], [progress, run, file, *shown]
        pressed = go.click(lambda: gr.Button(visible=True), None, cancel, queue=False, **quiet)
        begun = pressed.then(self.begin, given, begins, show_progress_on=[progress], api_visibility="private")
        # What stands in `then` is not done after a failure; gradio takes a cancel for one.
        begun.failure(
            lambda: [gr.Button(visible=False), "", None], None, [cancel, progress, file], queue=False, **quiet
        )
        taking = use.click(lambda: gr.Button(visible=True), None, cancel, queue=False, **quiet)
        taken = taking.then(self.use, run, [progress, *shown], show_progress_on=[progress], api_visibility="private")
        taken.failure(lambda: [gr.Button(visible=False), ""], None, [cancel, progress], queue=False, **quiet)
        for one in (begun, taken):
            one.success(lambda: gr.Button(visible=False), None, cancel, **quiet)
        cancel.click(self.cancelled, None, None, cancels=[begun, taken], queue=False, **quiet)
        for button, act in ((stop, self.stop), (resume, self.go_on), (back, self.back)):
            button.click(act, run, shown, **busy)
        clock.tick(self.show, run, shown, concurrency_limit=None, **quiet)
        run.input(self.show, run, shown, **quiet)
        page.load(self.open, None, [bundle, run, *shown], **quiet)

    def bundles(self) -> list[tuple[str, str]]:
        """The recognisers that a run may begin with: those that come with recog, and those that were trained here."""
        shelf = sorted(path.parent.name for path in checkpoint.SHELF.glob("*/bundle.json"))
        own = [(f"{name} (trained here)", name) for name in self.runs.names() if self.runs.get(name).usable]
        return [*((name, name) for name in shelf), *own]

    def open(self) -> list[Any]:
        """The page as it stands when somebody opens it: the latest run is on show."""
        names = self.runs.names()
        latest = names[0] if names else None
        choices = self.bundles()
        first = choices[0][1] if choices else None
        return [gr.Dropdown(choices, value=first), gr.Dropdown(names, value=latest), *self.show(latest)]

    def begin(
        self,
        bundle: str | None,
        path: str,
        file: str | None,
        name: str,
        passes: float | None,
        request: gr.Request | None = None,
    ) -> Iterator[list[Any]]:
        """Starts a run on a folder, or on what a zip holds; tells meanwhile how far its samples are looked through."""
        name, path = name.strip(), path.strip()
        if not bundle or not name or not (file or (self.training.folders and path)):
            raise refusal("Choose a recogniser to begin with, a folder or its zip, and a name for what it becomes")
        count = 1 if passes is None else int(passes)  # a field that was emptied gives None

        def start(work: Work[None]) -> None:
            def looking(done: int, all_: int) -> None:
                work.tell(done, all_, "Looking through the samples")

            try:
                begins = str(self.runs.get(bundle).bundle()) if bundle in self.runs.names() else bundle
                if file:
                    with tempfile.TemporaryDirectory(dir=cache()) as room, told(Path(file)):
                        samples = self._unpacked(Path(file), Path(room), work)
                        self.runs.begin(name, begins, samples, count, True, looking)
                else:
                    self.runs.begin(name, begins, Path(path).expanduser(), count, False, looking)
            except (RecogError, OSError) as error:
                sent = self.runs.folder / name / "samples"
                raise refusal(str(error).replace(str(sent), "the zip")) from error

        work = self.sessions.begin(session(request), Work(start))
        for step, seconds in work.run():
            yield [bar(step, seconds), *[gr.skip()] * 9]
        yield ["", gr.Dropdown(self.runs.names(), value=name), None, *self.show(name)]

    def _unpacked(self, packed: Path, room: Path, work: Work[None]) -> Path:
        """The folder of what a zip holds."""
        most = UNPACKED * self.limits.megabytes * 1_000_000
        unpacking.unpack(
            packed, room / "samples", most, lambda done, all_: work.tell(done, all_, f"Unpacking {packed.name}")
        )
        return room / "samples"

    def cancelled(self, request: gr.Request | None = None) -> None:
        """The user wants no run of these samples, and what was unpacked of them is deleted; or no other recogniser."""
        self.sessions.stop(session(request))
        self.takings.stop(session(request))

    def stop(self, name: str | None) -> list[Any]:
        """Ends the run on show; its state is saved."""
        self._run(name).stop()
        return self.show(name)

    def go_on(self, name: str | None) -> list[Any]:
        """Continues the run on show."""
        try:
            self.runs.go_on(self._run(name).name)
        except RecogError as error:
            raise refusal(str(error)) from error
        return self.show(name)

    def use(self, name: str | None, request: gr.Request | None = None) -> Iterator[list[Any]]:
        """The run's best bundle so far takes the place of the page's, and other programs may ask for it by name."""
        run = self._run(name)
        kind = run.began.kind

        def load(work: Work[Any]) -> Any:
            work.tell_ready(f"Getting {run.name} ready", LOADING_SECONDS)
            try:
                folder = run.bundle()
                return share(speech.load(folder) if kind == "speech" else handwriting.load(folder))
            except RecogError as error:
                raise refusal(str(error)) from error

        work: Work[Any] = self.takings.begin(session(request), Work(load))
        for step, seconds in work.run():
            yield [bar(step, seconds), *[gr.skip()] * 7]
        made = work.result
        self._first.setdefault(kind, self.pipelines[kind]())
        self.pipelines[kind].become(made)
        pipeline: Once[Any] = Once(lambda: made)
        self.training.taken(run.name, kind, pipeline)
        yield ["", *self.show(name)]

    def back(self, name: str | None) -> list[Any]:
        """The page reads again with the bundle that it began with."""
        kind = self._run(name).began.kind
        if kind in self._first:
            self.pipelines[kind].become(self._first.pop(kind))
        return self.show(name)

    def show(self, name: str | None) -> list[Any]:
        """How the run stands: in words, as curves, and what can be done with it. The clock goes on while it trains."""
        if not name or name not in self.runs.names():
            off = [gr.Button(interactive=False)] * 4
            return [region("Nothing is being trained."), framed(EMPTY), *off, gr.Timer(active=False)]
        run = self.runs.get(name)
        state, history = run.state, run.history()
        drawn = "".join(chart.draw(panel, "updates") for panel in curves.panels(history)[:2])
        kind = run.began.kind
        in_use = self._in_use(kind)
        return [
            region(summarise(run, state) + (f" The page reads with <b>{html.escape(in_use)}</b>." if in_use else "")),
            framed(drawn if history.updates else EMPTY),
            gr.Button(interactive=state == TRAINING),
            gr.Button(interactive=state in (STOPPED, FAILED)),
            gr.Button(interactive=run.usable),
            gr.Button(interactive=kind in self._first),
            gr.Timer(active=state == TRAINING),
        ]

    def _in_use(self, kind: str) -> str:
        """The name of what the page reads with, where that is not what it began with."""
        return str(self.pipelines[kind]().recognizer.bundle.name) if kind in self._first else ""

    def _run(self, name: str | None) -> Run:
        try:
            return self.runs.get(name or "")
        except RecogError as error:
            raise refusal(str(error)) from error


def region(inside: str) -> str:
    """The line about the run, which a screen reader tells when it changes."""
    return f'<div class="hint" role="status" aria-label="Run">{inside}</div>'


def framed(inside: str) -> str:
    """The frame of the curves."""
    return f'<div class="curves" role="region" aria-label="Curves" tabindex="0">{inside}</div>'


def summarise(run: Run, state: str) -> str:
    """How the run stands, in a few sentences."""
    began, history = run.began, run.history()
    parts = [
        f"<b>{html.escape(run.name)}</b> {STATES[state]}: {began.rows} samples to learn from, {began.dev_rows} to choose by."
    ]
    if history.updates:
        last = history.updates[-1]
        left = last.get("minutes_left")
        step = f"Update {last['update']}, pass {last['epoch'] + 1}"
        if state != DONE:
            step += f", {100 * last['done']:.0f} % of the way"
        parts.append(f"{step}, {left:g} min left." if state == TRAINING and left is not None else f"{step}.")
    if history.evaluations:
        rates = [100 * one["cer"] for one in history.evaluations]
        parts.append(
            f"Character errors on the samples kept apart: {rates[0]:.1f} % after the first pass, {rates[-1]:.1f} % now, "
            f"{min(rates):.1f} % at best."
        )
    elif state == TRAINING:
        parts.append("The first pass is under way.")
    if state == FAILED:
        parts.append(f"It said: {html.escape(run.last_words())}")
    return " ".join(parts)


def beginning(folder: str) -> Runs | None:
    """The runs in a folder by its setting; none where it names none."""
    return Runs(Path(folder).expanduser().resolve()) if folder else None
