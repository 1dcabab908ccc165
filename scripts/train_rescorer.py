"""Trains a recurrent language model that judges what a beam search proposes; put it into a bundle with `recog tune --rescorer`.

python scripts/train_rescorer.py TEXT... --bundle NAME_OR_PATH --out rescorer.safetensors [--minutes 30]
    [--words 65000] [--line-characters 45] [--passage 300] [--hidden 512] [--layers 1] [--from rescorer.safetensors] [--json FILE]

The texts are of any kind, one paragraph a line, packed (.gz, .xz) or not, or manifests. The bundle gives the symbols and the
text rule. It foretells characters, which suits handwriting and its broken words, or with --words so many words. One line of 200 is held out and measured in bits a character. What is learnt is written every five minutes, and
when the run is stopped; `--from` goes on from there.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from pipelines import rescoring
from pipelines.rescoring import RescoringConfig
from recog import checkpoint
from recog.errors import RecogError
from recog.models.recurrent_lm import RecurrentLMConfig
from recog.training.settings import PRECISIONS

# Words get rows of this width, those after the first tier a quarter, those after the second a sixteenth of it.
WORD_WIDTH, WORD_TIERS = 192, (4000, 20000)


def main(argv: Sequence[str] | None = None) -> int:
    """Trains, writes and prints; 0 when everything succeeded, 1 when something failed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("texts", nargs="+", type=Path, metavar="TEXT", help="text, .gz, .xz or manifest (.jsonl)")
    parser.add_argument(
        "--bundle", required=True, help="bundle whose symbols and text rule are used: a name or a folder"
    )
    parser.add_argument("--out", type=Path, required=True, help="where the rescorer goes")
    parser.add_argument("--minutes", type=float, default=30.0, help="time to train (default 30)")
    parser.add_argument("--updates", type=int, default=0, help="end after so many updates instead")
    parser.add_argument(
        "--line-characters", type=int, default=0, help="break lines at this length, as on a page; 0: leave them"
    )
    parser.add_argument(
        "--passage",
        type=int,
        default=0,
        help="read on from line to line of a paragraph, or of a page of a manifest, so many characters together; 0: each line anew",
    )
    parser.add_argument("--words", type=int, default=0, help="foretell so many words, the most frequent; 0: characters")
    parser.add_argument("--batch", type=int, default=8000, help="characters or words in a batch (default 8000)")
    parser.add_argument("--hidden", type=int, default=512, help="LSTM cells of a layer (default 512)")
    parser.add_argument("--layers", type=int, default=1, help="LSTM layers (default 1)")
    parser.add_argument("--rate", type=float, default=3e-3, help="highest learning rate (default 0.003)")
    parser.add_argument("--from", dest="start", type=Path, help="rescorer to go on from")
    parser.add_argument("--precision", choices=PRECISIONS, default="auto", help="arithmetic (default: the faster one)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path, help="file to write the figures to")
    arguments = parser.parse_args(argv)
    try:
        bundle = checkpoint.load(arguments.bundle)
        config = RescoringConfig(
            minutes=arguments.minutes,
            updates=arguments.updates,
            batch=arguments.batch,
            passage=arguments.passage,
            peak_rate=arguments.rate,
            precision=arguments.precision,
            seed=arguments.seed,
        )
        symbols = arguments.words or len(bundle.alphabet.symbols)
        shape = RecurrentLMConfig(symbols, hidden=arguments.hidden, layers=arguments.layers)
        if arguments.words:
            shape = replace(shape, width=WORD_WIDTH, tiers=tuple(tier for tier in WORD_TIERS if tier <= symbols))
        measured = rescoring.train(
            arguments.texts,
            arguments.out,
            bundle.alphabet,
            bundle.text_rule,
            config,
            shape,
            arguments.line_characters,
            arguments.start,
            arguments.words,
        )
    except RecogError as error:
        print(f"train_rescorer: {error}", file=sys.stderr)
        return 1
    print("\n".join(measured.table()))
    if arguments.json:
        arguments.json.write_text(json.dumps(asdict(measured), indent=2) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
