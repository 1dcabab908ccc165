"""A sheet on the page to write on, with a pen, a finger or the mouse."""

import base64
import binascii
from pathlib import Path
from typing import Any

import gradio as gr

from recog.errors import InputError

SCRIPT = (Path(__file__).parent / "assets" / "pad.js").read_text(encoding="utf-8")
_START = "data:image/png;base64,"
# Of the drawing, as it is sent.
_MOST_BYTES = 4_000_000
_PAGE = (
    '<div class="pad"><canvas width="1200" height="420" role="img" aria-label="Paper to write on"></canvas>'
    '<div class="tools"><button type="button" class="read done">Read what I wrote</button>'
    '<button type="button" class="undo">Take back a stroke</button><button type="button" class="wipe">New sheet</button>'
    "</div></div>"
)


def part() -> gr.HTML:
    """Places the sheet inside a Blocks context; its `submit` brings what was written."""
    return gr.HTML(_PAGE, js_on_load=SCRIPT)


def save(picture: Any, folder: Path) -> Path:
    """What `submit` brings -> a PNG file in the folder. Refuses what is no PNG of a drawing: a browser sent it."""
    if not isinstance(picture, str) or not picture.startswith(_START) or len(picture) > _MOST_BYTES:
        raise InputError("the drawing did not arrive as a PNG of less than 4 MB; draw it again")
    try:
        content = base64.b64decode(picture[len(_START) :], validate=True)
    except (binascii.Error, ValueError) as error:
        raise InputError("the drawing did not arrive as base64; draw it again") from error
    path = folder / "drawing.png"
    path.write_bytes(content)
    return path
