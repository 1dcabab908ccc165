"""Starts the page: recordings and handwriting to text, in the browser, on this machine. See `python app.py --help`."""

import argparse
import sys
from collections.abc import Sequence

from pipelines.web.serve import add_options, serve


def main(argv: Sequence[str] | None = None) -> int:
    """Serves the page until it is stopped with Ctrl-C; 1 where it cannot be shown."""
    parser = argparse.ArgumentParser(prog="app.py", description="Recordings and handwriting to text, in the browser.")
    add_options(parser)
    return serve(parser.parse_args(argv))


if __name__ == "__main__":
    sys.exit(main())
