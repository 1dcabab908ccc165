"""How far word times are off, on single spoken words joined to strings: the joins are known.

python scripts/measure_times.py speech-en DIGITS_MANIFEST --part report --json FILE
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from pipelines import word_times
from recog import manifest
from recog.errors import RecogError


def main(argv: Sequence[str] | None = None) -> int:
    """Prints the table; 0 when everything was measured."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("bundle", help="name or folder of a speech bundle")
    parser.add_argument("manifest", type=Path, help="rows of single spoken words, with their speakers")
    parser.add_argument("--part", help="only rows with this part, e.g. report")
    parser.add_argument("--strings", type=int, default=40, help="most strings made of a speaker's words (default 40)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures, in seconds, to this file")
    arguments = parser.parse_args(argv)
    try:
        rows = manifest.read(arguments.manifest, arguments.part)
        measured = word_times.measure(arguments.bundle, rows, arguments.strings)
    except RecogError as error:
        print(f"measure_times: {error}", file=sys.stderr)
        return 1
    for line in word_times.table(measured):
        print(line)
    if arguments.json:
        arguments.json.write_text(json.dumps(asdict(measured), indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
