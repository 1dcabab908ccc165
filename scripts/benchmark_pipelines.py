"""Times the whole road from a file to its transcript: reading, features or layout, network, decoding; with the bundle loaded
before, and from the command given to its first word.

python scripts/benchmark_pipelines.py --speech RECORDING --page PICTURE [--json FILE]
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import torch

from pipelines.transcription import load
from recog.recognizer import DecodingOptions

ROOT = Path(__file__).resolve().parents[1]


def timed(call: Callable[[], object], runs: int) -> list[float]:
    """Seconds of each of `runs` calls, after one that warms up."""
    call()
    seconds = []
    for _ in range(runs):
        started = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - started)
    return seconds


def first_word(path: Path, decoding: Sequence[str]) -> float:
    """Seconds from the start of a `recog transcribe` of its own to the first it says: interpreter, imports, bundle and all."""
    command = [sys.executable, "-m", "recog", "transcribe", str(path.resolve()), *decoding]
    started = time.perf_counter()
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        said = process.stdout.read(1)
        seconds = time.perf_counter() - started
        process.stdout.read()
    if not said or process.returncode:
        raise SystemExit(f"{' '.join(command)} said nothing, or ended with {process.returncode}")
    return seconds


def main(argv: Sequence[str] | None = None) -> int:
    """Prints a table, writes it as JSON rows if asked."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--speech", type=Path, help="a recording")
    parser.add_argument("--page", type=Path, help="a picture of a page")
    parser.add_argument("--runs", type=int, default=5, help="timed calls of each kind (default 5)")
    parser.add_argument("--json", type=Path, help="write the rows to this file")
    arguments = parser.parse_args(argv)
    rows = []
    for path, bundle in ((arguments.speech, "speech-en"), (arguments.page, "handwriting-latin")):
        for beam in (0, None) if path else ():
            started = time.perf_counter()
            pipeline = load(bundle, DecodingOptions(beam=beam))
            loading = time.perf_counter() - started
            seconds = timed(lambda pipeline=pipeline, path=path: pipeline(path), arguments.runs)
            transcript = pipeline(path)
            command = ["--greedy"] if beam == 0 else []
            words = [first_word(path, command) for _ in range(arguments.runs)]
            rows.append(
                {
                    "bundle": bundle,
                    "decoding": "greedy" if beam == 0 else "beam, language",
                    "threads": torch.get_num_threads(),
                    "load_seconds": round(loading, 3),
                    "seconds": round(statistics.median(seconds), 3),
                    "slowest": round(max(seconds), 3),
                    "first_word": round(statistics.median(words), 3),
                    "amount": getattr(transcript, "duration", None) or len(getattr(transcript, "lines", ())),
                }
            )
    print(
        f"{'bundle':18} {'decoding':>15} {'threads':>7} {'load s':>7} {'median s':>9} {'slowest s':>9} {'command s':>9}  seconds of sound, or lines"
    )
    for row in rows:
        print(
            f"{row['bundle']:18} {row['decoding']:>15} {row['threads']:7} {row['load_seconds']:7} {row['seconds']:9} {row['slowest']:9} {row['first_word']:9}  {row['amount']}"
        )
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
