import json
import math
import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import SPOKEN_TEXTS, TINY_NETWORK, TINY_SPEECH, WRITTEN_TEXTS, write_rows
from safetensors.torch import load_file

from recog import checkpoint, evaluation, manifest, trainer
from recog.alphabet import Alphabet
from recog.audio import SpeechFrontend
from recog.augment import Masking, SpeechAugment
from recog.checkpoint import Bundle
from recog.data import DataConfig, Example, Samples
from recog.errors import CheckpointError, ConfigError, TrainingError
from recog.manifest import Row
from recog.metrics import Counts
from recog.models.network import Network
from recog.recognizer import DecodingOptions, Recognizer
from recog.trainer import Fitted, fit
from recog.training.gradient import blanks, gradient
from recog.training.parallel import Peers
from recog.training.settings import FitConfig
from recog.training.stop import StopRequest

QUICK = FitConfig(
    epochs=2, peak_rate=1e-2, warmup_steps=2, average=0.5, precision="fp32", log_every=1, save_minutes=1e9, keep_best=1
)
# Every help at once: what is resumed must go on with each of them.
HELPED = replace(
    QUICK,
    **{"schedule": "plateau", "plateau_epochs": 1, "accumulate": 2, "freeze_steps": 1, "freeze_layers": 0},
    **{"label_smoothing": 0.05, "entropy_weight": 0.05, "weight_noise": 0.05, "weight_noise_from": 1, "keep_best": 2},
)
BATCHING = DataConfig(batch_frames=150)
LETTERS = Alphabet(tuple(" abcd"))


@dataclass(frozen=True)
class Run:
    """What a small training needs, fresh: the same for the same seed."""

    bundle: Bundle
    samples: Samples
    rows: list[Row]
    folder: Path


def new_run(folder: Path, frontend: SpeechFrontend = TINY_SPEECH, dropout: float = 0.2, locked: bool = False) -> Run:
    rows = manifest.read(write_rows(folder / "samples", frontend, SPOKEN_TEXTS))
    torch.manual_seed(3)
    shape = replace(TINY_NETWORK, dropout=dropout, dropout_locked=locked, hidden=8, projection=16)
    network = Network(shape, frontend.features, len(LETTERS))
    augment = SpeechAugment(tempo=0.1, warp=0.1, masking=Masking(1, 3, 20, 3))
    return Run(
        Bundle("small", network, frontend, LETTERS, "spoken"),
        Samples(rows, LETTERS, frontend, "spoken", augment),
        rows,
        folder,
    )


def go(run: Run, config: FitConfig = QUICK, resume: bool = False) -> Fitted:
    return fit(run.bundle, run.samples, run.rows, config, BATCHING, run.folder, resume)


@pytest.fixture(autouse=True)
def quiet_signals() -> Iterator[None]:
    """A training that forgets to give its signal handlers back fails the test that ran it."""
    before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]
    yield
    assert [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)] == before


@pytest.mark.parametrize("kind", ["overfit_speech", "overfit_handwriting"])
def test_eight_samples_are_learnt_by_heart(kind: str, request: pytest.FixtureRequest) -> None:
    fitted, rows = request.getfixturevalue(kind)
    assert fitted.best.rows == 8
    assert fitted.best.characters.edits == 0
    # The bundle on disk reads what the evaluation counted.
    found = evaluation.evaluate(Recognizer(fitted.bundle, DecodingOptions(beam=0)), rows)
    texts = SPOKEN_TEXTS if kind == "overfit_speech" else WRITTEN_TEXTS
    assert [pair.hypothesis for pair in found.pairs] == list(texts)


def test_what_is_evaluated_is_what_the_bundle_reads(tmp_path: Path) -> None:
    run = new_run(tmp_path)
    fitted = go(run)
    found = evaluation.evaluate(Recognizer(checkpoint.load(tmp_path / "best"), DecodingOptions(beam=0)), run.rows)
    assert fitted.best == found.scores()
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    evaluated = [line for line in lines if "wer" in line]
    cers = [line["cer"] for line in evaluated]
    assert len(cers) == 2
    # float16 weights may flip a close call; the figure of the log is that of the averaged float32 weights.
    assert fitted.best.characters.rate == pytest.approx(min(cers), abs=0.06)
    provenance = fitted.bundle.provenance
    assert provenance["dev"]["cer"] == min(cers)
    assert provenance["updates"] == next(line["update"] for line in evaluated if line["cer"] == min(cers))


def test_training_lowers_the_loss(tmp_path: Path) -> None:
    go(new_run(tmp_path, dropout=0.0), replace(QUICK, epochs=4))
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    losses = [line["loss"] for line in lines if "loss" in line]
    assert np.mean(losses[-4:]) < 0.8 * np.mean(losses[:4])


def stop_after(updates: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The process gets SIGTERM while it computes its n-th update."""
    compute, counted = trainer.gradient, []

    def compute_and_stop(*arguments: object) -> object:
        counted.append(1)
        if len(counted) == updates:
            os.kill(os.getpid(), signal.SIGTERM)
        return compute(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(trainer, "gradient", compute_and_stop)


@pytest.mark.parametrize(("updates", "helped"), [(1, False), (4, False), (6, False), (1, True), (3, True)])
def test_resuming_is_the_same_bit_for_bit_as_running_through(
    tmp_path: Path, updates: int, helped: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = HELPED if helped else QUICK
    straight = go(new_run(tmp_path / "straight", locked=helped), config)
    # Of four batches an epoch: stopped within the first epoch, after its last update but before its evaluation, and
    # within the second; with every help two batches make an update.
    assert [len(new_run(tmp_path / "count").samples.epoch(number, 1, BATCHING)) for number in (0, 1)] == [4, 4]
    with (
        monkeypatch.context() as patch,
        pytest.raises(
            TrainingError, match=rf"stopped by SIGTERM at update {updates}; the state of update {updates} is"
        ),
    ):
        stop_after(updates, patch)
        go(new_run(tmp_path / "parts", locked=helped), config)
    torch.manual_seed(99)  # whatever the process did since
    again = new_run(tmp_path / "parts", locked=helped)
    again = replace(again, bundle=replace(again.bundle, network=scrambled(again.bundle.network)))
    resumed = go(again, config, resume=True)
    assert (resumed.updates, resumed.epochs, resumed.best) == (straight.updates, straight.epochs, straight.best)
    assert straight.updates == (4 if helped else 8)
    one, other = (load_file(tmp_path / name / "state.safetensors") for name in ("straight", "parts"))
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)
    files = sorted(
        path.relative_to(tmp_path / "straight") for path in (tmp_path / "straight").rglob("network.safetensors")
    )
    assert len(files) == (4 if helped else 2)  # best, those kept, and their average
    for name in files:
        assert (tmp_path / "straight" / name).read_bytes() == (tmp_path / "parts" / name).read_bytes(), name


def scrambled(network: Network) -> Network:
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.normal_()
    return network


def test_a_finished_run_resumes_to_its_own_end(tmp_path: Path) -> None:
    done = go(new_run(tmp_path))
    again = go(new_run(tmp_path), resume=True)
    assert (again.best, again.updates, again.epochs) == (done.best, done.updates, done.epochs)


def test_a_run_with_other_rows_is_not_resumed(tmp_path: Path) -> None:
    go(new_run(tmp_path), replace(QUICK, epochs=1))
    other = new_run(tmp_path)
    other.samples.rows[3] = replace(other.samples.rows[3], text="bad")
    with pytest.raises(CheckpointError, match="cannot be resumed, since the training rows are others"):
        go(other, resume=True)
    with pytest.raises(CheckpointError, match=r"since fit\.seed was 1 and is 2"):
        go(new_run(tmp_path), replace(QUICK, seed=2), resume=True)


def test_a_file_that_vanishes_ends_the_run_in_words_and_it_goes_on_when_it_is_back(tmp_path: Path) -> None:
    straight = go(new_run(tmp_path / "straight"))
    run = new_run(tmp_path / "parts")
    path = run.rows[6].path
    aside = path.rename(path.with_suffix(".aside"))
    with pytest.raises(
        TrainingError, match=r"6\.wav does not exist.*; the state of update \d is saved, go on with --resume$"
    ):
        go(run)
    aside.rename(path)
    resumed = go(new_run(tmp_path / "parts"), resume=True)
    assert (resumed.best, resumed.updates) == (straight.best, straight.updates)
    one, other = (load_file(tmp_path / name / "state.safetensors") for name in ("straight", "parts"))
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_a_disk_that_fills_up_ends_the_run_in_words_and_the_last_state_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    resource = pytest.importorskip("resource", reason="only Unix can be told to refuse long files")
    compute, limits, counted = trainer.gradient, resource.getrlimit(resource.RLIMIT_FSIZE), []

    def compute_and_fill(*arguments: object) -> object:
        counted.append(1)
        if len(counted) == 3:
            resource.setrlimit(resource.RLIMIT_FSIZE, (5000, limits[1]))
        return compute(*arguments)  # type: ignore[arg-type]

    straight = go(new_run(tmp_path / "straight"))
    try:
        with monkeypatch.context() as patch, pytest.raises(CheckpointError) as caught:
            patch.setattr(trainer, "gradient", compute_and_fill)
            go(new_run(tmp_path / "parts"), replace(QUICK, save_minutes=0.0))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert "cannot be written (" in str(caught.value)
    assert str(caught.value).endswith("that of update 2 stays: make room and go on with --resume")
    resumed = go(new_run(tmp_path / "parts"), resume=True)
    assert (resumed.best, resumed.updates) == (straight.best, straight.updates)
    assert (tmp_path / "parts" / "best" / "network.safetensors").read_bytes() == (
        tmp_path / "straight" / "best" / "network.safetensors"
    ).read_bytes()


def judged(cers: list[float], monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Dev CERs, epoch by epoch, in place of the real ones; those not yet asked for are what is left in the list."""

    def scores(bundle: Bundle, dev: list[Row], *_: object) -> evaluation.Scores:
        edits = round(1000 * cers.pop(0))
        return evaluation.Scores(1, Counts(edits, 0, 0, 1000), Counts(0, 0, 0, 1), (0, 0), (0, 0))

    monkeypatch.setattr(trainer, "scores_of", scores)
    return cers


def test_a_run_without_gain_ends_early(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # The second epoch is the best; two without gain follow; then the best one on all rows.
    left = judged([0.5, 0.4, 0.4, 0.45, 0.4, 9.0], monkeypatch)
    fitted = go(new_run(tmp_path), replace(QUICK, epochs=10, stop_after=2))
    assert (fitted.epochs, left) == (4, [9.0])
    assert fitted.bundle.provenance["epochs"] == 2
    # Resumed, it is over at once; without the limit it goes on.
    judged([0.4], monkeypatch)
    assert go(new_run(tmp_path), replace(QUICK, epochs=10, stop_after=2), resume=True).epochs == 4
    judged([0.3, 0.3], monkeypatch)
    assert go(new_run(tmp_path), replace(QUICK, epochs=5), resume=True).epochs == 5


@pytest.mark.parametrize(("last", "chosen"), [(0.31, "average"), (0.32, "best"), (0.4, "best")])
def test_the_average_of_the_best_is_taken_only_where_it_is_better(
    tmp_path: Path, last: float, chosen: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    judged([0.5, 0.3, 0.4, 0.32, last], monkeypatch)  # three epochs, then the best and the average on all rows
    fitted = go(new_run(tmp_path), replace(QUICK, epochs=3, keep_best=2))
    assert sorted(path.name for path in (tmp_path / "kept").iterdir()) == ["epoch-0001", "epoch-0002"]
    average = checkpoint.load(tmp_path / "average")
    assert average.provenance["average_of_epochs"] == [1, 2]
    assert average.provenance["dev"]["cer"] == last
    assert fitted.best.characters.rate == (last if chosen == "average" else 0.32)
    taken = (tmp_path / "best" / "network.safetensors").read_bytes()
    assert (
        taken
        == (tmp_path / ("average" if chosen == "average" else "kept/epoch-0001") / "network.safetensors").read_bytes()
    )


def test_frozen_layers_learn_only_later(tmp_path: Path) -> None:
    # The first epoch has four updates.
    run = new_run(tmp_path, dropout=0.0)
    before = {name: tensor.clone() for name, tensor in run.bundle.network.state_dict().items()}
    go(run, replace(QUICK, epochs=1, freeze_steps=4))
    after = run.bundle.network.state_dict()
    moved = {name.split(".")[0] for name, tensor in before.items() if not torch.equal(tensor, after[name])}
    assert moved == {"output", "auxiliary"}
    go(run, replace(QUICK, freeze_steps=4), resume=True)
    moved = {name for name, tensor in before.items() if not torch.equal(tensor, after[name])}
    assert moved == set(before)
    with pytest.raises(ConfigError, match=r"fit\.freeze_layers is 2; the network has 1"):
        go(new_run(tmp_path / "other"), replace(QUICK, freeze_layers=2))


def test_a_deterministic_run_takes_deterministic_ways_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compute, seen = trainer.gradient, set()

    def watched(*arguments: object) -> object:
        seen.add(torch.are_deterministic_algorithms_enabled())
        return compute(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(trainer, "gradient", watched)
    for name in ("one", "two"):
        go(new_run(tmp_path / name), replace(QUICK, epochs=1, deterministic=True))
    assert seen == {True}
    assert not torch.are_deterministic_algorithms_enabled()
    one, two = ((tmp_path / name / "best" / "network.safetensors").read_bytes() for name in ("one", "two"))
    assert one == two


def test_gradients_that_are_not_finite_are_skipped_and_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run, example = new_run(tmp_path), Samples.example

    def poisoned(self: Samples, index: int, epoch: int, seed: int) -> Example:
        made = example(self, index, epoch, seed)
        return replace(made, features=made.features * math.nan) if index == 2 else made

    monkeypatch.setattr(Samples, "example", poisoned)
    fitted = go(run)
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    batches = sum(len(run.samples.epoch(number, 1, BATCHING)) for number in range(2))
    assert lines[-2]["bad"] == 2  # one batch an epoch
    assert fitted.updates == batches - 2
    for name, tensor in fitted.bundle.network.state_dict().items():
        assert torch.isfinite(tensor).all(), name
    for name, tensor in load_file(tmp_path / "state.safetensors").items():
        assert torch.isfinite(tensor.float()).all(), name


def test_a_bad_update_leaves_no_trace(tmp_path: Path) -> None:
    run = new_run(tmp_path)
    network = run.bundle.network.train()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    bad = Example("bad", torch.full((40, 16), math.inf), (1, 2))
    update = gradient(run.bundle, [[bad]], QUICK, Peers())
    assert update is not None and not update.finite
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, before[name]), name


def test_too_many_bad_gradients_end_the_run_in_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = new_run(tmp_path)
    monkeypatch.setattr(
        Samples, "example", lambda self, index, epoch, seed: Example("x", torch.full((50, 16), math.nan), (1,))
    )
    with pytest.raises(TrainingError, match=r"^3 gradients in a row were not finite"):
        go(run, replace(QUICK, patience_bad=3))


def test_targets_too_long_for_their_frames_are_named_once(tmp_path: Path) -> None:
    run = new_run(tmp_path)
    run.samples.targets[4] = (1, 1) * 30
    fitted = go(run)
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    (named,) = [line for line in lines if isinstance(line.get("left_out"), str)]
    assert named["left_out"] == "4.wav"
    assert named["required"] == 119 > named["frames"] > 20
    assert lines[-2]["left_out"] == 1
    assert fitted.updates > 0


def test_a_dev_set_that_cannot_be_read_or_scored_is_refused(tmp_path: Path) -> None:
    run = new_run(tmp_path)
    gone = [replace(row, path=tmp_path / "gone.wav") for row in run.rows]
    with pytest.raises(TrainingError, match=r"no dev row could be read; the first: .*gone\.wav does not exist"):
        go(replace(run, rows=gone))
    signs = [replace(row, text="...") for row in run.rows]
    with pytest.raises(TrainingError, match="no dev row holds any text under the text rule 'spoken'"):
        go(replace(new_run(tmp_path), rows=signs))
    assert not (tmp_path / "best").exists()


def test_the_clock_ends_a_run(tmp_path: Path) -> None:
    fitted = go(new_run(tmp_path), replace(QUICK, epochs=10_000, minutes=0.01))
    assert fitted.epochs < 10_000
    assert fitted.minutes >= 0.01


@pytest.mark.parametrize("length", [1, 2, 3])
def test_dev_rows_are_spread_evenly(length: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    monkeypatch.setattr(trainer, "scores_of", lambda bundle, dev, *_: seen.append(len(dev)) or run_scores)
    run_scores = evaluation.score([evaluation.Pair(Row("a", Path("a"), "audio", "a"), "a")], "raw")
    go(new_run(tmp_path), replace(QUICK, epochs=1, dev_rows=length))
    assert seen[0] <= length
    assert seen[-1] == 8  # all of them at the end


def test_blanks_are_counted_in_true_frames_alone() -> None:
    log_probs = torch.full((2, 4, 3), -9.0)
    for row, path in enumerate(([0, 1, 0, 2], [2, 0, 0, 0])):
        for step, symbol in enumerate(path):
            log_probs[row, step, symbol] = 0
    assert blanks(log_probs, torch.tensor([4, 2])) == 3


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"precision": "fp16"}, r"fit\.precision is 'fp16'; choose one of auto, bf16, fp32"),
        ({"epochs": 0}, "epochs >= 1"),
        ({"peak_rate": 0.0}, "peak_rate > 0"),
        ({"flat": 1.1}, "0 <= flat <= 1"),
        ({"average": 1.0}, "0 <= average < 1"),
        ({"dev_rows": 0}, r"fit\.dev_rows is 0; expected at least 1"),
        ({"clip": 0.0}, "clip > 0"),
        ({"minutes": -1.0}, "must not be below 0"),
    ],
)
def test_wrong_settings_are_refused(settings: dict[str, object], sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        FitConfig(**settings)  # type: ignore[arg-type]


def test_a_stop_is_noted_once_and_a_second_one_ends_at_once() -> None:
    own = signal.getsignal(signal.SIGINT)
    with StopRequest() as stop:
        assert stop.requested == ""
        signal.raise_signal(signal.SIGINT)
        assert stop.requested == "SIGINT"
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGTERM)
    assert signal.getsignal(signal.SIGINT) == own
