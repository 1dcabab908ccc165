"""What the page takes: stated beside the inputs, and checked before anything is recognised."""

import html
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import gradio as gr
from PIL.Image import Image

from recog import image
from recog.errors import RecogError


@dataclass(frozen=True)
class Limits:
    """The most that one upload may hold."""

    # Of any file, as it is sent.
    megabytes: int = 200
    # Of a recording or a video.
    minutes: float = 30
    # Of a picture: width x height.
    megapixels: float = 60
    # An upload and everything made from it is deleted when it is older than this.
    keep_minutes: int = 60

    @property
    def seconds(self) -> float:
        """The most of a recording, as `recog.audio.stream` takes it."""
        return self.minutes * 60

    def picture(self, path: Path) -> Image:
        """The grey picture of a file within the limits; refuses, in a sentence, one that is larger or no picture."""
        return image.read(path, self.megapixels)


@contextmanager
def told(path: Path) -> Iterator[None]:
    """Shows a refusal on the page as its one sentence, with the name the user gave the file instead of our path."""
    try:
        yield
    except RecogError as error:
        raise refusal(str(error).replace(str(path), path.name)) from error


def refusal(sentence: str) -> gr.Error:
    """An error box that says one sentence and stays until it is closed; nothing goes to the log."""
    # The box takes HTML, and a file may be named like a tag.
    return gr.Error(html.escape(sentence.rstrip(".") + ".", quote=False), duration=None, print_exception=False)


def warn(sentence: str) -> None:
    """A box that says one sentence and stays until it is closed; what was begun goes on."""
    gr.Warning(html.escape(sentence.rstrip(".") + ".", quote=False), duration=None)
