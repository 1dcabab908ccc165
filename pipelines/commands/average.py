"""Averages the weights of bundles from trainings that began alike."""

import argparse
import sys
from pathlib import Path


def add_options(parser: argparse.ArgumentParser) -> None:
    """The command line of `recog average`."""
    parser.add_argument("out", type=Path, help="folder of the new bundle")
    parser.add_argument(
        "bundles", nargs="+", metavar="BUNDLE[=WEIGHT]", help="two or more, by name or folder, perhaps with a weight"
    )
    parser.add_argument(
        "--bits", type=int, choices=[8, 16], default=16, help="of a weight in the file; with 8 one bundle is enough"
    )


def run(arguments: argparse.Namespace) -> int:
    """Does it; 0 when everything succeeded, 1 when something failed."""
    from pipelines.averaging import average, parse

    names, weights = zip(*map(parse, arguments.bundles), strict=True)
    averaged = average(arguments.out, names, weights, arguments.bits)
    print(f"{arguments.out}: the mean of {len(names)} networks" if len(names) > 1 else f"{arguments.out}: in 8 bits")
    if averaged.language is not None and len(names) > 1:
        print("its decoder was tuned for the first of them; tune it again with recog tune", file=sys.stderr)
    return 0
