"""Trains a restorer of case and punctuation from written text; put it into a speech bundle as restorer.safetensors.

python scripts/train_restorer.py TEXT... --out restorer.safetensors [--minutes 10] [--json]

The texts are of any kind, one paragraph a line, packed (.gz, .xz) or not. One passage of 200 is held out, and precision,
recall and F1 of every mark are measured there.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from pipelines import restoring
from pipelines.restoring import RestoringConfig
from recog.errors import RecogError
from recog.models.tagger import TaggerConfig
from recog.training.settings import PRECISIONS


def main(argv: Sequence[str] | None = None) -> int:
    """Trains, writes and prints; 0 when everything succeeded, 1 when something failed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("texts", nargs="+", type=Path, metavar="TEXT", help="written text, one paragraph a line")
    parser.add_argument("--out", type=Path, required=True, help="where the restorer goes")
    parser.add_argument("--minutes", type=float, default=10.0, help="time to train (default 10)")
    parser.add_argument("--hidden", type=int, default=128, help="cells in each direction (default 128)")
    parser.add_argument("--buckets", type=int, default=16384, help="rows of the table of words (default 16384)")
    parser.add_argument("--precision", choices=PRECISIONS, default="auto", help="arithmetic (default: the faster one)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    arguments = parser.parse_args(argv)
    try:
        config = RestoringConfig(minutes=arguments.minutes, precision=arguments.precision, seed=arguments.seed)
        shape = TaggerConfig(buckets=arguments.buckets, hidden=arguments.hidden)
        measured = restoring.train(arguments.texts, arguments.out, config, shape)
    except RecogError as error:
        print(f"train_restorer: {error}", file=sys.stderr)
        return 1
    if arguments.json:
        print(json.dumps(asdict(measured)))
    else:
        print("\n".join(measured.table()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
