"""The `recog` command: parse, run one of `pipelines/commands`. Results go to stdout, talk to stderr."""

import argparse
import importlib
import sys
from collections.abc import Sequence

from recog import __version__
from recog.errors import RecogError

# Command, a module of `pipelines.commands`, and its line of help. Only the one that is called is imported.
COMMANDS = {
    "transcribe": "Transcribes recordings and pictures of handwriting.",
    "align": "Finds when each word of a known text is said, or where it is written; cuts long recordings.",
    "evaluate": "Measures CER and WER of a bundle on a manifest.",
    "train": "Trains a recogniser from a preset and two manifests.",
    "average": "Averages the weights of bundles from trainings that began alike.",
    "prepare": "Turns a corpus into manifests.",
    "check": "Looks through manifests before a training: damaged files, impossible texts, leaks between splits.",
    "tune": "Puts language models into a bundle and tunes its decoder.",
    "language": "Puts language models or a list of words into a bundle, takes them out, or tells what is there.",
    "pronounce": "Says words in phones: as a dictionary has them, or as a model trained from one would say them.",
    "doctor": "Tells what this installation can do, what is missing and the command that mends it.",
    "app": "Starts the front end in the browser.",
    "serve": "Serves the page and the HTTP API, with settings from a file or the environment and a log for machines.",
    "test": "Runs lint, type check and tests of a checkout.",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command; 0 when everything succeeded, 1 when something failed, 2 for a wrong call."""
    given = list(sys.argv[1:] if argv is None else argv)
    parser = argparse.ArgumentParser(
        prog="recog", description="Recordings and handwriting to text, on your own machine."
    )
    parser.add_argument("--version", action="version", version=f"recog {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, line in COMMANDS.items():
        command = commands.add_parser(name, help=line, description=line)
        if name in given:  # the others' options, and what they would import, are nobody's concern now
            module = importlib.import_module(f"pipelines.commands.{name}")
            module.add_options(command)
            command.set_defaults(run=module.run)
    arguments = parser.parse_args(given)
    try:
        return int(arguments.run(arguments))
    except RecogError as error:
        print(f"recog {arguments.command}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
