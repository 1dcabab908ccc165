"""Turns a corpus into manifests."""

import argparse
import sys
from pathlib import Path


def add_options(parser: argparse.ArgumentParser) -> None:
    """The command line of `recog prepare`."""
    from pipelines.preparation import KINDS

    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = "kinds:\n" + "\n".join(f"  {kind:12} {line}" for kind, line in KINDS.items())
    parser.add_argument("kind", choices=list(KINDS), metavar="KIND", help="what SOURCE is, see below")
    parser.add_argument("source", metavar="SOURCE", help="folder to read ('-' for kinds that need none)")
    parser.add_argument("out", type=Path, metavar="OUT", help="folder to write manifests (and unpacked media) to")
    parser.add_argument(
        "--fetch",
        action="append",
        default=[],
        metavar="PART",
        help="download this part of the corpus into SOURCE first (librispeech: dev-clean and so on; needs torchaudio)",
    )
    parser.add_argument("--force", action="store_true", help="replace manifests of different content")


def run(arguments: argparse.Namespace) -> int:
    """Does it; 0 when everything succeeded, 1 when something failed."""
    from pipelines.fetching import fetch
    from pipelines.preparation import prepare

    source = None if arguments.source == "-" else Path(arguments.source)
    if arguments.fetch:
        source = fetch(arguments.kind, arguments.fetch, Path(arguments.source))
    prepared = prepare(arguments.kind, source, arguments.out, force=arguments.force)
    for path, rows in prepared.manifests.items():
        print(f"{path}: {rows} rows")
    for reason, count in prepared.left_out.items():
        print(f"left out: {count} ({reason})", file=sys.stderr)
    return 0
