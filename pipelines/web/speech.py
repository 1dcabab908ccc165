"""The speech tab: recordings, videos or the microphone -> text, and when each word was said."""

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr

from pipelines.lessons import Lessons, write_spoken
from pipelines.speech import Passage, SpeechPipeline
from pipelines.web import player, recordings
from pipelines.web.choices import CAREFUL, READINGS, Choices
from pipelines.web.downloads import Downloads
from pipelines.web.limits import Limits, refusal, told, warn
from pipelines.web.microphone import Microphone, Microphones
from pipelines.web.once import Once
from pipelines.web.recordings import Recording
from pipelines.web.result import COPY, cache
from pipelines.web.work import Sessions, Work, bar, session
from recog.errors import InputError, RecogError

EXAMPLE = Path(__file__).parent / "examples" / "reader.opus"
FILE_TYPES = ["audio", "video", ".opus", ".oga", ".mka", ".mkv", ".m4b", ".amr"]
# Pieces of a recording read at a time: few, so that the text grows and the work stops soon after it is told to.
TOGETHER = 2
# What the search of other choices than the usual ones takes to be made.
DECODER_SECONDS = 1.5
STOPPED = "This is what was read until it was stopped."
FORMS = {"txt": "Text", "srt": "SRT", "vtt": "VTT", "json": "JSON", "textgrid": "TextGrid"}


def load(name_or_path: str | Path) -> SpeechPipeline:
    """A pipeline that has read the example: what is compiled on first use is compiled before anybody waits for it."""
    pipeline = SpeechPipeline.load(name_or_path)
    pipeline(EXAMPLE)
    return pipeline


class SpeechTab:
    """Draws the tab inside a Blocks context; its methods are what happens on the page."""

    def __init__(self, page: gr.Blocks, pipeline: Once[SpeechPipeline], limits: Limits) -> None:
        self.pipeline, self.limits, self.sessions = pipeline, limits, Sessions()
        # Seconds that a second of sound took to be read the last time; at first a guess for a small computer.
        self.pace = 0.1
        self.kept = gr.State((), time_to_live=60 * limits.keep_minutes)
        self.microphones = Microphones(self._microphone)
        notice = gr.Markdown(visible=False, elem_classes="notice")
        with gr.Row(equal_height=False):
            with gr.Column(min_width=300):
                self._draw_inputs()
            with gr.Column(min_width=300):
                self._draw_result()
        self._connect(page, notice)

    def _draw_inputs(self) -> None:
        limits = self.limits
        self.files = gr.File(
            label="Audio or video files", file_types=FILE_TYPES, file_count="multiple", height=150, type="filepath"
        )
        gr.Markdown(
            f"Each up to {limits.minutes:g} minutes and {limits.megabytes} MB. Or speak, and read along:",
            elem_classes="hint",
        )
        self.sound = self.microphones.draw()
        with gr.Accordion("How to listen", open=False):
            self.reading = gr.Radio(READINGS, value=CAREFUL, label="Reading")
            self.beam = gr.Slider(
                0,
                256,
                0,
                step=8,
                label="Texts weighed at a time",
                info="More is slower, and seldom better. 0: as usual.",
            )
            self.hotwords = gr.Textbox(
                label="Words to listen for",
                value="",
                info="Names and terms that are likely to come up, with commas between.",
                lines=2,
                max_length=2000,
            )
            self.written = gr.Checkbox(
                value=True,
                label="Write sentences",
                info="With capitals, points and figures. Without it the text is the words as they were said.",
            )
            self.by_channel = gr.Checkbox(
                label="Each channel is another speaker",
                info="For calls and interviews with a microphone for everyone: the text is parted into their turns.",
            )
        with gr.Row():
            self.go = gr.Button("Transcribe", variant="primary", min_width=120)
            self.stop = gr.Button("Cancel", variant="stop", min_width=90, visible=False)
        # Where the eye is when the button was pressed, on a phone too.
        self.progress = gr.HTML("", padding=False)
        self.example = gr.Button("Try an example", size="sm")

    def _draw_result(self) -> None:
        self.chosen = gr.Dropdown(label="Recording", choices=[], visible=False, type="index")
        self.player, self.text = player.parts()
        self.summary = gr.Markdown(elem_classes="hint")
        with gr.Row():
            self.copy = gr.Button("Copy text", size="sm", min_width=90, interactive=False)
            self.learn = gr.Button("Use my corrections to train", size="sm", min_width=90, interactive=False)
            self.lessons = gr.DownloadButton(
                "Save samples (ZIP)", size="sm", variant="primary", min_width=90, visible=False
            )
        self.downloads = Downloads.draw(FORMS)
        self.copy.click(None, js=COPY)

    @property
    def _results(self) -> list[Any]:
        return [self.text, self.summary, self.copy, self.learn, self.lessons, *self.downloads.buttons]

    def _connect(self, page: gr.Blocks, notice: gr.Markdown) -> None:
        """What leads to what."""
        quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
        place = [self.kept, self.chosen]
        seen = [*place, self.player, self.progress, *self._results]
        waited: dict[str, Any] = {"show_progress_on": [self.progress], "api_visibility": "private"}
        begin: dict[str, Any] = {"fn": lambda: gr.Button(visible=True), "outputs": self.stop, "queue": False, **quiet}
        hide: dict[str, Any] = {"fn": lambda: gr.Button(visible=False), "outputs": self.stop, **quiet}
        # What was uploaded moves into the player; files that were refused make room for the next ones too.
        taken = self.files.upload(**begin).then(self.take, self.files, seen, **waited)
        taken.success(lambda: [None, gr.Button(visible=False)], None, [self.files, self.stop], **quiet)
        none = [self.files, self.stop, *seen]
        taken.failure(lambda: [None, gr.Button(visible=False), *self.empty()], None, none, queue=False, **quiet)
        choices = [self.reading, self.beam, self.hotwords, self.by_channel, self.written]
        run: dict[str, Any] = {"fn": self.transcribe, "inputs": [self.kept, *choices], "outputs": seen, **waited}
        begun = [self.go.click(**begin)]
        begun.append(self.example.click(self.take_example, None, seen, **quiet).then(**begin))
        begun.append(self.sound.submit(self.said, None, seen, **quiet).success(**begin))
        runs = [one.then(**run) for one in begun]
        cut = self.learn.click(**begin).then(
            self.teach, self.kept, [self.progress, self.lessons, self.summary], **waited
        )
        for one in (*runs, cut):
            # What stands in `then` is not done after a failure; gradio takes a cancel for one.
            one.failure(self.ended, place, [self.stop, *seen], queue=False, **quiet)
            one.success(**hide)
        cancels = [taken, *runs, cut]
        self.stop.click(self.stopped, None, None, cancels=cancels, queue=False, **quiet)
        self.chosen.input(self.choose, place, seen, **quiet)
        self.text.submit(self.correct, place, seen, **quiet)
        page.load(self.notice, None, notice, **quiet)

    def notice(self) -> Any:
        """What is missing, said before anybody uploads anything."""
        problem = self.pipeline.problem()
        return gr.Markdown(f"**Speech cannot be read yet:** {problem}", visible=bool(problem))

    # What is shown ----------------------------------------------------------------------------------------------------

    def show(self, kept: Sequence[Recording], chosen: int = 0) -> list[Any]:
        """Values of everything that shows a recording: the chosen one of those that are kept."""
        names = [recording.path.name for recording in kept]
        one = kept[chosen]
        chooser = gr.Dropdown(choices=names, value=names[chosen], visible=len(kept) > 1)
        seen = player.player(one.playable, one.path.name, one.wave)
        return [tuple(kept), chooser, seen, "", *self._result(kept, one)]

    def _result(self, kept: Sequence[Recording], one: Recording) -> list[Any]:
        if one.transcript is None:
            return self._no_result(one.summary)
        others = [(other.transcript, other.path) for other in kept if other.transcript is not None]
        on = gr.Button(interactive=bool(one.transcript.text))
        return [
            player.text(one.transcript),
            one.summary,
            on,
            on,
            gr.DownloadButton(value=None, visible=False),
            *self.downloads.fill(one.transcript, one.path, others),
        ]

    def _no_result(self, summary: str = "") -> list[Any]:
        off = gr.Button(interactive=False)
        hidden = gr.DownloadButton(value=None, visible=False)
        return [player.region(player.NO_TEXT), summary, off, off, hidden, *self.downloads.clear()]

    def empty(self) -> list[Any]:
        """What is shown when there is nothing to show."""
        return [(), gr.Dropdown(choices=[], visible=False), player.player(), "", *self._no_result()]

    def _waiting(self, progress: str, said: str | None = None, kept: Any = None) -> list[Any]:
        """What changes while the user waits."""
        rest = [gr.skip()] * (len(self._results) - 1)
        text = gr.skip() if said is None else said
        return [gr.skip() if kept is None else kept, gr.skip(), gr.skip(), progress, text, *rest]

    def choose(self, kept: Sequence[Recording], chosen: int | None) -> list[Any]:
        """Another of several recordings."""
        if not kept:
            raise refusal("These recordings have been deleted; choose them again")
        return self.show(kept, min(chosen or 0, len(kept) - 1))

    # Recordings come --------------------------------------------------------------------------------------------------

    def take(self, uploaded: list[str] | None, request: gr.Request | None = None) -> Iterator[list[Any]]:
        """Uploaded files -> recordings on the page; those that cannot be read are refused at once, each in a sentence."""
        paths = [Path(one) for one in uploaded or []]
        if not paths:
            return
        refused: list[gr.Error] = []

        def read(work: Work[list[Recording]]) -> list[Recording]:
            taken = []
            for path in paths:
                try:
                    with told(path):
                        taken.append(recordings.take(path, self.limits, partial(_opening, work, path.name)))
                except gr.Error as error:
                    refused.append(error)
            return taken

        work = self.sessions.begin(session(request), Work(read))
        for step, seconds in work.run():
            yield self._waiting(bar(step, seconds))
        taken = work.result
        if not taken:
            raise refused[0]
        for error in refused:
            gr.Warning(error.message, duration=None)
        for one in taken:
            if one.damage:
                name = one.path.name
                warn(f"{name} is damaged or cut off ({one.damage[0]}); what can be read of it is transcribed")
        yield self.show(taken)

    def take_example(self) -> list[Any]:
        """The recording that comes with recog."""
        # Only what lies in the cache is served.
        copied = Path(shutil.copy(EXAMPLE, tempfile.mkdtemp(dir=cache())))
        return self.show([recordings.take(copied, self.limits)])

    def _microphone(self) -> Microphone:
        """The microphone is switched on."""
        problem = self.pipeline.problem()
        if problem:
            raise InputError(problem)
        return Microphone(self.pipeline(), Path(tempfile.mkdtemp(dir=cache())), self.limits)

    def said(self, event: gr.EventData) -> list[Any]:
        """The microphone is switched off: what was said becomes a recording."""
        try:
            path = self.microphones.take(event.token).close()
        except RecogError as error:
            raise refusal(str(error)) from error
        with told(path):
            return self.show([recordings.take(path, self.limits)])

    # Recordings are read ----------------------------------------------------------------------------------------------

    def transcribe(
        self,
        kept: Sequence[Recording],
        reading: str = CAREFUL,
        beam: int = 0,
        hotwords: str = "",
        by_channel: bool = False,
        written: bool = True,
        request: gr.Request | None = None,
    ) -> Iterator[list[Any]]:
        """The recordings on the page -> their texts, one after another; the first one that was read is shown."""
        if not kept:
            raise refusal("There is no recording yet; choose a file, record something, or try the example")
        choices = Choices(reading, int(beam), hotwords or "", by_channel, written)
        kept = [replace(one, transcript=None, summary="") for one in kept]
        refused: list[gr.Error] = []

        def read(work: Work[None]) -> None:
            usual = choices == Choices(by_channel=by_channel, written=written)
            work.tell_ready("Getting ready", self.pipeline.left + (0.0 if usual else DECODER_SECONDS))
            try:
                pipeline = choices.pipeline(self.pipeline())
            except RecogError as error:
                raise refusal(str(error)) from error
            for number, one in enumerate(kept):
                try:
                    with told(one.path):
                        kept[number] = self._read(one, number, pipeline, kept, work)
                except gr.Error as error:
                    kept[number] = replace(one, summary=f"**{error.message}**")
                    refused.append(error)

        work = self.sessions.begin(session(request), Work(read))
        for step, seconds in work.run():
            so_far = kept[0].transcript
            said = None if so_far is None else player.heard(so_far.words)
            yield self._waiting(bar(step, seconds), said, tuple(kept))
        if len(refused) == len(kept):
            raise refused[0]
        for error in refused:
            gr.Warning(error.message, duration=None)
        yield self.show(kept, next(number for number, one in enumerate(kept) if one.transcript is not None))

    def _read(
        self, one: Recording, number: int, pipeline: SpeechPipeline, kept: list[Recording], work: Work[None]
    ) -> Recording:
        """One of the recordings; how far all are is told by their seconds."""
        began = work.seconds
        before, total = sum(other.seconds for other in kept[:number]), sum(other.seconds for other in kept)
        about = f"Reading {one.path.name}" + (f" ({number + 1} of {len(kept)})" if len(kept) > 1 else "")
        if pipeline.listening.by_channel:

            def tell(done: float, all_: float | None) -> None:
                work.tell(before + one.seconds * done / max(all_ or one.seconds, 0.001), total, about)

            transcript = pipeline(one.path, tell, self.limits.seconds)
        else:
            passages, damage, growing = list[Passage](), list[str](), recordings.Growing(pipeline)
            work.tell(before, total, about, left=self.pace * (total - before))
            for passage in pipeline.passages(one.path, TOGETHER, None, self.limits.seconds, damage):
                passages.append(passage)
                kept[number] = replace(one, transcript=growing.hear(passage), summary=STOPPED)
                work.tell(before + passage.end, total, about)
            transcript = pipeline.join(passages, damage)
        self.pace = (work.seconds - began) / max(transcript.duration, 1.0)
        return replace(one, transcript=transcript, summary=recordings.summarise(transcript, work.seconds - began))

    def stopped(self, request: gr.Request | None = None) -> None:
        """The user has waited enough; `ended` shows what there is."""
        self.sessions.stop(session(request))

    def ended(self, kept: Sequence[Recording], chosen: int | None) -> list[Any]:
        """The reading was refused, has failed or was stopped: what was read until then is shown."""
        return [gr.Button(visible=False), *(self.choose(kept, chosen) if kept else self.empty())]

    # Texts are corrected ----------------------------------------------------------------------------------------------

    def correct(self, kept: Sequence[Recording], chosen: int | None, event: gr.EventData) -> list[Any]:
        """The paragraphs as the user corrected them -> words in their places, and files of them."""
        chosen = min(chosen or 0, len(kept) - 1)
        if not kept or kept[chosen].transcript is None:
            raise refusal("This recording has been deleted; choose it again")
        return self.show(recordings.corrected(kept, chosen, event.texts), chosen)

    def teach(self, kept: Sequence[Recording], request: gr.Request | None = None) -> Iterator[list[Any]]:
        """The texts as they stand -> a ZIP file of samples to train on."""
        lessons, total = recordings.lessons(kept)
        target = Path(tempfile.mkdtemp(dir=cache())) / "corrections.zip"

        def write(work: Work[Lessons]) -> Lessons:
            about = "Cutting the recordings into samples"
            work.tell(0.0, total, about)
            try:
                return write_spoken(lessons, target, lambda seconds: work.tell(seconds, total, about))
            except RecogError as error:
                raise refusal(str(error)) from error

        work = self.sessions.begin(session(request), Work(write))
        for step, seconds in work.run():
            yield [bar(step, seconds), gr.skip(), gr.skip()]
        yield ["", gr.DownloadButton(value=str(target), visible=True), recordings.taught(work.result)]


def _opening(work: Work[Any], name: str, done: float, total: float | None) -> None:
    work.tell(done, total, f"Opening {name}")
