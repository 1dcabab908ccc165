"""Puts language models into a bundle and tunes all that is set after training: weights, confidences, word times."""

import argparse
from pathlib import Path


def add_options(parser: argparse.ArgumentParser) -> None:
    """The command line of `recog tune`."""
    parser.add_argument("bundle", help="name or folder of a bundle; its decoder.json is rewritten")
    parser.add_argument("manifest", type=Path, help="rows to tune on; never those that are reported")
    parser.add_argument("--part", default="tune", help="only rows with this part (default tune)")
    parser.add_argument("--rows", type=int, default=300, help="rows used, evenly spaced (default 300)")
    parser.add_argument("--beam", type=int, default=100, help="beam to tune with and to store (default 100)")
    parser.add_argument(
        "--times", type=Path, metavar="MANIFEST", help="single spoken words with their speakers, to tune word times on"
    )
    parser.add_argument("--words", type=Path, help="a word model (train_lm) to put into the bundle first")
    parser.add_argument(
        "--characters",
        action="append",
        default=[],
        metavar="[LANGUAGE=]FILE",
        help="a character model to put into the bundle first; again with another code (en=FILE fr=FILE) for each language that is read",
    )
    parser.add_argument("--pronunciations", type=Path, help="how words are said, to put into the bundle first")
    parser.add_argument("--rescorer", type=Path, help="a recurrent model (train_rescorer) to put into the bundle first")


def run(arguments: argparse.Namespace) -> int:
    """Does it; 0 when everything succeeded, 1 when something failed."""
    from pipelines.bundle_language import by_language, put_models
    from pipelines.tuning import tune

    characters = by_language(arguments.characters)
    put_models(arguments.bundle, arguments.words, characters, arguments.pronunciations, arguments.rescorer)
    tuned = tune(arguments.bundle, arguments.manifest, arguments.part, arguments.rows, arguments.beam, arguments.times)
    for line in tuned.table():
        print(line)
    return 0
