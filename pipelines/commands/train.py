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
    parser.add_argument(
        "--alphabet",
        choices=("fail", "union", "new"),
        default="fail",
        help="with --init-from, where rows hold symbols the bundle lacks: refuse them (default), add them, "
        "or take the rows' own alphabet",
    )


def preset_path(name: str) -> Path:
    """A settings file as it stands, or the preset of this name."""
    for path in (Path(name), PRESETS / f"{name}.toml"):
        if path.is_file():
            return path
    raise ConfigError(f"preset {name!r} is neither a file nor one of {sorted(p.stem for p in PRESETS.glob('*.toml'))}")


def run(arguments: argparse.Namespace) -> int:
    """Does it; 0 when everything succeeded, 1 when something failed."""
    from pipelines import training
    from recog.training import parallel

    settings = training.settings(preset_path(arguments.preset), arguments.overrides)
    fitted = training.train(
        settings,
        arguments.train,
        arguments.dev,
        arguments.out,
        arguments.resume,
        arguments.init_from,
        arguments.alphabet,
    )
    best = fitted.best
    if not parallel.speaks():
        return 0
    print(
        f"{arguments.out / 'best'}: dev CER {100 * best.characters.rate:.2f} %, WER {100 * best.words.rate:.2f} % on {best.rows} rows, greedy"
    )
    return 0
