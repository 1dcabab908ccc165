"""The speech tab: a recording, a video or the microphone -> text, and when each word was said."""

import tempfile
import time
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import gradio as gr
import soundfile

from pipelines.speech import SpeechPipeline
from pipelines.transcript import SpeechTranscript
from pipelines.web.limits import Limits, refusal, told, warn
from pipelines.web.once import Once
from pipelines.web.result import ResultPanel, cache, percent
from recog import audio
from recog.audio import Waveform

EXAMPLE = Path(__file__).parent / "examples" / "reader.opus"
FILE_TYPES = ["audio", "video", ".opus", ".oga", ".mka", ".mkv", ".m4b", ".amr"]
# What browsers can play; anything else is turned into wav for the player.
PLAYABLE = {".wav", ".mp3", ".ogg", ".oga", ".opus", ".flac", ".m4a", ".aac", ".mp4", ".webm"}
RATE_HZ = 16000


def load(name_or_path: str | Path) -> SpeechPipeline:
    """A pipeline that has read the example: what is compiled on first use is compiled before anybody waits for it."""
    pipeline = SpeechPipeline.load(name_or_path)
    pipeline(EXAMPLE)
    return pipeline


class SpeechTab:
    """Draws the tab inside a Blocks context; its methods are what happens on the page."""

    def __init__(self, page: gr.Blocks, pipeline: Once[SpeechPipeline], limits: Limits) -> None:
        self.pipeline, self.limits = pipeline, limits
        notice = gr.Markdown(visible=False, elem_classes="notice")
        with gr.Row(equal_height=False):
            with gr.Column(min_width=300):
                file = gr.File(label="Audio or video file", file_types=FILE_TYPES, height=150)
                gr.Markdown(
                    f"Up to {limits.minutes:g} minutes and {limits.megabytes} MB. Or record here:", elem_classes="hint"
                )
                sound = gr.Audio(label="Recording", sources=["microphone"], type="filepath", editable=False, buttons=[])
                fast = gr.Checkbox(
                    label="Fast, without search",
                    info="Takes the likeliest letter at every moment; quicker, a little less exact.",
                )
                go = gr.Button("Transcribe", variant="primary")
                example = gr.Button("Try an example", size="sm")
            with gr.Column(min_width=300):
                self.result = ResultPanel.draw()
                words = gr.Dataframe(
                    label="Words and times in seconds",
                    headers=["Word", "From", "To", "Sure"],
                    column_widths=["40%", "20%", "20%", "20%"],
                    interactive=False,
                    max_height=320,
                    buttons=[],
                    elem_classes="words",
                )
        # What was uploaded moves into the player; a file that was refused makes room for the next one too.
        quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
        taken = file.upload(self.take, file, sound, show_progress_on=[sound], api_visibility="private")
        taken.success(lambda: None, None, file, **quiet)
        taken.failure(lambda: None, None, file, **quiet)
        run: dict[str, Any] = {
            "fn": self.transcribe,
            "inputs": [sound, fast],
            "outputs": [*self.result.parts, words],
            "show_progress_on": [self.result.text],
            "api_visibility": "private",
        }
        empty: dict[str, Any] = {"fn": self.empty, "inputs": None, "outputs": run["outputs"], **quiet}
        go.click(**run).failure(**empty)
        example.click(lambda: str(EXAMPLE), None, sound, **quiet).then(**run).failure(**empty)
        page.load(self.notice, None, notice, **quiet)

    def notice(self) -> Any:
        """What is missing, said before anybody uploads anything."""
        problem = self.pipeline.problem()
        return gr.Markdown(f"**Speech cannot be read yet:** {problem}", visible=bool(problem))

    def empty(self) -> list[Any]:
        """What is shown after a refusal."""
        return [*self.result.clear(), []]

    def take(self, uploaded: str | None) -> Any:
        """An uploaded file -> the player; refuses at once what cannot be read."""
        if uploaded is None:
            return gr.skip()
        path = Path(uploaded)
        damage: list[str] = []
        with told(path):
            blocks = audio.stream(path, RATE_HZ, self.limits.seconds, damage)
            shown = path if path.suffix.lower() in PLAYABLE else as_wav(blocks, path.stem)
            for _ in blocks:
                pass  # what cannot be decoded is refused here, in a sentence
        if damage:
            warn(f"{path.name} is damaged or cut off ({damage[0]}); what can be read of it is transcribed")
        return str(shown)

    def transcribe(self, recording: str | None, fast: bool) -> list[Any]:
        """The recording in the player -> text, summary, two files, rows of words."""
        if recording is None:
            raise refusal("There is no recording yet; choose a file, record something, or try the example")
        path = Path(recording)
        with told(path):
            audio.describe(path)  # before anybody waits for the recogniser
            pipeline = self.pipeline()
            if fast:
                greedy = replace(pipeline.recognizer.options, beam=0)
                pipeline = SpeechPipeline(pipeline.recognizer.bundle, greedy)
            began = time.perf_counter()
            transcript = pipeline(path, limit_seconds=self.limits.seconds)
        summary = summarise(transcript, time.perf_counter() - began)
        rows = [
            [word.text, f"{word.start:.2f}", f"{word.end:.2f}", percent(word.confidence)] for word in transcript.words
        ]
        return [*self.result.fill(transcript, [transcript.words], summary, path.stem), rows]


def as_wav(blocks: Iterable[Waveform], stem: str) -> Path:
    """The recording as a file that every browser can play."""
    path = Path(tempfile.mkdtemp(dir=cache())) / f"{stem}.wav"
    # Float samples, so that the recogniser hears exactly what it would have heard in the original.
    with soundfile.SoundFile(path, "w", RATE_HZ, 1, "FLOAT") as file:
        for block in blocks:
            file.write(block)
    return path


def summarise(transcript: SpeechTranscript, seconds: float) -> str:
    """One line below the text."""
    if transcript.damage:
        return f"**{transcript.warning('This recording')}.**"
    if not transcript.text:
        return f"No speech was found in these {transcript.duration:.1f} seconds of sound."
    words = len(transcript.words)
    return (
        f"{words} word{'s' * (words != 1)} in {transcript.duration:.1f} s of sound, read in {seconds:.1f} s. "
        "Marked words are unsure."
    )
