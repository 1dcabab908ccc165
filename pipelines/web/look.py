"""The tab to look inside: what the network sees and thinks likely in every frame, and which texts were weighed how."""

import html
import json
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gradio as gr

from pipelines import lattice
from pipelines.handwriting import HandwritingPipeline
from pipelines.insight import LONGEST_SECONDS, STEPS, Insight, Observer
from pipelines.speech import SpeechPipeline
from pipelines.web import handwriting, speech
from pipelines.web.limits import Limits, refusal, told
from pipelines.web.once import Once
from pipelines.web.pace import Pace, Way
from pipelines.web.result import cache, percent
from pipelines.web.work import Sessions, Work, bar, session

EXAMPLES = {"a recording": speech.EXAMPLE, "an English line": handwriting.EXAMPLES["an English line"]}
PICTURES = {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff"}
WAYS = {
    "greedy": "Likeliest symbol of every frame",
    "beam": "Search, letters alone",
    "language": "Search with the language model",
}
# Seconds of each step of a look until one was taken here; the first look makes the decoders.
GUESSED = {"ready": 5.0, "network": 0.5, "greedy": 0.1, "beam": 0.5, "language": 1.0, "weighing": 1.0, "drawing": 0.3}
# Told how far a look is, and what is done next.
Tell = Callable[[Way, str], object]
EMPTY = '<p class="hint">The picture will appear here.</p>'
EXPLANATION = f"""
The network cuts its input, the sound or the line of writing, into short **frames** and says for each how likely every
symbol of its alphabet is: the blue cells. In most frames it says **blank**, the grey row: *nothing new here*. A text is
read off a path through the frames: repeats are merged, then blanks are dropped, so `·hh·e·ll·l·oo` reads `hello`. The
orange line is the path of the text that was taken.

Many paths spell the same text, and many texts are possible. The **three readings** differ in what they weigh:

- *Likeliest symbol of every frame* takes the darkest cell of every column.
- *Search, letters alone* adds up all paths that spell the same text, and takes the text with the largest sum.
- *Search with the language model* also asks how usual the words or letters are in the language.

**Scores** are natural logarithms: all are below or near 0, the higher the better, and a difference of 1 makes a text 2.7
times as likely. *Letters* is what the network says; *Language* what the language model says, the price of unknown words
included; *Length* is a reward for every word, because a language model alone prefers few words. The three readings are
measured with the same yardstick, so that you see why the last one won; where the recogniser never weighed a text, there
is a dash.

**In the place of a word** other likely texts may have another one: its share is that of all likely texts.
Of a recording {LONGEST_SECONDS:g} seconds are looked at, of a page one line.
"""


class LookTab:
    """Draws the tab inside a Blocks context; its methods are what happens on the page."""

    def __init__(
        self, speech_pipeline: Once[SpeechPipeline], handwriting_pipeline: Once[HandwritingPipeline], limits: Limits
    ) -> None:
        self.limits, self.sessions = limits, Sessions()
        self.observers = {"speech": Observers(speech_pipeline), "handwriting": Observers(handwriting_pipeline)}
        self.paces = {kind: Pace(GUESSED) for kind in self.observers}
        with gr.Row(equal_height=False):
            with gr.Column(min_width=300):
                file = gr.File(
                    label="Recording or picture", file_types=[*speech.FILE_TYPES, "image"], height=150, type="filepath"
                )
                gr.Markdown(
                    f"Up to {limits.megabytes} MB, {limits.minutes:g} minutes or {limits.megapixels:g} megapixels; of a "
                    f"recording {LONGEST_SECONDS:g} seconds are looked at, of a page one line.",
                    elem_classes="hint",
                )
            with gr.Column(min_width=300):
                with gr.Row():
                    second = gr.Number(label="From second of a recording", value=0, minimum=0, min_width=130)
                    line = gr.Number(label="Line of a page", value=1, minimum=1, precision=0, min_width=130)
                with gr.Row():
                    go = gr.Button("Look inside", variant="primary", min_width=120)
                    stop = gr.Button("Cancel", variant="stop", min_width=90, visible=False)
                with gr.Row():
                    examples = [
                        (gr.Button(f"Look into {name}", size="sm", min_width=90), path)
                        for name, path in EXAMPLES.items()
                    ]
                with gr.Accordion("What is to be seen here?", open=False):
                    gr.Markdown(EXPLANATION)
        progress = gr.HTML("", padding=False)
        picture = gr.HTML(region(EMPTY), padding=False)
        summary = gr.HTML()
        ways = gr.Dataframe(
            label="Three ways of reading, and what their scores are made of",
            headers=["Reading", "Text", "Letters", "Language", "Length", "Hot phrases", "Together"],
            # In pixels: on a phone the table is pushed sideways, where shares of its width would leave single letters.
            column_widths=["150px", "310px", "90px", "100px", "90px", "90px", "100px"],
            interactive=False,
            wrap=True,
            buttons=[],
            elem_classes="words",
        )
        words = gr.Dataframe(
            label="Words, and what else may stand in their place",
            headers=["Word", "From", "To", "Sure", "What else it may be"],
            column_widths=["160px", "80px", "80px", "80px", "300px"],
            interactive=False,
            wrap=True,
            max_height=360,
            buttons=[],
            elem_classes="words",
        )
        with gr.Row():
            as_svg = gr.DownloadButton("Save picture (SVG)", size="sm", min_width=90, interactive=False)
            as_json = gr.DownloadButton("Save figures (JSON)", size="sm", min_width=90, interactive=False)
        outputs = [progress, picture, summary, ways, words, as_svg, as_json]
        quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
        run: dict[str, Any] = {"outputs": outputs, "show_progress_on": [progress], "api_visibility": "private"}
        runs = []
        for button, look, inputs in (
            (go, self.run, [file, second, line]),
            *((button, self.example(path), None) for button, path in examples),
        ):
            begun = button.click(lambda: gr.Button(visible=True), None, stop, queue=False, **quiet)
            runs.append(begun.then(look, inputs, **run))
            # What stands in `then` is not done after a failure. Not queued: it must not come after the next result.
            runs[-1].failure(
                lambda: [gr.Button(visible=False), *self.empty()], None, [stop, *outputs], queue=False, **quiet
            )
            runs[-1].success(lambda: gr.Button(visible=False), None, stop, **quiet)
        stop.click(self.stopped, None, None, cancels=runs, queue=False, **quiet)

    def empty(self) -> list[Any]:
        """What is shown after a refusal."""
        off = [gr.DownloadButton(value=None, interactive=False) for _ in range(2)]
        return ["", region(EMPTY), "", [], [], *off]

    def run(
        self, file: str | None, second: float | None, line: int | None, request: gr.Request | None = None
    ) -> Iterator[list[Any]]:
        """Looks, and tells meanwhile what it does; the values of `look` come last."""
        work: Work[list[Any]] = Work(
            lambda work: self.look(
                file, second, line, lambda way, about: work.tell(way.done, way.total, about, left=way.left)
            )
        )
        self.sessions.begin(session(request), work)
        for step, seconds in work.run():
            yield [bar(step, seconds), *[gr.skip()] * 6]
        yield ["", *work.result]

    def example(self, path: Path) -> Callable[[gr.Request], Iterator[list[Any]]]:
        """What looks into a file that comes with recog."""

        def look(request: gr.Request) -> Iterator[list[Any]]:
            yield from self.run(str(path), 0, 1, request)

        return look

    def stopped(self, request: gr.Request | None = None) -> None:
        """The user has waited enough; when the look has ended, nothing is shown."""
        self.sessions.stop(session(request))

    def look(
        self,
        file: str | None,
        second: float | None,
        line: int | None,
        tell: Tell = lambda way, about: None,
    ) -> list[Any]:
        """A file and the place to look at -> picture, summary, rows of readings, rows of words, two files to keep."""
        if file is None:
            raise refusal("There is no recording or picture yet; choose one, or look into an example")
        path = Path(file)
        kind = "handwriting" if path.suffix.lower() in PICTURES else "speech"
        observers = self.observers[kind]
        steps = (*STEPS, "drawing") if observers.ready else ("ready", *STEPS, "drawing")
        walk = self.paces[kind].walk(steps)
        with told(path):
            if not observers.ready:
                tell(walk.begin("ready"), "Getting ready")
            if kind == "handwriting":
                self.limits.picture(path)
            observe = observers()
            part = f"{LONGEST_SECONDS:g} s" if kind == "speech" else "a line"
            about = f"Reading {part} of {path.name} in three ways"
            at = second or 0.0 if kind == "speech" else max(0, int(line or 1) - 1)
            seen = observe(path, at, lambda step: tell(walk.begin(step), about))
        tell(walk.begin("drawing"), "Drawing what was seen")
        svg = lattice.draw(seen)
        walk.end()
        files = Path(tempfile.mkdtemp(dir=cache()))
        drawn, figures = files / f"{path.stem}.svg", files / f"{path.stem}.json"
        drawn.write_text(svg + "\n", encoding="utf-8")
        figures.write_text(json.dumps(seen.as_json(), ensure_ascii=False) + "\n", encoding="utf-8")
        return [
            region(svg),
            summarise(seen),
            rows_of_ways(seen),
            rows_of_words(seen),
            gr.DownloadButton(value=str(drawn), interactive=True),
            gr.DownloadButton(value=str(figures), interactive=True),
        ]


class Observers:
    """The observer of a pipeline, made when the tab is first used: its decoders take memory that others do not need.

    Made again where the page has turned to another bundle.
    """

    def __init__(self, pipeline: Once[Any]) -> None:
        self._pipeline, self._lock = pipeline, threading.Lock()
        self._of: Any = None
        self._made: Observer | None = None

    @property
    def ready(self) -> bool:
        """Whether one was made."""
        return self._made is not None

    def __call__(self) -> Observer:
        """The observer of the pipeline that the page has now."""
        of = self._pipeline()
        with self._lock:
            if self._made is None or self._of is not of:
                self._of, self._made = of, Observer(of.recognizer.bundle, of.recognizer.options)
            return self._made


def region(inside: str) -> str:
    """The frame of the picture, which scrolls sideways; reached by the tabulator key."""
    return f'<div class="lattice" role="region" aria-label="Lattice" aria-live="polite" tabindex="0">{inside}</div>'


def summarise(seen: Insight) -> str:
    """What the frames say one by one, below the picture."""
    reading = seen.reading
    size = f"{1000 * seen.step:g} ms" if seen.kind == "speech" else f"{seen.step:g} columns"
    return (
        f'<p class="hint">{len(reading.log_probs)} frames of {size}, {percent(reading.blank_share)} of them blank. The '
        f'likeliest symbol of every frame, blank as a dot:</p><p class="frames">{html.escape(reading.frame_symbols)}</p>'
    )


def rows_of_ways(seen: Insight) -> list[list[str]]:
    """One row a way of reading; where letters and phones decided together on other texts, there are no figures."""
    rows = []
    for way in seen.reading.ways:
        parts = way.parts
        figures = (
            ["–"] * 5
            if parts is None
            else [
                f"{round(one, 2) + 0.0:.2f}"
                for one in (parts.acoustic, parts.language, parts.length, parts.boost, way.score or 0.0)
            ]
        )
        rows.append([WAYS[way.name], way.text, *figures])
    return rows


def rows_of_words(seen: Insight) -> list[list[str]]:
    """One row a word of the last reading."""
    digits = 2 if seen.kind == "speech" else 0
    return [
        [
            word.text,
            f"{seen.place(word.first):.{digits}f}",
            f"{seen.place(word.last):.{digits}f}",
            percent(word.confidence),
            ", ".join(
                f"{other.text or '(nothing)'} {percent(other.share)}"
                for other in word.alternatives
                if other.text != word.text
            )
            or "nothing else",
        ]
        for word in seen.reading.words
    ]
