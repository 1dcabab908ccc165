"""Options of decoding, shared by the commands that recognise."""

import argparse
from typing import TYPE_CHECKING

from recog.errors import ConfigError

if TYPE_CHECKING:  # PyTorch is loaded by the commands that need it: --help answers at once
    from recog.lm.hotwords import Hotword
    from recog.recognizer import DecodingOptions


def add_decoding_options(parser: argparse.ArgumentParser) -> None:
    """The options that say how log-probabilities become text."""
    search = parser.add_mutually_exclusive_group()
    search.add_argument("--greedy", action="store_true", help="take the likeliest symbol of each frame, without search")
    search.add_argument("--beam", type=int, help="prefixes kept by the search (default: as the bundle was tuned)")
    parser.add_argument("--no-language", action="store_true", help="search without the bundle's language models")
    parser.add_argument(
        "--written-in", default="", metavar="CODE", help="the text's language, where the bundle has models for several"
    )
    parser.add_argument(
        "--hotword", action="append", default=[], metavar="PHRASE[=WEIGHT]", help="prefer a word or phrase (weight 8)"
    )
    parser.add_argument(
        "--device", choices=["auto", "cpu", "cuda"], default="auto", help="where the network runs (default auto)"
    )


def decoding(arguments: argparse.Namespace) -> "DecodingOptions":
    """What the user chose."""
    from recog.recognizer import DecodingOptions

    return DecodingOptions(
        beam=0 if arguments.greedy else arguments.beam,
        language=not arguments.no_language,
        written_in=arguments.written_in,
        hotwords=tuple(_hotword(written) for written in arguments.hotword),
        device=arguments.device,
    )


def _hotword(written: str) -> "Hotword":
    from recog.lm.hotwords import Hotword

    phrase, equals, weight = written.rpartition("=")
    try:
        return Hotword(phrase, float(weight)) if equals else Hotword(written)
    except ValueError as error:
        raise ConfigError(
            f"--hotword {written!r}: {weight!r} is not a number; write PHRASE or PHRASE=WEIGHT"
        ) from error
