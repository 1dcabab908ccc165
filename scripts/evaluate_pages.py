"""Measures a handwriting bundle on whole pages: lines found, and errors of the text with its reading order.

python scripts/evaluate_pages.py handwriting-latin PAGES.jsonl [--rotate DEGREES | --photographs] [--json FILE]

One page a line: `image`, and `lines` in reading order with `baseline` and `polygon` (lists of [x, y] in pixels), `text`,
and `consent`: true where the text is not to be counted. Baselines are matched one to one within half the median line
distance; line_cer is that of the same lines cut by their true polygons.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from pipelines.commands.decoding import add_decoding_options, decoding
from recog.errors import RecogError


def main(argv: Sequence[str] | None = None) -> int:
    """Prints the table; 0 when everything was measured."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("bundle", help="name or folder of a handwriting bundle")
    parser.add_argument("pages", type=Path, help="JSON lines, one page each")
    ways = parser.add_mutually_exclusive_group()
    ways.add_argument(
        "--photographs",
        action="store_true",
        help="every page as a photograph of it on a table, turned and from the side",
    )
    ways.add_argument(
        "--rotate", type=float, default=0.0, metavar="DEGREES", help="turn every page anticlockwise first"
    )
    parser.add_argument("--most", type=int, default=0, metavar="PAGES", help="so many pages, evenly drawn; 0: all")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures to this file")
    add_decoding_options(parser)
    arguments = parser.parse_args(argv)
    try:
        from pipelines import page_measurement

        options = decoding(arguments)
        shown = arguments.rotate, arguments.most, arguments.photographs
        pages = page_measurement.measure(arguments.bundle, arguments.pages, options, *shown)
        report = page_measurement.as_json(pages)
    except RecogError as error:
        print(f"evaluate_pages: {error}", file=sys.stderr)
        return 1
    for line in page_measurement.table(report):
        print(line)
    if arguments.json:
        arguments.json.write_text(json.dumps(report, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
