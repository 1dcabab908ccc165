"""How often words of a given confidence are right: expected calibration error, table, reliability diagram.

python scripts/measure_confidence.py speech-en MANIFEST --part report --json FILE --plot FILE.png
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from pipelines import reliability
from recog.errors import RecogError


def main(argv: Sequence[str] | None = None) -> int:
    """Prints the table; 0 when everything was measured."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("bundle", help="name or folder of a bundle")
    parser.add_argument("manifest", type=Path, help="rows that the bundle was neither trained nor tuned on")
    parser.add_argument("--part", help="only rows with this part, e.g. report")
    parser.add_argument("--rows", type=int, default=0, help="most rows, evenly drawn; 0: all (default 0)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all bins to this file")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw the reliability diagram into this PNG file")
    arguments = parser.parse_args(argv)
    try:
        ways = reliability.measure(arguments.bundle, arguments.manifest, arguments.part, arguments.rows)
    except RecogError as error:
        print(f"measure_confidence: {error}", file=sys.stderr)
        return 1
    for line in reliability.table(ways):
        print(line)
    if arguments.json:
        arguments.json.write_text(json.dumps(reliability.as_json(ways), indent=1) + "\n", encoding="utf-8")
    if arguments.plot:
        reliability.picture(ways).save(arguments.plot, "PNG")
    return 0


if __name__ == "__main__":
    sys.exit(main())
