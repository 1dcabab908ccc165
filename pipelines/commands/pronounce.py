"""Says words in phones: as a dictionary has them, or as a model trained from one would say them."""

import argparse
import sys
from pathlib import Path


def add_options(parser: argparse.ArgumentParser) -> None:
    """The command line of `recog pronounce`."""
    parser.add_argument("words", nargs="*", metavar="WORD", help="words to be said")
    parser.add_argument("--words-of", type=Path, metavar="LM", help="instead of words: all that a word model knows")
    parser.add_argument("--manifest", type=Path, help="instead of words: rows that are to tell their phones")
    parser.add_argument("--out", type=Path, help="the manifest with the phones")
    parser.add_argument("--model", type=Path, required=True, help="a model made by scripts/train_g2p.py")
    parser.add_argument("--dictionary", type=Path, help="words that it has are said as it says (CMUdict form or plain)")
    parser.add_argument("--best", type=int, default=1, help="ways of saying a word that the model gives (default 1)")
    parser.add_argument("--stress", action="store_true", help="keep the digits of stress in the dictionary's phones")


def run(arguments: argparse.Namespace) -> int:
    """Does it; 0 when everything succeeded, 1 when something failed."""
    from pipelines.pronouncing import pronounce, pronounce_rows, vocabulary
    from recog.errors import ConfigError, RecogError

    given = [bool(arguments.words), bool(arguments.words_of), bool(arguments.manifest)]
    if sum(given) != 1 or bool(arguments.manifest) != bool(arguments.out):
        raise ConfigError("give either words, or --words-of LM, or --manifest IN with --out OUT")
    if arguments.manifest:
        rows, unsaid = pronounce_rows(arguments.manifest, arguments.out, arguments.model, arguments.dictionary)
        print(
            f"{rows} rows in {arguments.out}; words that nothing can say: {' '.join(unsaid) or 'none'}", file=sys.stderr
        )
        return 0
    failed = False
    words = vocabulary(arguments.words_of) if arguments.words_of else arguments.words
    for found in pronounce(words, arguments.model, arguments.dictionary, arguments.best, arguments.stress):
        if isinstance(found, RecogError):
            failed = True
            print(f"recog pronounce: {found}", file=sys.stderr)
        else:
            for said in found:
                print(said.line())
    return 1 if failed else 0
