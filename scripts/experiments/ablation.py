"""What each part of a recipe is worth: a preset trained as it is, then with one part taken out or put in at a time.

    python scripts/experiments/ablation.py speech-more --train train.jsonl --dev dev.jsonl --out runs/ablation \
        --every 8 --base-epochs 12 --seeds 2 --set fit.epochs=4 --set fit.minutes=0

Every run has the same rows (every so-many-th of `--train`), passes over them and seed, chooses its best bundle on dev rows
with `part: tune` and is measured greedily on those with `part: report`. With `--base BUNDLE` all runs begin with the weights
of that bundle, with `--base-epochs` with those of one that the script trains first: then even short runs are about a network that reads. Parts that
the preset has are taken out, the others put in. `--seeds 2` trains the preset as it is once more with the next seed: what
differs between those two is what a seed is worth. Runs that are done are not done again: stop it and start it as you like.

Prints a table; `OUT/results.json` holds the rows {"part", "settings", "cer", "cer_interval", "wer", "difference",
"difference_interval", "epochs", "updates", "minutes", "seed"}; each run's folder holds `counts.json`, the errors of every
row. Intervals are 95 %, by bootstrap over speakers or writers, over rows where there are fewer than ten; that of a
difference draws both runs together.
"""

import argparse
import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from pipelines import training
from pipelines.commands.train import preset_path
from recog import checkpoint, manifest, metrics
from recog.errors import ConfigError, RecogError
from recog.evaluation import count, evaluate
from recog.manifest import Row
from recog.metrics import Counts
from recog.recognizer import DecodingOptions, Recognizer
from recog.trainer import Fitted
from recog.training.state import origin

AS_IT_IS = "the preset as it is"
BASE = "the base before"
# So few speakers or writers tell nothing about others: rows are drawn instead.
FEW = 10
PARTS_OF_DEV = ("tune", "report")


@dataclass(frozen=True)
class Part:
    """A part of a recipe: the settings that take it out, and those that put it into a recipe that lacks it."""

    out: tuple[str, ...]
    into: tuple[str, ...]


COMMON = {
    "mixed rows": Part(("augment.passage.mix=0.0",), ("augment.passage.mix=0.3",)),
    "dropout": Part(("network.dropout=0.0",), ("network.dropout=0.2",)),
    # The heads stay, and teach nothing: so the network is that of the base.
    "auxiliary CTC heads": Part(("fit.auxiliary_weight=0.0",), ("fit.auxiliary_weight=0.3",)),
    "averaged weights": Part(("fit.average=0.0",), ("fit.average=0.99",)),
    "weight noise": Part(("fit.weight_noise=0.0",), ("fit.weight_noise=0.02",)),
    "weight decay": Part(("fit.weight_decay=0.0",), ("fit.weight_decay=0.02",)),
    "locked dropout": Part(("network.dropout_locked=false",), ("network.dropout_locked=true",)),
    "label smoothing": Part(("fit.label_smoothing=0.0",), ("fit.label_smoothing=0.05",)),
    "entropy of paths": Part(("fit.entropy_weight=0.0",), ("fit.entropy_weight=0.1",)),
    "one cycle": Part(('fit.schedule="flat-cosine"',), ('fit.schedule="one-cycle"',)),
    "two batches an update": Part(("fit.accumulate=1",), ("fit.accumulate=2",)),
    "joined rows": Part(("augment.passage.join=0.0",), ("augment.passage.join=0.2",)),
    "mosaics": Part(("augment.passage.mosaic=0.0",), ("augment.passage.mosaic=0.3",)),
}
# What is done to a recording or to a line before the network reads it.
SOUND = {
    "masks": Part(
        ("augment.masking.feature_masks=0", "augment.masking.time_every=0"),
        (
            *("augment.masking.feature_masks=2", "augment.masking.feature_width=18"),
            *("augment.masking.time_every=200", "augment.masking.time_width=20"),
        ),
    ),
    "other tempos and vocal tracts": Part(
        ("augment.tempo=0.0", "augment.warp=0.0"), ("augment.tempo=0.12", "augment.warp=0.1")
    ),
    "noise": Part(("augment.noise.chance=0.0",), ("augment.noise.chance=0.15",)),
    "codecs": Part(("augment.codec.chance=0.0",), ("augment.codec.chance=0.15",)),
    "rooms": Part(("augment.room.chance=0.0",), ("augment.room.chance=0.2",)),
    "speed": Part(("augment.speed.chance=0.0",), ("augment.speed.chance=0.6",)),
    "gain": Part(("augment.gain.chance=0.0",), ("augment.gain.chance=0.5",)),
}
LINE = {
    "slant": Part(("augment.slant=0.0",), ("augment.slant=0.2",)),
    "rotation": Part(("augment.rotation=0.0",), ("augment.rotation=1.2",)),
    "stretch and scale": Part(
        ("augment.stretch=0.0", "augment.scale=0.0"), ("augment.stretch=0.15", "augment.scale=0.2")
    ),
    "elastic waves": Part(("augment.elastic=0.0",), ("augment.elastic=1.4",)),
    "stroke": Part(("augment.stroke=0.0",), ("augment.stroke=0.15",)),
    "blur and noise": Part(("augment.blur=0.0", "augment.noise=0.0"), ("augment.blur=0.1", "augment.noise=0.1")),
    "contrast and light": Part(
        ("augment.contrast=0.0", "augment.light=0.0"), ("augment.contrast=0.2", "augment.light=0.15")
    ),
    "bleed": Part(("augment.bleed=0.0",), ("augment.bleed=0.07",)),
    "ruled lines": Part(("augment.ruled=0.0",), ("augment.ruled=0.1",)),
    "holes": Part(("augment.erase=0.0",), ("augment.erase=0.1",)),
    "crop and neighbours": Part(
        ("augment.crop=0.0", "augment.neighbours=0.0"), ("augment.crop=0.12", "augment.neighbours=0.07")
    ),
}


def together(parts: Iterable[Part]) -> Part:
    """All of them as one part."""
    several = list(parts)
    return Part(tuple(one for part in several for one in part.out), tuple(one for part in several for one in part.into))


PARTS = {
    "speech": {
        "all changes of the sound": together(SOUND.values()),
        "phones": Part(("fit.phone_weight=0.0",), ("fit.phone_weight=1.0",)),
        **COMMON,
        **SOUND,
    },
    "handwriting": {"all changes of the line": together(LINE.values()), **COMMON, **LINE},
}


@dataclass(frozen=True)
class Trial:
    """A run: what the table calls it, what it changes, and its seed."""

    part: str
    settings: tuple[str, ...] = ()
    seed: int = 1


@dataclass(frozen=True)
class Result:
    """One run, measured."""

    part: str
    settings: tuple[str, ...]
    cer: float
    cer_interval: tuple[float, float]
    wer: float
    epochs: int
    updates: int
    minutes: float
    seed: int
    # Of its CER from that of the preset as it is, once that is known, and its interval.
    difference: float = 0.0
    difference_interval: tuple[float, float] = (0.0, 0.0)


def trials(preset: Path, overrides: Sequence[str], wanted: Sequence[str], seeds: int) -> list[Trial]:
    """The preset as it is with as many seeds, then one run a part; refuses a name that is none."""
    plain = training.settings(preset, overrides)
    parts = PARTS[plain.kind]
    strange = [name for name in wanted if name not in parts]
    if strange:
        raise ConfigError(f"{strange[0]!r} is no part of {plain.kind}; known: {', '.join(parts)}")
    seed = plain.fit.seed
    found = [Trial(AS_IT_IS, (), seed)]
    found += [Trial(f"{AS_IT_IS}, seed {other}", (), other) for other in range(seed + 1, seed + seeds)]
    # Heads that the network lacks teach nothing either way.
    idle = {"phones": not plain.network.phones, "auxiliary CTC heads": not plain.network.auxiliary_layers}
    for name, part in parts.items():
        if idle.get(name) or (wanted and name not in wanted):
            continue
        has = training.settings(preset, [*overrides, *part.out]) != plain
        found.append(Trial(f"{'without' if has else 'with'} {name}", part.out if has else part.into, seed))
    return found


def folder_of(out: Path, part: str) -> Path:
    """Where the run of a part lies."""
    return out / "-".join(part.replace(",", "").split())


def measure(arguments: argparse.Namespace) -> list[Result]:
    """Trains and measures what is not done yet; results are written after each run."""
    preset, out = preset_path(arguments.preset), arguments.out
    planned = trials(preset, arguments.overrides, arguments.parts, arguments.seeds)
    rows = _written(_of(arguments.sources, manifest.read(arguments.train))[:: arguments.every], out / "train.jsonl")
    dev = manifest.read(arguments.dev)
    tune, report = (
        _of(arguments.sources, [row for row in dev if row.fields.get("part") == part]) for part in PARTS_OF_DEV
    )
    _written(tune[:: arguments.dev_every], out / "dev.jsonl")
    report = report[:: arguments.report_every]
    done = {one.part: one for one in read(out / "results.json")}
    base: str | Path | None = arguments.base
    if base and BASE not in done:
        (out / "base").mkdir(exist_ok=True)
        done[BASE] = result(Trial(BASE), base, None, report, out / "base")
        write(out / "results.json", list(done.values()))
    if arguments.base_epochs:
        base = out / "base" / "best"
        if BASE not in done:
            overrides = [*arguments.overrides, f"fit.epochs={arguments.base_epochs}", *arguments.base_set]
            fitted = _run(training.settings(preset, overrides), rows, out, out / "base", None)
            done[BASE] = result(Trial(BASE, (), fitted.bundle.provenance["seed"]), base, fitted, report, out / "base")
            write(out / "results.json", list(done.values()))
    for trial in planned:
        if trial.part not in done:
            settings = training.settings(preset, [*arguments.overrides, *trial.settings, f"fit.seed={trial.seed}"])
            folder = folder_of(out, trial.part)
            fitted = _run(settings, rows, out, folder, base)
            done[trial.part] = result(trial, folder / "best", fitted, report, folder)
        done = {one.part: compared(one, out) for one in done.values()}
        write(out / "results.json", list(done.values()))
    return [done[name] for name in ([BASE] if base else []) + [trial.part for trial in planned]]


def _of(sources: Sequence[str], rows: Sequence[Row]) -> list[Row]:
    """The rows of some sources, of all where none is named; refuses sources that have none."""
    found = [row for row in rows if not sources or str(row.fields.get("source")) in sources]
    if not found:
        raise ConfigError(f"{len(rows)} rows, none of source {' or '.join(sources) or 'any'}")
    return found


def _written(rows: list[Row], path: Path) -> list[Row]:
    """The rows, which stand in a manifest of their own now; their files stay where they are."""
    path.parent.mkdir(parents=True, exist_ok=True)
    manifest.write(path, [{**row.fields, row.media: str(row.path.resolve())} for row in rows])
    return rows


def _run(settings: training.Training, rows: Sequence[Row], out: Path, folder: Path, base: str | Path | None) -> Fitted:
    """A training, from its last state where it has begun before."""
    sources = {str(row.fields.get("source")) for row in rows}
    weights = {source: weight for source, weight in settings.data.weights.items() if source in sources}
    settings = replace(settings, data=replace(settings.data, weights=weights))
    firsts = [out / name / "state.safetensors" for name in ("base", folder_of(out, AS_IT_IS).name)]
    first = next((path for path in firsts if path.exists()), None)
    if settings.fit.precision == "auto" and first:  # one arithmetic for the whole table
        settings = replace(settings, fit=replace(settings.fit, precision=origin(first).precision or "auto"))
    started = (folder / "state.safetensors").exists()
    begin = None if started else base
    return training.train(settings, out / "train.jsonl", out / "dev.jsonl", folder, started, init_from=begin)


def result(trial: Trial, best: str | Path, fitted: Fitted | None, report: Sequence[Row], folder: Path) -> Result:
    """The record of a run, whose best bundle reads the rows greedily; the errors of each row are kept in its folder.

    `fitted` is None for a bundle that was trained elsewhere.
    """
    bundle = checkpoint.load(best)
    counted = count(evaluate(Recognizer(bundle, DecodingOptions(beam=0)), report).pairs, bundle.text_rule)
    edits = [[one.edits, one.units] for one in counted.characters]
    groups = counted.groups if len(set(counted.groups)) >= FEW else [str(number) for number in range(len(edits))]
    (folder / "counts.json").write_text(json.dumps({"characters": edits, "groups": groups}), encoding="utf-8")
    return Result(
        trial.part,
        trial.settings,
        metrics.total(counted.characters).rate,
        metrics.interval(counted.characters, groups),
        metrics.total(counted.words).rate,
        fitted.epochs if fitted else 0,
        fitted.updates if fitted else 0,
        round(fitted.minutes, 2) if fitted else 0.0,
        trial.seed,
    )


def compared(one: Result, out: Path) -> Result:
    """The record of a run with its difference from the preset as it is, whose rows are the same."""
    folders = [out / "base" if one.part == BASE else folder_of(out, one.part), folder_of(out, AS_IT_IS)]
    told = [json.loads((folder / "counts.json").read_text(encoding="utf-8")) for folder in folders]
    mine, plain = ([Counts(edits, units=units) for edits, units in row["characters"]] for row in told)
    difference = metrics.total(mine).rate - metrics.total(plain).rate
    return replace(
        one,
        difference=difference,
        difference_interval=metrics.difference_interval(mine, plain, told[0]["groups"]),
    )


def write(path: Path, results: Sequence[Result]) -> None:
    """All results so far, whole or not at all."""
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps([asdict(one) for one in results], indent=2) + "\n", encoding="utf-8")
    partial.replace(path)


def read(path: Path) -> list[Result]:
    """Results of an earlier start; none where there was none."""
    if not path.is_file():
        return []
    tuples = ("settings", "cer_interval", "difference_interval")
    rows = json.loads(path.read_text(encoding="utf-8"))
    return [Result(**{**row, **{name: tuple(row[name]) for name in tuples}}) for row in rows]


def main(argv: Sequence[str] | None = None) -> int:
    """Measures and prints; 0 when everything succeeded, 1 when something failed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("preset")
    parser.add_argument("--train", type=Path, required=True, help="manifest to train on")
    parser.add_argument("--dev", type=Path, required=True, help="manifest with parts tune and report")
    parser.add_argument("--out", type=Path, required=True, help="folder of the runs and of results.json")
    parser.add_argument("--parts", nargs="+", default=[], help="only these parts, by their names")
    parser.add_argument("--sources", nargs="+", default=[], help="only rows of these sources, train and dev")
    parser.add_argument("--every", type=int, default=1, help="train on every so-many-th row (default 1: all)")
    parser.add_argument("--dev-every", type=int, default=1, help="choose by every so-many-th row of tune (default 1)")
    parser.add_argument(
        "--report-every", type=int, default=1, help="measure on every so-many-th row of report (default 1)"
    )
    bases = parser.add_mutually_exclusive_group()
    bases.add_argument("--base", metavar="BUNDLE", help="begin all runs with the weights of this bundle")
    bases.add_argument(
        "--base-epochs", type=int, default=0, help="begin all runs with a base of so many (default: none)"
    )
    parser.add_argument("--base-set", action="append", default=[], help="setting of the base alone")
    parser.add_argument("--seeds", type=int, default=1, help="seeds of the preset as it is (default 1)")
    parser.add_argument("--set", action="append", default=[], dest="overrides", help="setting of all runs")
    arguments = parser.parse_args(argv)
    try:
        results = measure(arguments)
    except RecogError as error:
        print(f"ablation: {error}", file=sys.stderr)
        return 1
    print("| part | CER | 95 % interval | difference | its interval | WER | updates | minutes |")
    print("|---|---|---|---|---|---|---|---|")
    for one in results:
        (low, high), (less, more) = one.cer_interval, one.difference_interval
        print(
            f"| {one.part} | {100 * one.cer:.2f} % | {100 * low:.1f}-{100 * high:.1f} | {100 * one.difference:+.2f} | "
            f"{100 * less:+.2f} to {100 * more:+.2f} | {100 * one.wer:.1f} % | {one.updates} | {one.minutes:.1f} |"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
