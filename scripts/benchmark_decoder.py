"""Decoders against each other: error rates and milliseconds on the same posteriors with the same language models.

python scripts/benchmark_decoder.py --speech MANIFEST --hand MANIFEST --json FILE [--plot FILE.svg]
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from pipelines import decoder_benchmark as benchmark
from recog.errors import RecogError


def main(argv: Sequence[str] | None = None) -> int:
    """Prints the table as it will be written; 0 when every decoder that is installed was measured."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--speech", type=Path, metavar="MANIFEST", help="rows of speech")
    parser.add_argument("--hand", type=Path, metavar="MANIFEST", help="rows of handwriting")
    parser.add_argument("--speech-bundle", default="speech-en", help="name or folder (default speech-en)")
    parser.add_argument("--hand-bundle", default="handwriting-latin", help="name or folder (default handwriting-latin)")
    parser.add_argument("--part", default="report", help="part of the manifests (default report)")
    parser.add_argument("--rows", type=int, default=100, help="most rows of each, evenly drawn; 0: all (default 100)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows to this file")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw the curves into this SVG file")
    parser.add_argument(
        "--pyctcdecode", type=Path, metavar="PYTHON", help="the Python of an environment that has pyctcdecode"
    )
    arguments = parser.parse_args(argv)
    rows: list[benchmark.Row] = []
    try:
        for manifest, bundle in (
            (arguments.speech, arguments.speech_bundle),
            (arguments.hand, arguments.hand_bundle),
        ):
            if manifest is not None:
                material = benchmark.prepare(bundle, manifest, arguments.part, arguments.rows)
                rows += benchmark.measure(material, arguments.pyctcdecode)
    except RecogError as error:
        print(f"benchmark_decoder: {error}", file=sys.stderr)
        return 1
    for line in benchmark.table(rows):
        print(line)
    if arguments.json:
        arguments.json.write_text(json.dumps(benchmark.as_json(rows), indent=1) + "\n", encoding="utf-8")
    if arguments.plot and rows:
        arguments.plot.write_text(benchmark.picture(rows), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
