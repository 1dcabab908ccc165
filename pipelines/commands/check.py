"""Looks through manifests before a training: damaged files, impossible texts, leaks between splits."""

import argparse
import json
from pathlib import Path


def add_options(parser: argparse.ArgumentParser) -> None:
    """The command line of `recog check`."""
    parser.add_argument(
        "manifests",
        nargs="+",
        type=Path,
        metavar="DATA",
        help="manifests, the one to train on first, then dev and others",
    )
    held = parser.add_mutually_exclusive_group()
    held.add_argument("--preset", help="settings the rows are to be trained with (file or name of a preset)")
    held.add_argument("--bundle", help="bundle whose alphabet and network the rows must fit")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="a.b=value",
        dest="overrides",
        help="change a setting of the preset",
    )
    parser.add_argument("--show", type=int, default=3, help="findings shown of each kind (default 3)")
    parser.add_argument(
        "--workers", type=int, help="processes that decode; 0: none but this one (default: by the cores)"
    )
    parser.add_argument("--json", type=Path, help="write the report with all findings to this file")


def run(arguments: argparse.Namespace) -> int:
    """Does it; 0 when no errors were found (warnings may be), else 1."""
    from pipelines import check
    from pipelines.commands.train import preset_path

    preset = preset_path(arguments.preset) if arguments.preset else None
    checked = check.check(arguments.manifests, preset, arguments.bundle, arguments.overrides, arguments.workers)
    for line in check.table(checked, arguments.show):
        print(line)
    if arguments.json:
        report = json.dumps(check.as_json(checked), ensure_ascii=False, indent=1)
        arguments.json.write_text(report + "\n", encoding="utf-8")
    return 1 if checked.inspection.errors else 0
