"""Puts language models or a list of words into a bundle, takes them out, or tells what is there."""

import argparse
from pathlib import Path


def add_options(parser: argparse.ArgumentParser) -> None:
    """The command line of `recog language`."""
    parser.add_argument("bundle", help="name or folder of a bundle")
    parser.add_argument("--words", type=Path, help="a word model (train_lm) to put in")
    parser.add_argument(
        "--characters",
        action="append",
        default=[],
        metavar="[LANGUAGE=]FILE",
        help="a character model to put in; again with another code (en=FILE fr=FILE) for each language that is read",
    )
    parser.add_argument(
        "--word-list",
        type=Path,
        help="the words that are known, one a line as they stand between spaces, perhaps with a tab and a count",
    )
    parser.add_argument(
        "--pronunciations",
        type=Path,
        help="how words are said, in CMUdict's form and phones, for a bundle whose network has a head for them",
    )
    parser.add_argument(
        "--remove",
        nargs="+",
        default=[],
        choices=["words", "characters", "word-list", "pronunciations"],
        help="parts to take out",
    )


def run(arguments: argparse.Namespace) -> int:
    """Does it; 0 when everything succeeded, 1 when something failed."""
    from pipelines.bundle_language import by_language, change, describe

    parts = arguments.words, by_language(arguments.characters), arguments.word_list, arguments.pronunciations
    change(arguments.bundle, *parts, remove=arguments.remove)
    for line in describe(arguments.bundle):
        print(line)
    return 0
