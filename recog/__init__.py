"""recog: recordings and handwriting to text with deep bidirectional LSTMs and CTC. This file is the public face."""

from recog.checkpoint import Bundle
from recog.checkpoint import load as load_bundle
from recog.errors import RecogError
from recog.recognizer import DecodingOptions, Recognizer

__version__ = "0.1.0"
__all__ = ["Bundle", "DecodingOptions", "RecogError", "Recognizer", "__version__", "load_bundle"]
