"""The tab that measures: references against what was read, as rates, aligned lines, confusions and tables to keep."""

import html
import itertools
import tempfile
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr

from pipelines import comparison, pairing
from pipelines.comparison import ADDED, EQUAL, LEFT_OUT, ComparedLine, Comparison, Confusion, Edit
from pipelines.handwriting import HandwritingPipeline
from pipelines.pairing import Paired
from pipelines.speech import SpeechPipeline
from pipelines.web import chart
from pipelines.web.limits import Limits, refusal
from pipelines.web.once import Once
from pipelines.web.result import cache
from pipelines.web.work import Sessions, Work, bar, session
from recog import text
from recog.errors import RecogError
from recog.metrics import Counts
from recog.plot import Line, Panel

EXAMPLE = (
    "the quick brown fox\njumps over the lazy dog\nand runs away",
    "the quick brown socks\njumps over lazy dog\nand he runs away",
)
# Under which rule texts are compared where nothing else is chosen and no recogniser has one of its own.
PLAIN_RULE = "strict"
RULES = [
    ("As the recogniser was trained; in texts every sign", ""),
    ("Every sign counts: case, punctuation, accents", "strict"),
    ("Letters alone: no case, no punctuation, no figures", "spoken"),
    ("Exactly as it stands, spaces too", "raw"),
]
COUNTING = {
    "strict": "every sign counts, case, punctuation and accents too",
    "spoken": "letters alone count, not case, punctuation or figures",
    "raw": "everything counts, spaces too",
}
# Rules under which it counts how a recording is written, not only what is said.
WRITTEN_RULES = ("strict", "raw")
# More lines and confusions than these are in the files only.
MOST_LINES, MOST_CONFUSIONS = 200, 100
BLUE = "#2563eb"
EMPTY = '<p class="hint">The lines will appear here, with their errors marked.</p>'
HEADERS = ["Of", "Errors", "95 % interval", "Replaced", "Left out", "Added", "Of so many"]
LEGEND = (
    '<p class="hint">How to read it: <span class="edit swap"><del>said</del>→<ins>read</ins></span> replaced, '
    '<span class="edit gone">−<del>said</del></span> left out, <span class="edit more">+<ins>read</ins></span> added.</p>'
)


class MeasureTab:
    """Draws the tab inside a Blocks context; its methods are what happens on the page."""

    def __init__(
        self, speech_pipeline: Once[SpeechPipeline], handwriting_pipeline: Once[HandwritingPipeline], limits: Limits
    ) -> None:
        self.speech, self.handwriting, self.limits = speech_pipeline, handwriting_pipeline, limits
        self.sessions = Sessions()
        with gr.Row(equal_height=False):
            with gr.Column(min_width=300):
                files = gr.File(
                    label="Recordings or pictures with their texts", file_count="multiple", height=150, type="filepath"
                )
                gr.Markdown(
                    "Each file with its text beside it (`a.wav` and `a.txt`, `b.png` and `b.gt.txt`), or with a manifest "
                    "that names them; they are read now. Or a table with the columns `reference` and `hypothesis`, or the "
                    f"report of `recog evaluate --json`. Up to {limits.megabytes} MB, {limits.minutes:g} minutes or "
                    f"{limits.megapixels:g} megapixels each.",
                    elem_classes="hint",
                )
            with gr.Column(min_width=300):
                said = gr.Textbox(label="Or: what is right, one sample a line", lines=3, max_lines=12)
                read = gr.Textbox(label="And what was read, line for line", lines=3, max_lines=12)
                rule = gr.Dropdown(RULES, value="", label="What counts as the same")
                by_errors = gr.Checkbox(label="Worst lines first", value=True)
                with gr.Row():
                    go = gr.Button("Measure", variant="primary", min_width=90)
                    stop = gr.Button("Cancel", variant="stop", min_width=90, visible=False)
                example = gr.Button("Try two texts", size="sm")
        progress = gr.HTML("", padding=False)
        summary = gr.Markdown(elem_classes="hint")
        rates = gr.Dataframe(label="Errors", headers=HEADERS, interactive=False, buttons=[], elem_classes="words")
        lines = gr.HTML(region(EMPTY), padding=False)
        with gr.Row(equal_height=False):
            tables = [
                gr.Dataframe(
                    label=f"{units} read as others",
                    headers=["Right", "Read", "Times"],
                    interactive=False,
                    max_height=320,
                    buttons=[],
                    elem_classes="words",
                    min_width=260,
                )
                for units in ("Words", "Characters")
            ]
        plots = gr.HTML(visible=False, padding=False)
        with gr.Row():
            kept = [
                gr.DownloadButton(name, size="sm", min_width=90, interactive=False)
                for name in ("Save lines (CSV)", "Save confusions (CSV)")
            ]
        outputs = [progress, summary, rates, lines, *tables, *kept, plots]
        quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
        run: dict[str, Any] = {
            "fn": self.run,
            "inputs": [files, said, read, rule, by_errors],
            "outputs": outputs,
            "show_progress_on": [progress],
            "api_visibility": "private",
        }
        begun = [
            go.click(lambda: gr.Button(visible=True), None, stop, queue=False, **quiet),
            example.click(lambda: (None, *EXAMPLE), None, [files, said, read], **quiet),
        ]
        runs = [one.then(**run) for one in begun]
        for one in runs:
            # What stands in `then` is not done after a failure. Not queued: it must not come after the next result.
            one.failure(lambda: [gr.Button(visible=False), *self.empty()], None, [stop, *outputs], queue=False, **quiet)
            one.success(lambda: gr.Button(visible=False), None, stop, **quiet)
        stop.click(self.stopped, None, None, cancels=runs, queue=False, **quiet)

    def empty(self) -> list[Any]:
        """What is shown after a refusal."""
        off = [gr.DownloadButton(value=None, interactive=False) for _ in range(2)]
        return ["", "", [], region(EMPTY), [], [], *off, gr.HTML("", visible=False)]

    def run(
        self,
        files: list[str] | None,
        said: str,
        read: str,
        rule: str,
        by_errors: bool,
        request: gr.Request | None = None,
    ) -> Iterator[list[Any]]:
        """Measures, and tells meanwhile how far it is; the values of `measure` come last."""
        work: Work[list[Any]] = Work(
            lambda work: self.measure(
                files, said, read, rule, by_errors, lambda done, all_: work.tell(done, all_, "Reading the files")
            )
        )
        self.sessions.begin(session(request), work)
        for step, seconds in work.run():
            yield [bar(step, seconds), *[gr.skip()] * 8]
        yield ["", *work.result]

    def stopped(self, request: gr.Request | None = None) -> None:
        """The user has waited enough; when the work has ended, nothing is shown."""
        self.sessions.stop(session(request))

    def measure(
        self,
        files: list[str] | None,
        said: str,
        read: str,
        rule: str,
        by_errors: bool,
        tell: Callable[[float, float], object] = lambda done, all_: None,
    ) -> list[Any]:
        """Files, or two texts -> summary, rates, aligned lines, two tables of confusions, two files to keep, plots."""
        if not files and not said.strip() and not read.strip():
            raise refusal("There is nothing to measure yet; drop files, or write what is right and what was read")
        try:
            if files:
                paths = [Path(file) for file in files]
                place = [0, len(paths)]

                def told(done: int, all_: int) -> None:
                    place[:] = done, all_
                    tell(done, all_)

                def within(share: float) -> None:
                    tell(place[0] + share, place[1])

                paired = pairing.files(paths, partial(self.recognise, rule=rule, tell=within), told)
            else:
                paired = pairing.columns(said, read)
            found = comparison.compare(paired.pairs, rule or self._own_rule(paired))
        except RecogError as error:
            raise refusal(str(error)) from error
        folder = Path(tempfile.mkdtemp(dir=cache()))
        for name, content in (
            ("lines", comparison.lines_csv(found)),
            ("confusions", comparison.confusions_csv(found)),
        ):
            # With a mark at its beginning that spreadsheets know UTF-8 by.
            (folder / f"{name}.csv").write_text(content, encoding="utf-8-sig")
        ordered = found.worst_first() if by_errors else found.lines
        return [
            summarise(found, paired.left_out),
            rows_of_rates(found),
            region(LEGEND + "".join(map(marked, ordered[:MOST_LINES])) + more(len(ordered))),
            *(rows_of_confusions(one) for one in (found.words, found.characters)),
            *(
                gr.DownloadButton(value=str(folder / f"{name}.csv"), interactive=True)
                for name in ("lines", "confusions")
            ),
            plotted(found),
        ]

    def recognise(
        self, path: Path, media: str, rule: str = "", tell: Callable[[float], None] = lambda share: None
    ) -> str:
        """The text of one file, within the limits, as the other tabs read it; `tell` is told what share of it is done.

        Where signs do not count, the words as they were said: figures are nothing to compare letters with.
        """
        if media == "image":
            self.limits.picture(path)
            return self.handwriting()(path, tell).text

        def heard(done: float, all_: float | None) -> None:
            if all_:  # not every file says how long it is
                tell(min(1.0, done / all_))

        found = self.speech()(path, heard, self.limits.seconds)
        return found.text if rule in WRITTEN_RULES else found.spoken or found.text

    def _own_rule(self, paired: Paired) -> str:
        """The rule that the recogniser of the first file was trained with."""
        media = paired.pairs[0].row.media if paired.pairs else ""
        if media == "audio":
            return self.speech().recognizer.bundle.text_rule
        return self.handwriting().recognizer.bundle.text_rule if media == "image" else PLAIN_RULE


def plotted(found: Comparison) -> Any:
    """How the errors are spread over the lines: many everywhere, or most of them in a few. Nothing for a single line."""
    counts = sorted((line.characters for line in found.lines if line.counted), key=lambda one: -one.rate)
    if len(counts) < 2:
        return gr.HTML("", visible=False)
    rates = tuple((float(number), 100 * one.rate) for number, one in enumerate(counts, 1))
    edits = sorted((one.edits for one in counts), reverse=True)
    sums, every = list(itertools.accumulate(edits, initial=0)), max(1, sum(edits))
    shares = tuple((float(number), 100 * one / every) for number, one in enumerate(sums))
    panels = (
        Panel(
            "Character errors of each line, %, worst first", (Line("", rates, BLUE, marked=len(rates) <= 50),), low=0.0
        ),
        Panel(
            "Of all character errors so many are in the worst lines, %", (Line("", shares, BLUE),), low=0.0, high=100.0
        ),
    )
    drawn = "".join(chart.draw(panel, "lines") for panel in panels)
    return gr.HTML(f'<div class="curves" role="region" aria-label="Plots" tabindex="0">{drawn}</div>', visible=True)


def region(inside: str) -> str:
    """The frame of the lines: reached by the tabulator key, and read aloud by a screen reader when it changes."""
    return f'<div class="compared" role="region" aria-label="Lines" aria-live="polite" tabindex="0">{inside}</div>'


def marked(line: ComparedLine) -> str:
    """A line as HTML: its name and rates, and its words with the errors told by sign, stroke and colour."""
    if line.failure:
        told = f"could not be read: {html.escape(line.failure)}"
    elif not line.counted:
        told = "has no reference, and is not counted"
    else:
        told = f"WER {rate(line.words)}, CER {rate(line.characters)}"
    words = " ".join(map(marked_edit, line.edits))
    return f"<p><b>{html.escape(line.name)}</b> <small>{told}</small><br>{words}</p>"


def marked_edit(edit: Edit) -> str:
    """A word as HTML."""
    said, read = html.escape(edit.reference), html.escape(edit.hypothesis)
    if edit.kind == EQUAL:
        return said
    if edit.kind == LEFT_OUT:
        return f'<span class="edit gone" title="left out">−<del>{said}</del></span>'
    if edit.kind == ADDED:
        return f'<span class="edit more" title="added">+<ins>{read}</ins></span>'
    return f'<span class="edit swap" title="replaced"><del>{said}</del>→<ins>{read}</ins></span>'


def more(lines: int) -> str:
    """Says what is not shown."""
    return f'<p class="hint">{lines - MOST_LINES} more lines are in the file.</p>' if lines > MOST_LINES else ""


def summarise(found: Comparison, left_out: Sequence[str]) -> str:
    """What was counted, how, and what was not."""
    lines, rows = len(found.lines), found.scores.rows
    rule = found.text_rule
    counts = COUNTING.get(rule) or text.definition(rule).removeprefix(f"{rule} ").strip("()")
    parts = [f"{rows} line{'s' * (rows != 1)} counted under text rule {rule}: {counts}."]
    if rows < lines:
        parts.append(
            f"{lines - rows} without a reference under this rule {'is' if lines - rows == 1 else 'are'} not counted."
        )
    failed = sum(bool(line.failure) for line in found.lines)
    if failed:
        parts.append(f"{failed} could not be read, and count{'s' if failed == 1 else ''} as empty.")
    if left_out:
        parts.append(f"Left out: {'; '.join(left_out[:5])}{'; and more' if len(left_out) > 5 else ''}.")
    return html.escape(" ".join(parts), quote=False)


def rows_of_rates(found: Comparison) -> list[list[str]]:
    """Words and characters, with their intervals."""
    scores = found.scores
    return [
        [name, rate(counts), f"{100 * low:.1f} to {100 * high:.1f} %"]
        + [str(count) for count in (counts.substitutions, counts.deletions, counts.insertions, counts.units)]
        for name, counts, (low, high) in (
            ("Words (WER)", scores.words, scores.wer_interval),
            ("Characters (CER)", scores.characters, scores.cer_interval),
        )
    ]


def rows_of_confusions(confusions: Sequence[Confusion]) -> list[list[Any]]:
    """The most frequent ones; a space is shown as ␣."""
    return [[_shown(one.reference), _shown(one.hypothesis), one.count] for one in confusions[:MOST_CONFUSIONS]]


def rate(counts: Counts) -> str:
    """12.3 %."""
    return f"{100 * counts.rate:.1f} %"


def _shown(unit: str) -> str:
    return {"": "(nothing)", " ": "␣"}.get(unit, unit)
