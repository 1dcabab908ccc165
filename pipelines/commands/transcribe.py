"""Transcribes recordings and pictures of handwriting."""

import argparse
import json
import sys
from pathlib import Path

from pipelines.commands.decoding import add_decoding_options, decoding


def add_options(parser: argparse.ArgumentParser) -> None:
    """The command line of `recog transcribe`."""
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="recordings or pictures")
    parser.add_argument(
        "--bundle", help="name or folder (default: speech-en for sound, handwriting-latin for pictures)"
    )
    parser.add_argument(
        "--format",
        choices=["txt", "json"],
        default="txt",
        help="txt: the text; json: words with times or boxes (default txt)",
    )
    add_decoding_options(parser)


def run(arguments: argparse.Namespace) -> int:
    """Does it; 0 when everything succeeded, 1 when something failed."""
    from pipelines.transcription import transcribe

    several, failed = len(arguments.files) > 1, 0
    for outcome in transcribe(arguments.files, arguments.bundle, decoding(arguments)):
        if outcome.transcript is None:
            failed += 1
            print(f"recog transcribe: {outcome.failure}", file=sys.stderr)
        elif arguments.format == "json":
            print(json.dumps({"file": str(outcome.path), **outcome.transcript.as_json()}, ensure_ascii=False))
        else:
            print(f"{outcome.path}: {outcome.transcript.text}" if several else outcome.transcript.text)
    if failed and several:
        print(f"recog transcribe: {failed} of {len(arguments.files)} files failed", file=sys.stderr)
    return 1 if failed else 0
