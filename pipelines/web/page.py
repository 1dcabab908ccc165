"""The page: its tabs, its look, and how it is served."""

from collections.abc import Callable, Sequence
from pathlib import Path

import gradio as gr
from starlette.routing import BaseRoute

from pipelines.handwriting import HandwritingPipeline
from pipelines.speech import SpeechPipeline
from pipelines.web.guard import GuardedBlocks
from pipelines.web.handwriting import HandwritingTab
from pipelines.web.limits import Limits
from pipelines.web.look import LookTab
from pipelines.web.measure import MeasureTab
from pipelines.web.once import Once
from pipelines.web.speech import SpeechTab
from pipelines.web.train import Training, TrainTab

# Fonts of the user's own system: nothing is fetched from anywhere.
SANS = ("system-ui", "-apple-system", "Segoe UI", "Roboto", "sans-serif")
MONO = ("ui-monospace", "SFMono-Regular", "Consolas", "monospace")
CSS = """
.hint, .hint p { color: var(--body-text-color-subdued); font-size: var(--text-sm); margin: 0; }
.block.notice { border-left: 4px solid #ea580c; padding-left: 12px; }
.transcript { min-height: 9rem; max-height: 26rem; overflow: auto; padding: 12px 16px; line-height: 1.6;
  background: var(--block-background-fill);
  border: var(--block-border-width) solid var(--block-border-color); border-radius: var(--block-radius); }
.html-container:has(.transcript, .lattice, .compared, .curves) { padding: 0; }
.transcript p { margin: 0; color: var(--body-text-color); }
.transcript p.hint { color: var(--body-text-color-subdued); }
.transcript mark { background: rgba(234, 88, 12, 0.16); color: inherit; border-bottom: 2px dotted #ea580c; }
.picture .image-frame { padding-top: 30px; box-sizing: border-box; }
.lattice { overflow-x: auto; padding: 12px 16px; color: var(--body-text-color);
  background: var(--block-background-fill);
  border: var(--block-border-width) solid var(--block-border-color); border-radius: var(--block-radius); }
.lattice svg { max-width: none; display: block; }
.lattice image { image-rendering: pixelated; }
.frames { font-family: var(--font-mono); overflow-wrap: anywhere; margin: 4px 0; }
.compared { max-height: 30rem; overflow: auto; padding: 12px 16px; line-height: 1.7; color: var(--body-text-color);
  background: var(--block-background-fill);
  border: var(--block-border-width) solid var(--block-border-color); border-radius: var(--block-radius); }
.compared p { margin: 0 0 0.6rem; overflow-wrap: anywhere; }
.curves { display: flex; flex-wrap: wrap; gap: 16px; padding: 12px 16px; color: var(--body-text-color);
  background: var(--block-background-fill);
  border: var(--block-border-width) solid var(--block-border-color); border-radius: var(--block-radius); }
.curves svg { flex: 1 1 320px; max-width: 640px; }
.edit { padding: 0 3px; border-radius: 3px; color: var(--body-text-color); }
.edit del { text-decoration: line-through; }
.edit ins { text-decoration: underline; text-underline-offset: 3px; }
.edit.swap { background: rgba(234, 88, 12, 0.22); }
.edit.gone { background: rgba(220, 38, 38, 0.22); }
.edit.more { background: rgba(37, 99, 235, 0.22); }
/* Lighter on a dark ground, and its links and tabs with it. */
.dark { --color-accent: var(--primary-400); }
.words { --font-mono: var(--font); font-variant-numeric: tabular-nums; }
/* A refusal has its own box; the word "Error" over the parts of the page would only hide them. */
[data-testid="status-tracker"]:has(.error) { display: none; }
/* Progress has a bar of its own; gradio's frame around what changes would be another. */
[data-testid="status-tracker"].generating { border: none; }
:focus-visible { outline: 2px solid var(--color-accent) !important; outline-offset: 2px; }
"""


# What belongs to the texts that play and the pages that point.
CSS += (Path(__file__).parent / "assets" / "reader.css").read_text(encoding="utf-8")


def theme() -> gr.themes.Base:
    """Blue, system fonts, and text dark enough on its ground for every eye (WCAG 2.2, contrast 4.5)."""
    return gr.themes.Default(primary_hue="blue", neutral_hue="slate", font=list(SANS), font_mono=list(MONO)).set(
        color_accent="*primary_600",
        body_text_color_subdued="*neutral_600",
        body_text_color_subdued_dark="*neutral_300",
        block_label_text_color="*neutral_600",
        block_label_text_color_dark="*neutral_300",
        block_info_text_color="*neutral_600",
        block_info_text_color_dark="*neutral_300",
        block_title_text_color="*neutral_700",
        button_primary_background_fill="*primary_600",
        button_primary_background_fill_hover="*primary_700",
        button_primary_background_fill_dark="*primary_600",
        button_primary_background_fill_hover_dark="*primary_700",
    )


class Page:
    """The page for two pipelines, each made when it is first needed; `launch` serves it until `close`."""

    def __init__(
        self,
        speech: Once[SpeechPipeline],
        handwriting: Once[HandwritingPipeline],
        limits: Limits | None = None,
        training: Training | None = None,
    ) -> None:
        self.limits = limits or Limits()
        # Looked for every minute; two minutes early, so that the promise on the page holds.
        keep = self.limits.keep_minutes * 60 - 120
        with GuardedBlocks(title="recog", analytics_enabled=False, delete_cache=(60, keep)) as self.blocks:
            gr.Markdown(
                "# recog\nRecordings and handwriting to text. Nothing leaves the computer that runs this page; uploads "
                f"and results are deleted within {self.limits.keep_minutes} minutes, and when the program stops"
                + (", all but what you train." if training and training.runs else ".")
            )
            # On a phone they stand in two rows: a menu would hide half of them.
            with gr.Tabs(overflow_behavior="wrap"):
                with gr.Tab("Speech"):
                    SpeechTab(self.blocks, speech, self.limits)
                with gr.Tab("Handwriting"):
                    HandwritingTab(self.blocks, handwriting, self.limits)
                with gr.Tab("Look inside"):
                    LookTab(speech, handwriting, self.limits)
                with gr.Tab("Measure"):
                    MeasureTab(speech, handwriting, self.limits)
                with gr.Tab("Train"):
                    TrainTab(self.blocks, speech, handwriting, self.limits, training or Training())

    def launch(
        self,
        host: str = "127.0.0.1",
        port: int | None = None,
        beside: Sequence[BaseRoute] = (),
        allowed: Callable[[str], bool] | None = None,
    ) -> str:
        """Serves the page in the background and gives its address; without a port, on the first free one from 7860.

        Routes `beside` it are asked before the page is. Where `allowed` is given, the page asks for a password first,
        under any name, and `allowed` says whether it is the right one. Raises OSError where the host or the port
        cannot be had.
        """
        _, address, _ = self.blocks.queue().launch(
            server_name=host,
            server_port=port,
            app_kwargs={"routes": list(beside)},
            auth=(lambda _, password: allowed(password)) if allowed else None,
            auth_message="Any name; the password is the token of this server.",
            theme=theme(),
            css=CSS,
            max_file_size=self.limits.megabytes * 1_000_000,
            prevent_thread_lock=True,
            quiet=True,
            share=False,
            # Gradio would otherwise keep every input and result in the browser.
            run_history=False,
            footer_links=[],
            ssr_mode=False,
            pwa=False,
            mcp_server=False,
            enable_monitoring=False,
            # It would ask the page for its headers once more, and give up where a busy machine takes three seconds.
            _frontend=False,
        )
        return str(address)

    def close(self) -> None:
        """Ends the serving and deletes all uploads."""
        self.blocks.close(verbose=False)
