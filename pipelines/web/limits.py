"""What the page takes: stated beside the inputs, and checked before anything is recognised."""

import html
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import gradio as gr
from PIL.Image import Image

from recog import image
from recog.errors import RecogError

# Boxes that stand on the page at once.
_MOST_BOXES = 3


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
        raise refusal(sentence(error, path)) from error


def sentence(error: RecogError, path: Path) -> str:
    """What a refusal says, with the name the user gave the file instead of our path."""
    return str(error).replace(str(path), path.name)


def refusal(sentence: str) -> gr.Error:
    """An error box that says one sentence and stays until it is closed; nothing goes to the log."""
    # The box takes HTML, and a file may be named like a tag.
    return gr.Error(html.escape(sentence.rstrip(".") + ".", quote=False), duration=None, print_exception=False)


def warn(sentence: str) -> None:
    """A box that says one sentence and stays until it is closed; what was begun goes on."""
    gr.Warning(html.escape(sentence.rstrip(".") + ".", quote=False), duration=None)


def warn_of(sentences: Sequence[str]) -> None:
    """A box for each of the first few sentences, and one that says how many more there are."""
    for one in sentences[:_MOST_BOXES]:
        warn(one)
    if len(sentences) > _MOST_BOXES:
        more = len(sentences) - _MOST_BOXES
        warn(f"{more} more could not be read; choose {'it' if more == 1 else 'them'} in the list to see why")
