"""Trains the page segmenter, which finds the lines of writing, from pages whose lines are known.

python scripts/train_layout.py PAGES... --out segmenter.safetensors [--minutes 45]

PAGES: JSON lines with `image` and `lines` (`baseline`, `polygon`), or folders of PAGE or ALTO XML with their pictures.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from recog.errors import RecogError
from recog.training.settings import PRECISIONS


def main(argv: Sequence[str] | None = None) -> int:
    """Trains and writes; 0 when everything succeeded, 1 when something failed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("pages", nargs="+", type=Path, metavar="PAGES", help="JSON lines, or a folder of PAGE or ALTO")
    parser.add_argument("--out", type=Path, required=True, help="where the segmenter goes")
    parser.add_argument("--minutes", type=float, default=45.0, help="time to train (default 45)")
    parser.add_argument("--from", dest="start", type=Path, metavar="FILE", help="begin with this segmenter")
    parser.add_argument("--rate", type=float, default=2e-3, help="highest learning rate (default 0.002)")
    parser.add_argument("--batch", type=int, default=3, help="squares that are looked at together (default 3)")
    parser.add_argument("--precision", choices=PRECISIONS, default="auto", help="arithmetic (default: the faster one)")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args(argv)
    try:
        from pipelines import segmenting
        from recog.layout import marked, transcribed

        config = segmenting.SegmentingConfig(
            arguments.minutes,
            batch=arguments.batch,
            peak_rate=arguments.rate,
            precision=arguments.precision,
            seed=arguments.seed,
        )
        readers = [transcribed.read if path.is_dir() else marked.read for path in arguments.pages]
        pages = [page for path, read in zip(arguments.pages, readers, strict=True) for page in read(path)]
        segmenting.train(pages, arguments.out, config, start=arguments.start)
    except RecogError as error:
        print(f"train_layout: {error}", file=sys.stderr)
        return 1
    print(f"{arguments.out}: a segmenter trained on {len(pages)} pages")
    return 0


if __name__ == "__main__":
    sys.exit(main())
