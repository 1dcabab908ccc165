"""Measures CER and WER of a bundle on a manifest."""

import argparse
import json
from dataclasses import replace
from pathlib import Path

from pipelines.commands.decoding import add_decoding_options, decoding


def add_options(parser: argparse.ArgumentParser) -> None:
    """The command line of `recog evaluate`."""
    parser.add_argument("bundle", help="name or folder of a bundle")
    parser.add_argument("manifest", type=Path, help="JSON lines with audio or image, and text")
    parser.add_argument("--part", help="only rows with this part, e.g. report")
    parser.add_argument("--by", help="a field of the manifest to group by, e.g. source")
    parser.add_argument("--worst", type=int, default=5, help="how many of the worst lines to show (default 5)")
    parser.add_argument("--text-rule", help="count with this rule instead of the bundle's own, e.g. phones-39")
    parser.add_argument(
        "--noise", default="", metavar="SOURCE", help="a manifest, folder or tar of noises to hear it in"
    )
    parser.add_argument("--noise-part", default="dev", help="only noises of this part of their manifest (default dev)")
    parser.add_argument("--snr", type=float, default=10.0, help="decibels of the voice above the noise (default 10)")
    parser.add_argument("--seed", type=int, default=1, help="which noise falls to which recording (default 1)")
    parser.add_argument(
        "--bandwidth",
        type=int,
        default=0,
        metavar="HZ",
        help="samples a second that are left, e.g. 8000 for a telephone",
    )
    parser.add_argument("--json", type=Path, help="write the report with all pairs to this file")
    add_decoding_options(parser)


def run(arguments: argparse.Namespace) -> int:
    """Does it; 0 when everything succeeded, 1 when something failed."""
    from pipelines import measurement
    from recog import text
    from recog.hardship import Hardship

    if arguments.text_rule:
        text.rule(arguments.text_rule)  # an unknown one is told before anything is recognised
    hardship = None
    if arguments.noise or arguments.bandwidth:
        noise = (arguments.noise, arguments.noise_part, arguments.snr, arguments.seed)
        hardship = Hardship(*noise, bandwidth_hz=arguments.bandwidth)
    evaluation = measurement.measure(
        arguments.bundle, arguments.manifest, decoding(arguments), arguments.part, hardship
    )
    if arguments.text_rule:
        evaluation = replace(evaluation, text_rule=arguments.text_rule)
    for line in measurement.table(evaluation, arguments.by, arguments.worst):
        print(line)
    if arguments.json:
        report = measurement.as_json(evaluation, arguments.by)
        arguments.json.write_text(json.dumps(report, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    return 1 if evaluation.failures else 0
