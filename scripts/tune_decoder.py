"""Puts language models into a bundle and tunes its decoder. See `recog tune --help`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from pipelines.cli import main

if __name__ == "__main__":
    sys.exit(main(["tune", *sys.argv[1:]]))
