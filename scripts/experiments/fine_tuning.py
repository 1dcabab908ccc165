"""What fine-tuning on a few lines of one hand (or minutes of one voice) is worth, with that source left out of the base.

    python scripts/experiments/fine_tuning.py handwriting-base --train train.jsonl --dev dev.jsonl \
        --source en-joseph-hooker --out runs/hooker

Trains the preset on all rows of other sources (or takes --base, a bundle that has not seen the source), then tunes it on
50, 200 and 1000 rows of the source, of which a fifth only chooses the best bundle, and measures base and tuned
bundles on the source's dev rows with `part: report`, greedy. `--draw lines` draws rows one by one, so that they come from
as many pages as there are; `--draw pages` draws whole pages one after another, as somebody would write them off, and the
fifth that chooses are the last ones. Both hang on --seed alone, and smaller sets are part of the larger ones. Where words
stand is told by the base itself: what the rows say of it is left aside. With `--characters MODEL` (`train_lm.py --unit
character`, of texts that are none of the source's) all bundles read once more with that language model, as a bundle with
models does. Stop it and start it as you like: runs go on where they were.
Prints a table; `OUT/results.json` holds the rows {"lines", "draw", "pages", "minutes", "greedy", "model"}, the last two
{"cer", "wer", "cer_interval", "gain"}, or null without a model.
"""

import argparse
import json
import random
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from pipelines import bundle_language, training
from pipelines.commands.train import preset_path
from pipelines.row_words import place_rows
from pipelines.training import Training
from recog import checkpoint, manifest
from recog.errors import ConfigError, RecogError
from recog.evaluation import Scores, evaluate
from recog.manifest import Row
from recog.recognizer import Recognizer
from recog.trainer import Fitted, scores_of

# The recipe, differences with reasons; a later --set overrides.
RECIPE = (
    "fit.minutes=9",  # the schedule ends by the clock
    "fit.epochs=1000",
    "fit.stop_after=0",
    "fit.peak_rate=1e-3",  # half of what a base is trained with: most is known already
    "fit.warmup_steps=20",
    "fit.average=0.99",  # the last hundred updates: the run has some hundreds
    "fit.weight_decay=0.02",
    "fit.dev_rows=100",
    "data.batch_frames=6000",  # small batches: many updates from few lines
    "data.early_epochs=0",
    "data.copies=0",
    "data.rare=1",
    "network.dropout=0.3",
)
# Fifty lines are soon learnt by heart: variety is what is short.
VARIED = {
    "speech": ("augment.passage.mix=0.5", "augment.tempo=0.12", "augment.warp=0.1"),
    "handwriting": (
        "augment.passage.mix=0.5",
        "augment.slant=0.25",
        "augment.rotation=1.5",
        "augment.stretch=0.2",
        "augment.scale=0.25",
        "augment.elastic=1.5",
        "augment.stroke=0.2",
        "augment.blur=0.1",
        "augment.noise=0.1",
        "augment.contrast=0.2",
        "augment.light=0.1",
        "augment.crop=0.15",
        "augment.erase=0.1",
    ),
}
# Rows of an epoch: few lines come several times, each time varied anew, so that dev is not read after every few updates.
EPOCH_ROWS = 400
DRAWS = ("lines", "pages")


@dataclass(frozen=True)
class Result:
    """One measurement; 0 lines are the base as it is."""

    lines: int
    draw: str
    # Pages that the lines stand on.
    pages: int
    minutes: float
    greedy: "Reading"
    # With the language model; None where none was given.
    model: "Reading | None"


@dataclass(frozen=True)
class Reading:
    """Errors of one bundle read in one way."""

    cer: float
    wer: float
    cer_interval: tuple[float, float]
    # Share of the base's character errors that are gone.
    gain: float


def measured(best: str | Path, report: Sequence[Row], model: Path | None, aside: Path) -> list[Scores]:
    """A bundle's scores, greedy, and with a language model where one is given; a copy that holds it lies `aside`."""
    bundle = checkpoint.load(best)
    found = [scores_of(bundle, report)]
    if model is not None:
        checkpoint.save(bundle, aside)
        bundle_language.change(aside, characters={"": model})
        found.append(evaluate(Recognizer(checkpoint.load(aside)), report).scores())
    return found


def result(rows: Sequence[Row], draw: str, scores: Sequence[Scores], minutes: float, base: Sequence[Scores]) -> Result:
    """The record of what tuning on some rows gave, against the base."""
    readings = [
        Reading(one.characters.rate, one.words.rate, one.cer_interval, 1 - one.characters.rate / before.characters.rate)
        for one, before in zip(scores, base, strict=True)
    ]
    model = readings[1] if len(readings) > 1 else None
    return Result(len(rows), draw, len({page(row) for row in rows}), round(minutes, 2), readings[0], model)


def page(row: Row) -> str:
    """What a row was cut from: its page, or the folder of its file."""
    return str(row.fields.get("page") or row.path.parent)


def drawn(own: Sequence[Row], draw: str, seed: int) -> list[Row]:
    """The source's rows in the order in which sets take them."""
    chance = random.Random(seed)
    if draw == "lines":
        return chance.sample(own, len(own))
    pages = sorted({page(row) for row in own})
    place = {name: number for number, name in enumerate(chance.sample(pages, len(pages)))}
    return sorted(own, key=lambda row: place[page(row)])


def halves(rows: Sequence[Row], draw: str) -> tuple[list[Row], list[Row]]:
    """Four fifths to learn from, and a fifth to choose by: every fifth row, or the last pages."""
    if draw == "pages":
        kept = len(rows) - len(rows) // 5
        return list(rows[:kept]), list(rows[kept:])
    fifth = [row for number, row in enumerate(rows) if number % 5 == 4]
    return [row for number, row in enumerate(rows) if number % 5 != 4], fifth


def write(path: Path, rows: list[Row]) -> Path:
    """A manifest of some rows; their files stay where they are."""
    path.parent.mkdir(parents=True, exist_ok=True)
    manifest.write(path, [{**row.fields, row.media: str(row.path.resolve())} for row in rows])
    return path


def unplaced(row: Row) -> Row:
    """A row that does not tell where its words stand: whoever placed them may have seen the source."""
    return replace(row, fields={name: value for name, value in row.fields.items() if name != "words"})


def known_weights(settings: Training, rows: list[Row]) -> Training:
    """The settings without weights of sources that no row has."""
    sources = {str(row.fields.get("source")) for row in rows}
    weights = {source: weight for source, weight in settings.data.weights.items() if source in sources}
    return replace(settings, data=replace(settings.data, weights=weights))


def tune(settings: Training, base: Path, own: list[Row], chooses: list[Row], out: Path) -> tuple[Path, float]:
    """Tunes the base on its own rows; the others choose. Gives the best bundle and the minutes it took."""
    began = time.monotonic()
    if not (out / "train.jsonl").exists():
        place_rows(write(out / "rows.jsonl", [unplaced(row) for row in own]), out / "train.jsonl", base)
    placing = time.monotonic() - began
    weights = {str(own[0].fields.get("source")): float(max(1, round(EPOCH_ROWS / len(own))))}
    settings = replace(settings, data=replace(settings.data, weights=weights))
    fitted = run(settings, out / "train.jsonl", write(out / "dev.jsonl", chooses), out / "run", base)
    return out / "run" / "best", fitted.minutes + placing / 60


def run(settings: Training, train: Path, dev: Path, folder: Path, base: Path | None = None) -> Fitted:
    """A training, from its last state where it has begun before."""
    resume = (folder / "state.safetensors").exists()
    begin = None if resume else base
    return training.train(settings, train, dev, folder, resume, init_from=begin, alphabet="union" if begin else "fail")


def main(argv: Sequence[str] | None = None) -> int:
    """Measures, writes and prints; 0 when everything succeeded, 1 when something failed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("preset")
    parser.add_argument("--train", type=Path, required=True, help="manifest to train the base and to tune on")
    parser.add_argument("--dev", type=Path, required=True, help="manifest with parts tune and report")
    parser.add_argument("--source", required=True, help="the source that is left out, as the rows name it")
    parser.add_argument("--base", help="bundle that has not seen the source; without it one is trained")
    parser.add_argument("--lines", type=int, nargs="+", default=[50, 200, 1000])
    parser.add_argument("--draw", choices=DRAWS, default="lines", help="rows one by one, or page by page")
    parser.add_argument("--characters", type=Path, metavar="MODEL", help="read with this character model as well")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--set", action="append", default=[], dest="overrides", help="setting of the tuning runs")
    parser.add_argument("--base-set", action="append", default=[], help="setting of the base run")
    parser.add_argument("--seed", type=int, default=1, help="which lines are drawn")
    arguments = parser.parse_args(argv)
    try:
        results = measure(arguments)
    except RecogError as error:
        print(f"fine_tuning: {error}", file=sys.stderr)
        return 1
    (arguments.out / "results.json").write_text(json.dumps([asdict(one) for one in results], indent=2) + "\n")
    print(
        "| lines | pages | read | CER | 95 % interval | WER | errors gone | minutes |\n|---|---|---|---|---|---|---|---|"
    )
    for one in results:
        for how, read in (("greedy", one.greedy), ("with the model", one.model)):
            if read is not None:
                low, high = read.cer_interval
                print(
                    f"| {one.lines} | {one.pages} | {how} | {100 * read.cer:.1f} % | {100 * low:.1f}-{100 * high:.1f} | "
                    f"{100 * read.wer:.1f} % | {100 * read.gain:.0f} % | {one.minutes:.1f} |"
                )
    return 0


def measure(arguments: argparse.Namespace) -> list[Result]:
    """The base, then one tuned bundle for each number of lines."""
    rows, dev = manifest.read(arguments.train), manifest.read(arguments.dev)
    left_out = [row for row in dev if row.fields.get("source") == arguments.source]
    report = [row for row in left_out if row.fields.get("part") == "report"]
    # A source that stands in dev alone is tuned on its rows there that do not report.
    own = [row for row in rows if row.fields.get("source") == arguments.source] or [
        row for row in left_out if row.fields.get("part") == "tune"
    ]
    if not report or not own:
        raise ConfigError(f"source {arguments.source!r}: {len(own)} rows to tune on and {len(report)} to report on")
    base = Path(arguments.base) if arguments.base else arguments.out / "base" / "best"
    if not arguments.base:
        others = [row for row in rows if row.fields.get("source") != arguments.source]
        settings = known_weights(training.settings(preset_path(arguments.preset), arguments.base_set), others)
        chooses = [row for row in dev if row not in left_out and row.fields.get("part") == "tune"]
        folder = arguments.out / "base"
        run(settings, write(folder / "train.jsonl", others), write(folder / "dev.jsonl", chooses), folder)
    draw, out, model = arguments.draw, arguments.out, arguments.characters
    before = measured(base, report, model, out / "base-with-model")
    results = [result([], draw, before, 0.0, before)]
    own = drawn(own, draw, arguments.seed)
    preset = preset_path(arguments.preset)
    varied = VARIED[training.settings(preset).kind]
    settings = training.settings(preset, [*RECIPE, *varied, *arguments.overrides])
    for count in arguments.lines:
        if count > len(own):
            print(f"{count} lines left out: the source has {len(own)}", file=sys.stderr)
            continue
        folder = out / f"{draw}-{count}"
        best, minutes = tune(settings, base, *halves(own[:count], draw), folder)
        after = measured(best, report, model, folder / "with-model")
        results.append(result(own[:count], draw, after, minutes, before))
    return results


if __name__ == "__main__":
    sys.exit(main())
