"""The handwriting tab: a picture of a line or a page -> its text, and the page with what was found drawn over it."""

import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import gradio as gr
from PIL import Image, ImageDraw, ImageFont

from pipelines.handwriting import HandwritingPipeline
from pipelines.transcript import PageTranscript
from pipelines.web.limits import Limits, refusal, told
from pipelines.web.once import Once
from pipelines.web.result import UNSURE, ResultPanel, cache, percent

HERE = Path(__file__).parent / "examples"
EXAMPLES = {
    "an English line": HERE / "line-english.webp",
    "a French line": HERE / "line-french.webp",
    "a French page": HERE / "page-french.webp",
}
# What browsers show; anything else is turned into png for the eye.
SHOWABLE = {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif"}
# The camera that looks away from the user, and letters the right way round.
CAMERA = gr.WebcamOptions(
    mirror=False, constraints={"video": {"facingMode": {"ideal": "environment"}, "width": {"ideal": 2560}}}
)
# The drawn page is made no larger than this: it is for looking, not for keeping.
DRAWN_PX = 1600
LINE_COLOUR = (37, 99, 235)
UNSURE_COLOUR = (234, 88, 12)


def load(name_or_path: str | Path) -> HandwritingPipeline:
    """A pipeline that has read an example: what is compiled on first use is compiled before anybody waits for it."""
    pipeline = HandwritingPipeline.load(name_or_path)
    pipeline(HERE / "line-english.webp")
    return pipeline


class HandwritingTab:
    """Draws the tab inside a Blocks context; its methods are what happens on the page."""

    def __init__(self, page: gr.Blocks, pipeline: Once[HandwritingPipeline], limits: Limits) -> None:
        self.pipeline, self.limits = pipeline, limits
        notice = gr.Markdown(visible=False, elem_classes="notice")
        with gr.Row(equal_height=False):
            with gr.Column(min_width=300):
                file = gr.File(label="Image file", file_types=["image"], height=150)
                gr.Markdown(
                    f"Up to {limits.megapixels:g} megapixels and {limits.megabytes} MB: one line, or a page of one column. "
                    "Or photograph or paste it here:",
                    elem_classes="hint",
                )
                picture = gr.Image(
                    label="Picture",
                    sources=["webcam", "clipboard"],
                    type="filepath",
                    image_mode=None,  # the file as it came, not one that gradio stored again
                    webcam_options=CAMERA,
                    height=280,
                    buttons=["fullscreen"],
                    elem_classes="picture",
                    alt_text="The picture to be transcribed",
                )
                fast = gr.Checkbox(
                    label="Fast, without search",
                    info="Takes the likeliest letter at every place; quicker, a little less exact.",
                )
                go = gr.Button("Transcribe", variant="primary")
                with gr.Row():
                    examples = [
                        (gr.Button(f"Try {name}", size="sm", min_width=90), path) for name, path in EXAMPLES.items()
                    ]
            with gr.Column(min_width=300):
                self.result = ResultPanel.draw()
                drawn = gr.Image(
                    label="Lines found",
                    interactive=False,
                    buttons=["fullscreen"],
                    elem_classes="picture",
                    alt_text="The page with a numbered frame around every line that was found, unsure words in orange",
                )
                words = gr.Dataframe(
                    label="Words",
                    headers=["Line", "Word", "Sure"],
                    column_widths=["20%", "60%", "20%"],
                    interactive=False,
                    max_height=320,
                    buttons=[],
                    elem_classes="words",
                )
        quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
        # What was uploaded moves into the picture's place; a file that was refused makes room for the next one too.
        taken = file.upload(self.take, file, picture, show_progress_on=[picture], api_visibility="private")
        taken.success(lambda: None, None, file, **quiet)
        taken.failure(lambda: None, None, file, **quiet)
        run: dict[str, Any] = {
            "fn": self.transcribe,
            "inputs": [picture, fast],
            "outputs": [*self.result.parts, drawn, words],
            "show_progress_on": [self.result.text],
            "api_visibility": "private",
        }
        empty: dict[str, Any] = {"fn": self.empty, "inputs": None, "outputs": run["outputs"], **quiet}
        go.click(**run).failure(**empty)
        for button, path in examples:
            button.click(lambda path=path: str(path), None, picture, **quiet).then(**run).failure(**empty)
        page.load(self.notice, None, notice, **quiet)

    def notice(self) -> Any:
        """What is missing, said before anybody uploads anything."""
        problem = self.pipeline.problem()
        return gr.Markdown(f"**Handwriting cannot be read yet:** {problem}", visible=bool(problem))

    def empty(self) -> list[Any]:
        """What is shown after a refusal."""
        return [*self.result.clear(), None, []]

    def take(self, uploaded: str | None) -> Any:
        """An uploaded file -> the picture shown; refuses at once what cannot be read."""
        if uploaded is None:
            return gr.skip()
        path = Path(uploaded)
        with told(path):
            grey = self.limits.picture(path)
        if path.suffix.lower() in SHOWABLE:
            return str(path)
        shown = Path(tempfile.mkdtemp(dir=cache())) / f"{path.stem}.png"
        grey.save(shown)
        return str(shown)

    def transcribe(self, picture: str | None, fast: bool) -> list[Any]:
        """The picture on show -> text, summary, two files, the drawn page, rows of words."""
        if picture is None:
            raise refusal("There is no picture yet; choose or paste one, take a photo, or try an example")
        path = Path(picture)
        with told(path):
            grey = self.limits.picture(path)
            pipeline = self.pipeline()
            if fast:
                greedy = replace(pipeline.recognizer.options, beam=0)
                pipeline = HandwritingPipeline(pipeline.recognizer.bundle, greedy)
            began = time.perf_counter()
            transcript = pipeline(path)
        summary = summarise(transcript, time.perf_counter() - began)
        rows = [
            [number, word.text, percent(word.confidence)]
            for number, line in enumerate(transcript.lines, start=1)
            for word in line.words
        ]
        filled = self.result.fill(transcript, [line.words for line in transcript.lines], summary, path.stem)
        return [*filled, draw_over(grey, transcript), rows]


def summarise(transcript: PageTranscript, seconds: float) -> str:
    """One line below the text."""
    if not transcript.text:
        return "No writing was found in this picture."
    words, lines = len(transcript.words), len(transcript.lines)
    return (
        f"{words} word{'s' * (words != 1)} in {lines} line{'s' * (lines != 1)}, read in {seconds:.1f} s. "
        "Marked words are unsure."
    )


def draw_over(grey: Image.Image, transcript: PageTranscript) -> Image.Image:
    """The page with a frame around every line, numbered where there are several, and an orange veil on unsure words."""
    scale = min(1.0, DRAWN_PX / max(grey.size))
    page = grey.resize((max(1, round(grey.width * scale)), max(1, round(grey.height * scale)))).convert("RGBA")
    veil = Image.new("RGBA", page.size)
    pen = ImageDraw.Draw(veil)
    thin = max(1, round(max(page.size) / 700))
    size = max(11, round(max(page.size) / 60))
    font = ImageFont.load_default(size)
    for number, line in enumerate(transcript.lines, start=1):
        for word in line.words:
            if word.confidence < UNSURE:
                pen.rectangle([side * scale for side in word.box], fill=(*UNSURE_COLOUR, 70))
        left, top, right, bottom = (side * scale for side in line.box)
        pen.rectangle((left, top, right, bottom), outline=(*LINE_COLOUR, 255), width=thin)
        if len(transcript.lines) == 1:
            continue  # there is nothing to tell apart
        # The number stands in the margin where there is one, so that it hides no letter.
        width = pen.textlength(str(number), font=font) + 6 * thin
        left = max(0, left - width)
        pen.rectangle((left, top, left + width, top + size + 4 * thin), fill=(*LINE_COLOUR, 255))
        pen.text((left + 3 * thin, top + thin), str(number), font=font, fill="white")
    return Image.alpha_composite(page, veil).convert("RGB")
