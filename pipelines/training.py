"""Manifest -> trained bundle: settings, checks, alphabet from the training texts, network, fit, card."""

import json
import statistics
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from pipelines.card import training_card
from recog import checkpoint, config, manifest, phones, text
from recog.alphabet import Alphabet
from recog.audio import SpeechFrontend
from recog.augment import HandwritingAugment, SpeechAugment
from recog.checkpoint import Bundle
from recog.data import DataConfig, Samples
from recog.errors import ConfigError
from recog.estimate import estimate, pace, told, told_time
from recog.frontend import Frontend, media
from recog.image import HandwritingFrontend
from recog.memory import free_bytes
from recog.models.network import Network, NetworkConfig
from recog.trainer import Fitted, fit
from recog.training import alphabets, parallel
from recog.training.parallel import Peers
from recog.training.precision import decided
from recog.training.settings import FitConfig
from recog.training.state import origin


@dataclass(frozen=True)
class SpeechTraining:
    """All settings of a speech training; a preset lists what differs from these."""

    kind: str = "speech"
    name: str = "speech"
    text_rule: str = "spoken"
    frontend: SpeechFrontend = SpeechFrontend()
    augment: SpeechAugment = SpeechAugment()
    network: NetworkConfig = NetworkConfig()
    data: DataConfig = field(default_factory=DataConfig)
    fit: FitConfig = FitConfig()


@dataclass(frozen=True)
class HandwritingTraining:
    """All settings of a handwriting training; a preset lists what differs from these."""

    kind: str = "handwriting"
    name: str = "handwriting"
    text_rule: str = "strict"
    frontend: HandwritingFrontend = HandwritingFrontend()
    augment: HandwritingAugment = HandwritingAugment()
    network: NetworkConfig = NetworkConfig()
    data: DataConfig = field(default_factory=DataConfig)
    fit: FitConfig = FitConfig()


Training = SpeechTraining | HandwritingTraining


def settings(preset: str | Path, overrides: Sequence[str] = ()) -> Training:
    """A preset file with overrides -> checked settings."""
    values = config.load(preset, overrides)
    kinds: dict[str, type[Training]] = {"speech": SpeechTraining, "handwriting": HandwritingTraining}
    if values.get("kind") not in kinds:
        raise ConfigError(f'preset {preset}: kind is {values.get("kind")!r}; write kind = "speech" or "handwriting"')
    built = config.build(kinds[values["kind"]], values, str(preset))
    text.rule(built.text_rule)
    return built


def train(
    training: Training,
    train_manifest: str | Path,
    dev_manifest: str | Path,
    out: str | Path,
    resume: bool = False,
    init_from: str | Path | None = None,
    alphabet: str = "fail",
) -> Fitted:
    """Trains a recogniser; everything it leaves lies in the folder `out`, the best bundle in `out`/best.

    `dev` rows with `part: tune` choose the best bundle, or all rows where no row has a part. `init_from` gives the
    weights to begin with, `alphabet` what becomes of its alphabet (recog.training.alphabets).
    """
    out = Path(out)
    with parallel.joined() as peers:
        resume = _resumes(out, resume, init_from)
        out.mkdir(parents=True, exist_ok=True)
        torch.manual_seed(training.fit.seed)
        rows, dev = manifest.read(train_manifest), manifest.read(dev_manifest)
        dev = [row for row in dev if row.fields.get("part") == "tune"] or dev
        _check_media([*rows, *dev], training.frontend)
        training = replace(training, fit=decided(training.fit, out, resume, peers))
        bundle = _again(training, out) if resume else _start(training, rows, init_from, alphabet)
        if not resume:
            bundle.provenance.update(seed=training.fit.seed, rows=len(rows), dev_rows=len(dev), torch=torch.__version__)
        data = batching(training.data, bundle)
        samples = Samples(rows, bundle.alphabet, training.frontend, training.text_rule, training.augment, data)
        if peers.first:
            _tell(samples, bundle.network, len(rows), training, peers)
            (out / "settings.json").write_text(json.dumps(asdict(training), indent=2) + "\n", encoding="utf-8")
        fitted = fit(bundle, samples, dev, training.fit, data, out, resume)
        if peers.first:
            card = training_card(fitted, samples.rows, dev, asdict(training))
            for folder in (out / "best", out):
                (folder / "card.md").write_text(card, encoding="utf-8")
    return fitted


def batching(data: DataConfig, bundle: Bundle) -> DataConfig:
    """How the bundle's rows are batched: one that reads already is spared the first lessons.

    An epoch from short to long rows ends among long ones only, and unteaches the rest: a handwriting bundle with
    a CER of 21.8 % on dev had one of 26.1 % after it, and needed another epoch to be where it had been.
    """
    return replace(data, short_first=False, early_epochs=0) if "init_from" in bundle.provenance else data


def _resumes(out: Path, resume: bool, init_from: str | Path | None) -> bool:
    """Whether to go on with the run in `out`; refuses to write over one that has got anywhere."""
    path = out / "state.safetensors"
    if parallel.restarted() and path.exists():
        return True  # torchrun starts all processes again with the command line of the first time
    if resume and init_from:
        raise ConfigError(
            "--resume goes on with a run and --init-from starts a new one from a bundle; give one of them"
        )
    if not resume and path.exists() and origin(path).updates:
        raise ConfigError(f"{out} already holds a training run; go on with --resume or name another folder")
    return resume


def _again(training: Training, out: Path) -> Bundle:
    """What the run in `out` trains: its alphabet may have come from a bundle. The weights are in its state."""
    began = origin(out / "state.safetensors")
    alphabet = Alphabet(began.symbols)
    network = Network(training.network, training.frontend.features, len(alphabet))
    return Bundle(training.name, network, training.frontend, alphabet, training.text_rule, began.provenance)


def _start(training: Training, rows: Sequence[manifest.Row], init_from: str | Path | None, alphabet: str) -> Bundle:
    """What a new run trains: fresh weights and the alphabet of the rows, or a bundle's, adapted to them."""
    if training.network.phones not in (0, len(phones.CMU)):
        raise ConfigError(
            f"network.phones is {training.network.phones}; CMUdict has {len(phones.CMU)}, 0 is no phone head"
        )
    rule = text.rule(training.text_rule)
    texts = [rule(row.text) for row in rows]
    provenance: dict[str, Any] = {}
    symbols = Alphabet.from_texts(texts, training.data.rare)
    weights: dict[str, Any] | None = None
    if init_from:
        begin = checkpoint.load(init_from)
        if asdict(_resized(begin.frontend, training.frontend)) != asdict(training.frontend):
            raise ConfigError(f"{init_from} has another frontend than the preset; train with its own preset")
        adapted = alphabets.adapt(begin, texts, alphabet, training.data.rare)
        begun = adapted.network
        if training.frontend.features != begun.features:
            begun = begun.with_features(training.frontend.features)
        try:
            begun = begun.grown(training.network)
        except ConfigError as error:
            raise ConfigError(f"{init_from} has another network than the preset: {error}") from error
        symbols, weights, provenance["init_from"] = adapted.alphabet, begun.state_dict(), begin.provenance
    network = Network(training.network, training.frontend.features, len(symbols))
    if weights:
        network.load_state_dict(weights)
    return Bundle(training.name, network, training.frontend, symbols, training.text_rule, provenance)


def _resized(begin: Frontend, wanted: Frontend) -> Frontend:
    """The frontend that a bundle began with, at the line height wanted, which its weights can follow, and read as wanted."""
    if isinstance(begin, HandwritingFrontend) and isinstance(wanted, HandwritingFrontend):
        return replace(
            begin,
            height_px=wanted.height_px,
            slopes=wanted.slopes,
            shifts=wanted.shifts,
            letter_columns=wanted.letter_columns,
        )
    if isinstance(begin, SpeechFrontend) and isinstance(wanted, SpeechFrontend):
        return replace(begin, shifts=wanted.shifts)
    return begin


def _check_media(rows: Sequence[manifest.Row], frontend: Frontend) -> None:
    wrong = [row.id for row in rows if row.media != media(frontend)]
    if wrong:
        raise ConfigError(
            f"{len(wrong)} rows have no {media(frontend)!r}, which this preset trains on; the first is {wrong[0]}"
        )


def _tell(samples: Samples, network: Network, rows: int, training: Training, peers: Peers) -> None:
    parameters = sum(parameter.numel() for parameter in network.parameters())
    print(
        f"{len(samples)} of {rows} rows, {len(samples.alphabet)} symbols, {parameters / 1e6:.1f} M parameters",
        file=sys.stderr,
    )
    for reason, count in samples.left_out.items():
        print(f"left out: {count} rows with {reason}", file=sys.stderr)
    labels, lengths, device = sum(map(len, samples.targets)), samples.lengths, peers.device
    estimated = estimate(network, lengths, labels, samples.frontend, training.fit, samples.config, device)
    free = free_bytes(device)
    for line in told(estimated, free):
        print(line, file=sys.stderr)
    if free is None or estimated.fits(free):
        dense, usual = labels / sum(lengths), round(statistics.median(lengths))
        seconds = pace(network, usual, estimated.batch_frames, training.fit.precision, device, dense)
        epoch = samples.epoch(1, training.fit.seed, samples.config)
        frames = sum(lengths[item % len(samples)] for batch in epoch for item in batch)
        print(told_time(frames * seconds / 60 / peers.size, training.fit), file=sys.stderr)
