"""The state of a run: brought back whole, refused where it does not fit, kept where it cannot be written."""

import errno
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from conftest import TINY_NETWORK, TINY_SPEECH, random_bundle
from safetensors.torch import save_file

from recog import manifest
from recog.alphabet import Alphabet
from recog.data import DataConfig, Samples
from recog.errors import CheckpointError, InputError, TrainingError
from recog.models.average import Average
from recog.models.network import Network
from recog.training import state as states
from recog.training.identity import differences, identity
from recog.training.settings import FitConfig
from recog.training.state import Ranked, TrainState
from recog.training.stop import StoppedError


def new_state(folder: Path, symbols: int = 5, **identity: object) -> TrainState:
    network = Network(replace(TINY_NETWORK, hidden=4, projection=4), 16, symbols)
    optimiser, average = torch.optim.AdamW(network.parameters()), Average(network, 0.9)
    return TrainState(folder / "state.safetensors", network, optimiser, average, identity, {"rows": 3})


STATES: dict[str, Callable[[Path], object]] = {
    "missing": lambda path: path.unlink(),
    "cut off": lambda path: path.write_bytes(path.read_bytes()[:-100]),
    "garbage": lambda path: path.write_bytes(b"\xff" * 300),
    "empty": lambda path: path.write_bytes(b""),
    "a bundle": lambda path: save_file({"x": torch.zeros(1)}, path),
    "another network": lambda path: new_state(path.parent, symbols=6).save(),
}


@pytest.mark.parametrize("damage", STATES)
def test_states_that_do_not_fit_are_refused_in_one_sentence(tmp_path: Path, damage: str) -> None:
    new_state(tmp_path).save()
    STATES[damage](tmp_path / "state.safetensors")
    with pytest.raises(CheckpointError, match=r"cannot be resumed \(.+\); start anew or use --init-from$") as caught:
        new_state(tmp_path).load()
    assert "\n" not in str(caught.value)


def test_a_state_that_cannot_be_written_leaves_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state = new_state(tmp_path)
    state.updates = 7
    state.save()
    state.updates = 8

    def crash(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Path, "replace", crash)
        state.save()
    again = new_state(tmp_path)
    again.load()
    assert again.updates == 7


def test_all_numbers_come_back(tmp_path: Path) -> None:
    state = new_state(tmp_path)
    numbers = {"epoch": 3, "batch": 7, "batches": 9, "updates": 40, "bad": 2, "stale": 1, "waited": 1, "cuts": 2}
    for name, value in numbers.items():
        setattr(state, name, value)
    state.kept = [Ranked(2, 0.125), Ranked(0, 0.5)]
    state.best_cer, state.average.updates = 0.125, 38
    state.save()
    again = new_state(tmp_path)
    again.load()
    assert {name: getattr(again, name) for name in numbers} == numbers
    assert (again.kept, again.best_cer, again.average.updates, again.saved_updates) == (state.kept, 0.125, 38, 40)
    assert 0 < again.minutes < 1


def test_other_batches_are_begun_at_the_same_share_of_the_epoch(tmp_path: Path) -> None:
    state = new_state(tmp_path)
    assert state.position(8) == 0
    state.advance(epoch=0, batch=3, batches=4, finite=True)
    assert [state.position(batches) for batches in (4, 8, 9, 1)] == [3, 6, 6, 0]
    state.next_epoch(1)
    assert state.position(9) == 0


def test_a_state_of_another_run_is_refused_by_what_changed(tmp_path: Path) -> None:
    new_state(tmp_path, **{"fit.seed": 1, "alphabet": "abc", "dev rows": "12ab"}).save()
    new_state(tmp_path, **{"fit.seed": 1, "alphabet": "abc", "dev rows": "12ab", "fit.new": 0}).load()
    with pytest.raises(
        CheckpointError, match=r"^run .* cannot be resumed, since (.*): give it what it began with"
    ) as caught:
        new_state(tmp_path, **{"fit.seed": 2, "alphabet": "bcd", "dev rows": "34cd"}).load()
    for part in (
        "fit.seed was 1 and is 2",
        "the alphabet lacks 'a' and has 'd' instead",
        "the dev rows are others (12ab then, 34cd now)",
    ):
        assert part in str(caught.value)
    assert "\n" not in str(caught.value)


def test_identity_is_of_what_decides_the_weights(tmp_path: Path) -> None:
    bundle, config, batching = random_bundle(TINY_SPEECH, " abcd", "spoken"), FitConfig(), DataConfig()

    def of(text: str = "abc", config: FitConfig = config, folder: str = "x", weight: float = 1.0) -> dict[str, object]:
        (tmp_path / folder).mkdir(exist_ok=True)
        manifest.write(tmp_path / folder / "m.jsonl", [{"audio": "a.wav", "text": text, "duration": 1.0}])
        rows = manifest.read(tmp_path / folder / "m.jsonl")
        samples = Samples(rows, bundle.alphabet, TINY_SPEECH, "spoken")
        return identity(bundle, samples, rows, config, replace(batching, weights={"one": weight}))

    first = of()
    assert json.loads(json.dumps(first)) == first
    assert differences(first, of()) == differences(first, of(folder="moved")) == []
    assert differences(first, of(config=replace(config, epochs=9, peak_rate=1e-4, save_minutes=1.0))) == []
    assert differences(first, of(weight=2.0)) == ["data.weights.one was 1.0 and is 2.0"]
    assert differences(first, of(config=replace(config, average=0.5))) == ["fit.average was 0.999 and is 0.5"]
    told = differences(first, of("abd"))
    assert [one.split(" are others")[0] for one in told] == ["the training rows", "the dev rows"]
    other = replace(bundle, alphabet=Alphabet(tuple("abcd ")))
    rows = manifest.read(tmp_path / "x" / "m.jsonl")
    changed = identity(other, Samples(rows, other.alphabet, TINY_SPEECH, "spoken"), rows, config, batching)
    assert "the alphabet has another order" in differences(first, changed)


def test_a_full_disk_is_told_in_one_sentence_and_the_last_state_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = new_state(tmp_path)
    state.updates = 7
    state.save()

    def full(tensors: object, path: Path, metadata: object) -> None:
        path.write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    state.updates = 8
    with monkeypatch.context() as patch:
        patch.setattr(states, "save_file", full)
        with pytest.raises(
            CheckpointError,
            match=r"cannot be written \(.*No space left on device\); that of update 7 stays: make room and go on with --resume$",
        ):
            state.save()
    assert [path.name for path in tmp_path.iterdir()] == ["state.safetensors"]
    again = new_state(tmp_path)
    again.load()
    assert again.updates == 7


def test_a_system_that_writes_no_more(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource", reason="only Unix can be told to refuse long files")
    state, (soft, hard) = new_state(tmp_path), resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.raises(CheckpointError, match=r"cannot be written \(.*\); no state was saved before: make room"):
            state.save()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list(tmp_path.iterdir()) == []
    state.save()


@pytest.mark.parametrize(
    ("error", "raised", "sentence"),
    [
        (
            InputError("a.wav does not exist"),
            TrainingError,
            "a.wav does not exist; the state of update 5 is saved, go on",
        ),
        (OSError(errno.EIO, "I/O error", "a.wav"), TrainingError, "I/O error: 'a.wav'; the state of update 5 is saved"),
        (MemoryError(), TrainingError, "MemoryError; the state of update 5 is saved"),
        (StoppedError("stopped by SIGTERM"), StoppedError, "stopped by SIGTERM at update 5; the state of update 5"),
        (ZeroDivisionError("ours"), ZeroDivisionError, "ours"),
    ],
)
def test_whatever_ends_a_run_the_state_is_saved(
    tmp_path: Path, error: Exception, raised: type[Exception], sentence: str
) -> None:
    state = new_state(tmp_path)
    state.save()
    state.updates = 5
    with pytest.raises(raised) as caught, state.rescued():
        raise error
    assert sentence in str(caught.value)
    again = new_state(tmp_path)
    again.load()
    assert again.updates == 5


def test_a_state_in_the_midst_of_an_update_is_not_saved(tmp_path: Path) -> None:
    state = new_state(tmp_path)
    state.updates = 4
    state.save()
    with pytest.raises(TrainingError, match="the state of update 4 is saved"), state.rescued(), state.moving():
        state.updates = 5
        raise MemoryError
    again = new_state(tmp_path)
    again.load()
    assert again.updates == 4
