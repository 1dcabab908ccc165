"""The page's blocks, in which a failure that nobody foresaw is told as a sentence, and logged without its words."""

import logging
from typing import Any

import gradio as gr

from pipelines.web.limits import refusal
from pipelines.web.work import StoppedError

SENTENCE = "The program failed at this; that is its fault, not yours. Its log says where; the page goes on"
_LOG = logging.getLogger(__name__)


class GuardedBlocks(gr.Blocks):
    """Blocks whose every action ends in a result, a refusal, or `SENTENCE`: gradio would end it without a word."""

    async def process_api(self, *arguments: Any, **named: Any) -> dict[str, Any]:
        """Does an action of the page."""
        try:
            done: dict[str, Any] = await super().process_api(*arguments, **named)
            return done
        except gr.Error:
            raise  # a refusal
        except StoppedError as stopped:
            # The user knows; nothing is to be told.
            raise gr.Error("stopped", visible=False, print_exception=False) from stopped
        except Exception as error:
            _LOG.exception("an action of the page failed")
            raise refusal(SENTENCE) from error
