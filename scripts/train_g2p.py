"""Trains a model that says words which a pronouncing dictionary lacks, and measures it on words held out."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from pipelines.pronouncing import train_g2p
from recog.errors import RecogError
from recog.lm.g2p import G2pConfig


def main(argv: Sequence[str] | None = None) -> int:
    """Parses, trains, measures, prints; 1 when something is refused."""
    options = _parser().parse_args(argv)
    try:
        config = G2pConfig(options.order, options.rounds, options.most)
        report = train_g2p(options.dictionary, options.out, config, options.stress, options.held_out, options.seed)
    except RecogError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    for line in [json.dumps(report.as_json(), ensure_ascii=False)] if options.json else report.table():
        print(line)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter, prog="train_g2p.py"
    )
    parser.add_argument("dictionary", metavar="DICT", help="CMUdict form or 'word<tab>P H O N E S'; .gz and .xz too")
    parser.add_argument("--out", required=True, help="file to write")
    parser.add_argument("--stress", action="store_true", help="keep the digits of stress")
    parser.add_argument("--order", type=int, default=6, help="tokens in the longest n-gram, 1 to 6")
    parser.add_argument("--rounds", type=int, default=12, help="rounds of alignment")
    parser.add_argument("--most", type=int, default=0, help="prune until at most so many n-grams are left, 0: no limit")
    parser.add_argument("--held-out", type=float, default=0.1, help="part of the words to measure on, 0: none")
    parser.add_argument("--seed", type=int, default=0, help="which words are held out")
    parser.add_argument("--json", action="store_true", help="print all figures as JSON")
    return parser


if __name__ == "__main__":
    sys.exit(main())
