"""Trains a recogniser from a preset and two manifests. See `recog train --help`."""

import sys

from pipelines.cli import main

if __name__ == "__main__":
    sys.exit(main(["train", *sys.argv[1:]]))
