"""Trains a recogniser from a preset and two manifests."""

import argparse
from pathlib import Path

from recog.errors import ConfigError

PRESETS = Path(__file__).resolve().parents[2] / "scripts" / "presets"


def add_options(parser: argparse.ArgumentParser) -> None:
    """The command line of `recog train`."""
    parser.add_argument(
        "preset", help=f"settings file, or one of {', '.join(sorted(p.stem for p in PRESETS.glob('*.toml')))}"
    )
    parser.add_argument("--train", type=Path, required=True, help="manifest to train on")
    parser.add_argument(
        "--dev", type=Path, required=True, help="manifest to choose the best by (its rows with part tune, if any)"
    )
    parser.add_argument("--out", type=Path, required=True, help="run folder: state, log, best bundle")
    parser.add_argument(
        "--set", action="append", default=[], metavar="a.b=value", dest="overrides", help="change a setting"
    )
    start = parser.add_mutually_exclusive_group()
    start.add_argument("--resume", action="store_true", help="go on with the run in --out as if it had never stopped")
    start.add_argument("--init-from", metavar="BUNDLE", help="start from the weights of a bundle")


def run(arguments: argparse.Namespace) -> int:
    """Does it; 0 when everything succeeded, 1 when something failed."""
    from pipelines import training

    preset = Path(arguments.preset)
    if not preset.is_file():
        preset = PRESETS / f"{arguments.preset}.toml"
    if not preset.is_file():
        raise ConfigError(
            f"preset {arguments.preset!r} is neither a file nor one of {sorted(p.stem for p in PRESETS.glob('*.toml'))}"
        )
    settings = training.settings(preset, arguments.overrides)
    fitted = training.train(
        settings, arguments.train, arguments.dev, arguments.out, arguments.resume, arguments.init_from
    )
    best = fitted.best
    print(
        f"{arguments.out / 'best'}: dev CER {100 * best.characters.rate:.2f} %, WER {100 * best.words.rate:.2f} % on {best.rows} rows, greedy"
    )
    return 0
