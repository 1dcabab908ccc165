"""What each part of a recipe is worth: a preset trained as it is, then with one part taken out or put in at a time.

    python scripts/experiments/ablation.py handwriting-base --train train.jsonl --dev dev.jsonl --out runs/ablation \
        --set fit.minutes=10 --every 4

Every run has the same rows (every so-many-th of `--train`), budget and seed, chooses its best bundle on dev rows with
`part: tune` and is measured greedily on those with `part: report`. Runs that are done are not done again: stop it and
start it as you like. Prints a table; `OUT/results.json` holds the rows {"part", "settings", "cer", "cer_interval",
"wer", "difference", "epochs", "updates", "minutes", "seed"}. One seed tells little about differences within the interval.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from pipelines import training
from pipelines.commands.train import preset_path
from recog import checkpoint, manifest
from recog.errors import ConfigError, RecogError
from recog.trainer import scores_of
from recog.training.state import origin

AS_IT_IS = "the preset as it is"
# Parts that either kind of recogniser may have -> the settings that take them out or put them in.
COMMON = {
    "without dropout": ("network.dropout=0.0",),
    "without auxiliary CTC heads": ("network.auxiliary_layers=[]",),
    "without averaged weights": ("fit.average=0.0",),
    "without short rows first": ("data.short_first=false", "data.early_epochs=0"),
    "without weights of sources": ("data.weights={}",),
    "with locked dropout": ("network.dropout_locked=true",),
    "with label smoothing 0.05": ("fit.label_smoothing=0.05",),
    "with entropy 0.1": ("fit.entropy_weight=0.1",),
    "with weight noise 0.02": ("fit.weight_noise=0.02", "fit.weight_noise_from=500"),
    "with one cycle": ('fit.schedule="one-cycle"',),
    "with a cosine": ('fit.schedule="cosine"',),
    "with two batches an update": ("fit.accumulate=2",),
}
PARTS = {
    "speech": {
        **COMMON,
        "without masks": ("augment.masking.feature_masks=0", "augment.masking.time_every=0"),
        "without tempo": ("augment.tempo=0.0",),
        "without warping": ("augment.warp=0.0",),
        "with speed": ("augment.speed.chance=0.6",),
        "with gain": ("augment.gain.chance=0.5",),
        "with noise": ("augment.noise.chance=0.3",),  # generated; recorded ones by --set augment.noise.source
        "with rooms": ("augment.room.chance=0.3",),
        "with codecs": ("augment.codec.chance=0.3",),
        "with joined recordings": ("augment.passage.join=0.2",),
    },
    "handwriting": {
        **COMMON,
        "without slant, rotation, stretch": ("augment.slant=0.0", "augment.rotation=0.0", "augment.stretch=0.0"),
        "without elastic waves": ("augment.elastic=0.0",),
        "without stroke, blur, noise": ("augment.stroke=0.0", "augment.blur=0.0", "augment.noise=0.0"),
        "with scale 0.15": ("augment.scale=0.15",),
        "with contrast and light": ("augment.contrast=0.2", "augment.light=0.2"),
        "with crop and neighbours": ("augment.crop=0.15", "augment.neighbours=0.1"),
        "with bleed and ruled lines": ("augment.bleed=0.1", "augment.ruled=0.1"),
        "with holes": ("augment.erase=0.1",),
        "with joined lines": ("augment.passage.join=0.2",),
    },
}


@dataclass(frozen=True)
class Result:
    """One run."""

    part: str
    settings: tuple[str, ...]
    cer: float
    cer_interval: tuple[float, float]
    wer: float
    epochs: int
    updates: int
    minutes: float
    seed: int


def parts_of(kind: str, wanted: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """The parts to be tried, the preset as it is always first; refuses a name that is none."""
    known = {AS_IT_IS: (), **PARTS[kind]}
    strange = [name for name in wanted if name not in known]
    if strange:
        raise ConfigError(f"{strange[0]!r} is no part of {kind}; known: {', '.join(known)}")
    return {name: settings for name, settings in known.items() if not wanted or name in wanted or name == AS_IT_IS}


def folder_of(out: Path, part: str) -> Path:
    """Where the run of a part lies."""
    return out / "-".join(part.replace(",", "").split())


def measure(arguments: argparse.Namespace) -> list[Result]:
    """Trains and measures what is not done yet; results are written after each run."""
    preset, out = preset_path(arguments.preset), arguments.out
    parts = parts_of(training.settings(preset, arguments.overrides).kind, arguments.parts)
    rows = manifest.read(arguments.train)[:: arguments.every]
    report = manifest.read(arguments.dev, "report")
    out.mkdir(parents=True, exist_ok=True)
    manifest.write(out / "train.jsonl", [{**row.fields, row.media: str(row.path.resolve())} for row in rows])
    done = {one.part: one for one in read(out / "results.json")}
    for name, changed in parts.items():
        settings = training.settings(preset, [*arguments.overrides, *changed])
        sources = {str(row.fields.get("source")) for row in rows}
        weights = {source: weight for source, weight in settings.data.weights.items() if source in sources}
        settings = replace(settings, data=replace(settings.data, weights=weights))
        if name in done:
            continue
        folder, first = folder_of(out, name), folder_of(out, AS_IT_IS) / "state.safetensors"
        if settings.fit.precision == "auto" and first.exists():  # one arithmetic for the whole table
            settings = replace(settings, fit=replace(settings.fit, precision=origin(first).precision or "auto"))
        started = (folder / "state.safetensors").exists()
        fitted = training.train(settings, out / "train.jsonl", arguments.dev, folder, resume=started)
        scores = scores_of(checkpoint.load(folder / "best"), report)
        done[name] = Result(
            name,
            changed,
            scores.characters.rate,
            scores.cer_interval,
            scores.words.rate,
            fitted.epochs,
            fitted.updates,
            round(fitted.minutes, 2),
            settings.fit.seed,
        )
        write(out / "results.json", list(done.values()))
    return [done[name] for name in parts]


def write(path: Path, results: Sequence[Result]) -> None:
    """All results so far, whole or not at all."""
    partial = path.with_suffix(".partial")
    base = results[0].cer
    rows = [{**asdict(one), "difference": one.cer - base} for one in results]
    partial.write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")
    partial.replace(path)


def read(path: Path) -> list[Result]:
    """Results of an earlier start; none where there was none."""
    if not path.is_file():
        return []
    rows = json.loads(path.read_text(encoding="utf-8"))
    kept = [{key: value for key, value in row.items() if key != "difference"} for row in rows]
    return [
        Result(**{**row, "settings": tuple(row["settings"]), "cer_interval": tuple(row["cer_interval"])})
        for row in kept
    ]


def main(argv: Sequence[str] | None = None) -> int:
    """Measures and prints; 0 when everything succeeded, 1 when something failed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("preset")
    parser.add_argument("--train", type=Path, required=True, help="manifest to train on")
    parser.add_argument("--dev", type=Path, required=True, help="manifest with parts tune and report")
    parser.add_argument("--out", type=Path, required=True, help="folder of the runs and of results.json")
    parser.add_argument("--parts", nargs="+", default=[], help="only these parts, as the table names them")
    parser.add_argument("--every", type=int, default=1, help="train on every so-many-th row (default 1: all)")
    parser.add_argument("--set", action="append", default=[], dest="overrides", help="setting of all runs")
    arguments = parser.parse_args(argv)
    try:
        results = measure(arguments)
    except RecogError as error:
        print(f"ablation: {error}", file=sys.stderr)
        return 1
    print("| part | CER | 95 % interval | difference | WER | epochs | minutes |\n|---|---|---|---|---|---|---|")
    for one in results:
        low, high = one.cer_interval
        print(
            f"| {one.part} | {100 * one.cer:.1f} % | {100 * low:.1f}-{100 * high:.1f} | "
            f"{100 * (one.cer - results[0].cer):+.1f} | {100 * one.wer:.1f} % | {one.epochs} | {one.minutes:.1f} |"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
