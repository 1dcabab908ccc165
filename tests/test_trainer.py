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
from recog.errors import ConfigError, TrainingError
from recog.manifest import Row
from recog.models.network import Network
from recog.recognizer import DecodingOptions, Recognizer
from recog.trainer import Fitted, fit
from recog.training.gradient import blanks, gradient
from recog.training.parallel import Peers
from recog.training.settings import FitConfig
from recog.training.stop import StopRequest

QUICK = FitConfig(
    epochs=2, peak_rate=1e-2, warmup_steps=2, average=0.5, precision="fp32", log_every=1, save_minutes=1e9
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


def new_run(folder: Path, frontend: SpeechFrontend = TINY_SPEECH, dropout: float = 0.2) -> Run:
    rows = manifest.read(write_rows(folder / "samples", frontend, SPOKEN_TEXTS))
    torch.manual_seed(3)
    network = Network(replace(TINY_NETWORK, dropout=dropout, hidden=8, projection=16), frontend.features, len(LETTERS))
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
    cers = [line["cer"] for line in lines if "wer" in line]
    assert len(cers) == 2
    # float16 weights may flip a close call; the figure of the log is that of the averaged float32 weights.
    assert fitted.best.characters.rate == pytest.approx(min(cers), abs=0.06)
    provenance = fitted.bundle.provenance
    assert provenance["dev"]["cer"] == min(cers)
    assert provenance["updates"] == next(line["update"] for line in lines if line.get("cer") == min(cers))


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


@pytest.mark.parametrize("updates", [1, 4, 6])
def test_resuming_is_the_same_bit_for_bit_as_running_through(
    tmp_path: Path, updates: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    straight = go(new_run(tmp_path / "straight"))
    # Stopped within the first epoch, after its last update but before its evaluation, and within the second.
    assert [len(new_run(tmp_path / "count").samples.epoch(number, 1, BATCHING)) for number in (0, 1)] == [4, 4]
    with (
        monkeypatch.context() as patch,
        pytest.raises(
            TrainingError, match=rf"stopped by SIGTERM at update {updates}; the state of update {updates} is saved"
        ),
    ):
        stop_after(updates, patch)
        go(new_run(tmp_path / "parts"))
    torch.manual_seed(99)  # whatever the process did since
    again = new_run(tmp_path / "parts")
    resumed = go(replace(again, bundle=replace(again.bundle, network=scrambled(again.bundle.network))), resume=True)
    assert (resumed.updates, resumed.epochs, resumed.best) == (straight.updates, straight.epochs, straight.best)
    one, other = (load_file(tmp_path / name / "state.safetensors") for name in ("straight", "parts"))
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)
    for name in ("best/network.safetensors",):
        assert (tmp_path / "straight" / name).read_bytes() == (tmp_path / "parts" / name).read_bytes()


def scrambled(network: Network) -> Network:
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.normal_()
    return network


def test_a_finished_run_resumes_to_its_own_end(tmp_path: Path) -> None:
    done = go(new_run(tmp_path))
    again = go(new_run(tmp_path), resume=True)
    assert (again.best, again.updates, again.epochs) == (done.best, done.updates, done.epochs)


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
        ({"precision": "fp16"}, r"fit\.precision is 'fp16'; choose 'bf16' or 'fp32'"),
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
