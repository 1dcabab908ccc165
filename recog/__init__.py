"""recog: recordings and handwriting to text with deep bidirectional LSTMs and CTC. This file is the public face.

Names are loaded when first used, so that `import recog` costs nothing and works before PyTorch is installed.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from recog.checkpoint import Bundle
    from recog.checkpoint import load as load_bundle
    from recog.errors import RecogError
    from recog.recognizer import DecodingOptions, Recognizer

__version__ = "0.1.0"
__all__ = ["Bundle", "DecodingOptions", "RecogError", "Recognizer", "__version__", "load_bundle"]

_PLACES = {
    "Bundle": ("recog.checkpoint", "Bundle"),
    "load_bundle": ("recog.checkpoint", "load"),
    "RecogError": ("recog.errors", "RecogError"),
    "DecodingOptions": ("recog.recognizer", "DecodingOptions"),
    "Recognizer": ("recog.recognizer", "Recognizer"),
}


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module 'recog' has no name {name!r}")
    module, attribute = _PLACES[name]
    return getattr(importlib.import_module(module), attribute)
