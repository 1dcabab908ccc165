"""End to end, one sentence each: speech, handwriting, training. Names are loaded when first used."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipelines.handwriting import HandwritingPipeline
    from pipelines.speech import SpeechPipeline

__all__ = ["HandwritingPipeline", "SpeechPipeline"]


def __getattr__(name: str) -> Any:
    places = {"SpeechPipeline": "pipelines.speech", "HandwritingPipeline": "pipelines.handwriting"}
    if name not in places:
        raise AttributeError(f"module 'pipelines' has no name {name!r}")
    return getattr(importlib.import_module(places[name]), name)
