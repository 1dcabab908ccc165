"""Every cell of the LSTM family in one and the same small recogniser, for speech and for handwriting.

python scripts/experiments/family.py --speech TRAIN DEV --handwriting TRAIN DEV | --toy --out FOLDER [--cells "lstm; gru"]
    [--rows 400] [--dev-rows 100] [--longest 500] [--epochs 8] [--seeds 1] [--set network.hidden=64]
    [--set-speech frontend.rate_hz=8000] [--set-handwriting frontend.height_px=32] [--journal FILE.jsonl] [--json FILE]
    [--plot FILE.png] [--quick]

The recogniser is that of the presets toy-speech and toy-handwriting with the cell changed and nothing else (`KINDS_OF_CELL`). A
run has as many updates as its epochs have batches, so that a busy machine changes no figure but the minutes. CER is greedy,
on dev rows that had no part in choosing the best epoch. An epoch's time is the median training step on one
batch times the epoch's batches: processor seconds, or seconds of the clock on a GPU; memory is what one step keeps for its
backward pass. Each run's figures go to a file of lines at once (FOLDER/runs.jsonl unless told) and are not computed
again. The quick form whistles and draws its own samples, four letters in all; `--toy --out FOLDER` takes every cell over them.
"""

import argparse
import hashlib
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmark_cells import kept_megabytes

from pipelines import training
from pipelines.commands.train import PRESETS
from pipelines.training import Training
from recog import checkpoint, manifest, plot
from recog.alphabet import Alphabet
from recog.corpora import scribble, tones
from recog.ctc.loss import ctc_loss
from recog.data import Samples, examples, length
from recog.errors import InputError, RecogError
from recog.frontend import pad
from recog.manifest import Row
from recog.models.cells import family
from recog.models.network import Network
from recog.tasks import report
from recog.tasks.journal import Journal
from recog.text import rule
from recog.trainer import scores_of

KINDS = ("speech", "handwriting")
# What is compared, and the settings that make it: every cell of the family, its forms of 1997, and what lies beside cells.
KINDS_OF_CELL = {
    **{name: (f"network.cell={name}",) for name in family},
    "1997, blocks of 4": ("network.cell=lstm-1997", "network.cell_options.block=4"),
    "1997, truncated": ("network.cell=lstm-1997", "network.cell_options.truncated=true"),
    "peephole, identity": ("network.cell=peephole", 'network.cell_options.squash="identity"'),
    "highway": ("network.highway=true",),
    "convolutional": ("network.plane=convolutional",),
    "multidimensional": ("network.plane=multidimensional",),
}
# A run that is watched, not tuned: no averages of bundles, nothing written that nobody reads.
PLAIN = ("fit.keep_best=1", 'fit.tensorboard="no"', "fit.log_every=1000", "fit.save_minutes=1000")
# What the quick form's recognisers are made of: small enough to learn four letters in a second.
QUICK = (
    *PLAIN,
    *("network.channels=[8]", "network.strides_features=[4]", "network.projection=32", "network.hidden=32"),
    *("network.layers=1", "network.rates=[1]", "network.dropout=0.0", "fit.peak_rate=3e-2", "fit.warmup_steps=10"),
    *("fit.average=0.9", "fit.epochs=1", "data.short_first=false", "data.weights.toy=11.0"),
)
QUICK_KIND = {
    "speech": (
        *("frontend.rate_hz=8000", "frontend.mel_bands=20", "frontend.high_hz=3900.0", "frontend.hop_seconds=0.02"),
        *("network.strides_time=[1]", "data.batch_frames=250"),
    ),
    "handwriting": (
        *("network.strides_time=[4]", "frontend.height_px=24", "data.batch_frames=300", "fit.peak_rate=1e-2"),
        *(f"augment.{change}=0.0" for change in ("slant", "rotation", "stretch", "elastic", "stroke", "blur", "noise")),
    ),
}


@dataclass(frozen=True)
class Corpus:
    """Rows to train on, to choose the best epoch by, and to measure."""

    train: list[Row]
    tune: list[Row]
    report: list[Row]


@dataclass(frozen=True)
class Taught:
    """One training and its figures."""

    cer: float
    cer_interval: tuple[float, float]
    parameters: int
    updates: int


@dataclass(frozen=True)
class Runs:
    """The same training from several seeds."""

    each: tuple[Taught, ...]
    # Processor minutes of all of them, scoring included.
    minutes: float

    @property
    def cer(self) -> float:
        """The mean over the seeds."""
        return statistics.mean(one.cer for one in self.each)


def settings(kind: str, overrides: Sequence[str]) -> Training:
    """The toy preset of a kind with overrides."""
    return training.settings(PRESETS / f"toy-{kind}.toml", overrides)


def corpus(chosen: Training, train: Path, dev: Path, rows: int, dev_rows: int, longest: int) -> Corpus:
    """Evenly spaced rows of at most `longest` frames; dev rows by their part, or every other one where they have none.

    Refuses manifests that leave no row.
    """

    def some(found: Sequence[Row], count: int) -> list[Row]:
        known = rule(chosen.text_rule)
        fit = [row for row in found if known(row.text) and length(row, chosen.frontend) <= longest]
        if not fit:
            raise InputError(f"no row of {train} or {dev} has text and at most {longest} frames; raise --longest")
        return [fit[place * len(fit) // count] for place in range(min(count, len(fit)))] if count < len(fit) else fit

    held_out = manifest.read(dev)
    parts = {part: [row for row in held_out if row.fields.get("part") == part] for part in ("tune", "report")}
    if not all(parts.values()):
        parts = {"tune": held_out[::2], "report": held_out[1::2]}
    return Corpus(
        some(manifest.read(train), rows),
        some(parts["tune"], max(1, dev_rows // 2)),
        some(parts["report"], dev_rows),
    )


def toy_corpus(kind: str, folder: Path, count: int, report_rows: int = 16, seed: int = 1) -> Corpus:
    """Texts of two to four of four letters, whistled by steady voices or drawn: what a small network learns in a second."""
    random = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for number in range(count + 8 + report_rows):
        text = "".join(random.choice(list("adnt"), random.integers(2, 5)))
        row: dict[str, object] = {"text": text, "source": "toy"}
        if kind == "speech":
            voice = tones.Voice(random.uniform(0.95, 1.05), random.uniform(0.07, 0.1), 0.3)
            samples = tones.whistle(text, voice, random)
            row |= {"audio": f"{number}.wav", "duration": len(samples) / tones.RATE_HZ}
            soundfile.write(folder / f"{number}.wav", samples, tones.RATE_HZ)
        else:
            row["image"] = f"{number}.png"
            scribble.draw_line(text, random).save(folder / f"{number}.png")
        rows.append(row)
    manifest.write(folder / "rows.jsonl", rows)
    read = manifest.read(folder / "rows.jsonl")
    return Corpus(read[:count], read[count : count + 8], read[count + 8 :])


def named(name: str, chosen: Training, rows: Corpus) -> str:
    """The name with a digest of all that the figures depend on: settings and rows, but for the seed."""
    some = [[row.id for row in part] for part in (rows.train, rows.tune, rows.report)]
    what = json.dumps([asdict(replace(chosen, fit=replace(chosen.fit, seed=0))), some])
    return f"{name} {hashlib.sha256(what.encode()).hexdigest()[:12]}"


def teach(name: str, chosen: Training, rows: Corpus, folder: Path, seeds: int, journal: Journal) -> Runs:
    """Trains in folders below `folder` and measures on the report rows; runs that the journal knows are not done again, one
    that was interrupted goes on.
    """
    what = named(name, chosen, rows)

    def run(seed: int) -> dict[str, Any]:
        place = folder / f"{what.replace(' ', '-')}-{1 + seed}"
        return asdict(once(replace(chosen, fit=replace(chosen.fit, seed=1 + seed)), rows, place))

    found = journal.figures(what, seeds, run)
    each = (Taught(**{**value, "cer_interval": tuple(value["cer_interval"])}) for value in found.values)
    return Runs(tuple(each), found.minutes)


def once(chosen: Training, rows: Corpus, folder: Path) -> Taught:
    """One training, from where it was left off if it was."""
    begun = (folder / "state.safetensors").is_file()
    folder.mkdir(parents=True, exist_ok=True)
    for name, some in (("train", rows.train), ("dev", rows.tune)):
        manifest.write(folder / f"{name}.jsonl", [{**row.fields, row.media: str(row.path.resolve())} for row in some])
    fitted = training.train(chosen, folder / "train.jsonl", folder / "dev.jsonl", folder, resume=begun)
    scores = scores_of(checkpoint.load(folder / "best"), rows.report)
    parameters = sum(one.numel() for one in fitted.bundle.network.parameters())
    return Taught(scores.characters.rate, scores.cer_interval, parameters, fitted.updates)


@dataclass(frozen=True)
class Cost:
    """What training takes, of one network on one corpus."""

    epoch_seconds: float
    # Kept for the backward pass of one step.
    megabytes: float


def cost(chosen: Training, rows: Corpus, rounds: int) -> Cost:
    """Median of some training steps on a batch of middling size, on a GPU where there is one."""
    spell = rule(chosen.text_rule)
    alphabet = Alphabet.from_texts(spell(row.text) for row in rows.train)
    samples = Samples(rows.train, alphabet, chosen.frontend, chosen.text_rule, None, chosen.data)
    batches = samples.epoch(1, 1, chosen.data)
    batch = list(examples(samples, sorted(batches, key=len)[len(batches) // 2], 1, 1))
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    network = Network(chosen.network, chosen.frontend.features, len(alphabet)).to(device).train()
    padded = pad([one.features for one in batch])
    x, lengths = padded.x.to(device), padded.lengths.to(device)
    targets, names = [one.target for one in batch], [one.id for one in batch]

    def step() -> float:
        began = time.perf_counter() if x.is_cuda else time.process_time()
        output = network(x, lengths)
        ctc_loss(output.log_probs, output.lengths, targets, names).sum().backward()
        if x.is_cuda:
            torch.cuda.synchronize()
        return (time.perf_counter() if x.is_cuda else time.process_time()) - began

    megabytes = kept_megabytes(network, x, lengths)
    step()
    return Cost(statistics.median(step() for _ in range(rounds)) * len(batches), megabytes)


def main(argv: Sequence[str] | None = None) -> int:
    """Prints the table and the claims; 1 where a quick claim fails or a corpus cannot be used."""
    options = report.parser(__doc__, seeds=1)
    for kind in KINDS:
        options.add_argument(f"--{kind}", nargs=2, type=Path, metavar=("TRAIN", "DEV"), help=f"manifests of {kind}")
    options.add_argument("--toy", action="store_true", help="every cell on the quick form's own letters, in minutes")
    options.add_argument("--out", type=Path, help="folder of the runs; those done are not done again")
    options.add_argument("--cells", help="names with '; ' between (default: all)")
    options.add_argument("--rows", type=int, default=400, help="rows to train on, evenly spaced (default 400)")
    options.add_argument("--dev-rows", type=int, default=100, help="rows to measure on (default 100)")
    options.add_argument(
        "--longest", type=int, default=500, help="most frames of a row, 10 ms or columns (default 500)"
    )
    options.add_argument("--epochs", type=int, default=8, help="passes over the rows (default 8)")
    options.add_argument("--set", action="append", default=[], dest="overrides", help="setting of all runs")
    for kind in KINDS:
        options.add_argument(f"--set-{kind}", action="append", default=[], help=f"setting of all runs of {kind}")
    arguments = options.parse_args(argv)
    unknown = sorted(set(arguments.cells.split("; ") if arguments.cells else ()) - set(KINDS_OF_CELL))
    if unknown:
        options.error(f"no cell is called {unknown[0]!r}; there are {'; '.join(KINDS_OF_CELL)}")
    if not arguments.quick and not (arguments.out and (arguments.toy or arguments.speech or arguments.handwriting)):
        options.error("give --out and --speech or --handwriting with two manifests or --toy, or --quick")
    try:
        if arguments.quick:
            with tempfile.TemporaryDirectory() as folder:
                return compare(arguments, Path(folder))
        return compare(arguments, arguments.out)
    except RecogError as error:
        print(f"family: {error}", file=sys.stderr)
        return 1


def compare(arguments: argparse.Namespace, out: Path) -> int:
    """Every cell on every corpus."""
    cells = (arguments.cells or ("lstm; peephole" if arguments.quick else "; ".join(KINDS_OF_CELL))).split("; ")
    # The quick form has time for one run of a kind.
    reads = {kind: [cells[-1 - n % len(cells)]] if arguments.quick else cells for n, kind in enumerate(KINDS)}
    seeds = 1 if arguments.quick else arguments.seeds
    journal = Journal(arguments.journal or (None if arguments.quick else out / "runs.jsonl"))
    out.mkdir(parents=True, exist_ok=True)
    rows, marks, rates = report.Rows(), [], {}
    for kind, colour in zip(KINDS, report.COLOURS, strict=False):
        given = getattr(arguments, kind)
        own = arguments.quick or arguments.toy
        if not own and not given:
            continue
        shared = (*QUICK, *QUICK_KIND[kind]) if own else (*PLAIN, f"fit.epochs={arguments.epochs}")
        shared = (*shared, *arguments.overrides, *getattr(arguments, f"set_{kind}"))
        if own:
            some = toy_corpus(kind, out / f"toy-{kind}", 80, 16 if arguments.quick else arguments.dev_rows)
        else:
            some = corpus(settings(kind, shared), *given, arguments.rows, arguments.dev_rows, arguments.longest)
        for cell in reads[kind]:
            chosen, name = settings(kind, (*shared, *KINDS_OF_CELL[cell])), f"{kind}-{cell}"
            runs = teach(name, chosen, some, out, seeds, journal)
            rates[kind, cell] = runs.cer
            rows.append(described(kind, cell, runs, spent(name, chosen, some, 2 if arguments.quick else 5, journal)))
        dots = [(float(n), 100 * rates[kind, cell]) for n, cell in enumerate(cells, 1) if (kind, cell) in rates]
        marks += [plot.Line("" if n else kind, (dot,), colour) for n, dot in enumerate(dots)]
    claims = [
        report.Claim(f"{kind}: a {cell} recogniser reads what it has never seen (CER below 50 %)", found < 0.5)
        for (kind, cell), found in rates.items()
    ]
    panels = [plot.Panel("CER, %", tuple(marks), low=0.0)]
    across = ", ".join(f"{n}: {cell}" for n, cell in enumerate(cells, 1)) if len(cells) < 6 else "place in the table"
    return report.finish(arguments, rows, claims, panels, across)


def spent(name: str, chosen: Training, rows: Corpus, rounds: int, journal: Journal) -> Cost:
    """The cost from the journal, or measured."""
    found = journal.figures(f"cost of {named(name, chosen, rows)}", 1, lambda _: asdict(cost(chosen, rows, rounds)))
    return Cost(**found.values[0])


def described(kind: str, cell: str, runs: Runs, costs: Cost) -> report.Row:
    """A row of the table."""
    first = runs.each[0]
    low, high = first.cer_interval
    if len(runs.each) > 1:
        low, high = min(one.cer for one in runs.each), max(one.cer for one in runs.each)
    ours = (
        f"CER {100 * runs.cer:.1f} % ({100 * low:.1f} to {100 * high:.1f}), {first.parameters:,} parameters, "
        f"{first.updates:,} updates, {costs.epoch_seconds:.1f} s an epoch, {costs.megabytes:.1f} MB kept a step"
    )
    return report.Row(f"{kind}: {cell}", "-", ours, len(runs.each), runs.minutes)


if __name__ == "__main__":
    sys.exit(main())
