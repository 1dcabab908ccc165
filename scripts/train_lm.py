"""Trains an n-gram language model on files of text, or turns an ARPA file into recog's compact form."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from pipelines.language_model import load_language_model, save_language_model, train_language_model
from recog.errors import RecogError
from recog.lm.train import NgramConfig
from recog.text import RULES


def main(argv: Sequence[str] | None = None) -> int:
    """Parses, trains or converts, and measures if asked to; 1 when something is refused."""
    options = _parser().parse_args(argv)
    try:
        if len(options.texts) == 1 and ".arpa" in options.texts[0]:
            model = load_language_model(options.texts[0], options.text_rule)
            save_language_model(model, options.out)
        else:
            config = NgramConfig(
                options.order,
                options.unit,
                options.text_rule,
                options.vocabulary,
                options.rare,
                tuple(options.cutoffs),
                options.prune,
                options.most,
            )
            model = train_language_model(
                options.texts, options.out, config, options.line_characters, options.weights, options.tune
            )
    except RecogError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"{options.out}: order {model.order}, {len(model.words)} words, {sum(model.sizes)} n-grams")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter, prog="train_lm.py"
    )
    parser.add_argument("texts", nargs="+", metavar="TEXT", help="text, .gz, .xz, manifest (.jsonl), or one ARPA file")
    parser.add_argument("--out", required=True, help="file to write: .arpa, .arpa.gz, .arpa.xz, or compact (else)")
    parser.add_argument("--order", type=int, default=3, help="words or characters in the longest n-gram, 1 to 6")
    parser.add_argument("--unit", choices=("word", "character"), default="word", help="what is foretold")
    parser.add_argument("--text-rule", choices=tuple(RULES), default="spoken", help="rule that all text goes through")
    parser.add_argument("--vocabulary", type=int, default=0, help="most words of the vocabulary, 0: all")
    parser.add_argument("--rare", type=int, default=1, help="words seen fewer times than this are unknown words")
    parser.add_argument(
        "--cutoffs", type=int, nargs="*", default=(), help="from order 2 up: drop n-grams seen so often or less"
    )
    parser.add_argument("--prune", type=float, default=0.0, help="drop n-grams that change the model less, nats a word")
    parser.add_argument("--most", type=int, default=0, help="prune until at most so many n-grams are left, 0: no limit")
    parser.add_argument("--line-characters", type=int, default=0, help="break lines at this length, 0: leave them")
    parser.add_argument(
        "--weights", type=float, nargs="*", default=(), help="mix a model of each TEXT by these weights"
    )
    parser.add_argument("--tune", help="mix a model of each TEXT as foretells this text best (a manifest's part: tune)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
