"""Aligns recordings or pictures with their texts, or cuts them into sentences. See `recog align --help`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from pipelines.cli import main

if __name__ == "__main__":
    sys.exit(main(["align", *sys.argv[1:]]))
