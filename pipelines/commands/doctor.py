"""Tells what this installation can do, what is missing and the command that mends it."""

import argparse
import json
from dataclasses import asdict
from pathlib import Path


def add_options(parser: argparse.ArgumentParser) -> None:
    """The command line of `recog doctor`."""
    parser.add_argument("--json", type=Path, help="write what was found to this file")


def run(arguments: argparse.Namespace) -> int:
    """Does it; 0 when recordings and pictures can be transcribed here, else 1."""
    from pipelines import doctor

    points = []
    for point in doctor.examine():
        print(doctor.told(point), flush=True)
        points.append(point)
    faults = sum(point.state == "fault" for point in points)
    notes = sum(point.state == "note" for point in points)
    print(f"{faults} faults, {notes} notes" + ("" if faults else ": recordings and pictures can be transcribed here"))
    if arguments.json:
        arguments.json.write_text(json.dumps([asdict(point) for point in points], indent=1) + "\n", encoding="utf-8")
    return 1 if faults else 0
