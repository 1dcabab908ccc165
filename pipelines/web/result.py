"""What the tabs share of showing a result."""

from pathlib import Path

import gradio as gr

# Words below this confidence are shaded as unsure.
UNSURE = 0.5
# Selecting and copying by hand works on pages without https too, where the clipboard interface is closed.
COPY = """() => {
    const text = [...document.querySelectorAll('.transcript')].find(part => part.offsetParent);
    if (text) { getSelection().selectAllChildren(text); document.execCommand('copy'); text.focus(); }
}"""


def percent(confidence: float) -> str:
    """0.873 -> 87 %."""
    return f"{confidence:.0%}".replace("%", " %")


def cache() -> Path:
    """The folder whose files gradio serves, and deletes when they are old."""
    folder = Path(gr.utils.get_upload_folder())
    folder.mkdir(parents=True, exist_ok=True)
    return folder
