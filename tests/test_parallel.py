"""Two processes of one run: the gradient of one process, each sample read once, dev rows shared out."""

import json
import multiprocessing
import os
import socket
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import SPOKEN_TEXTS, TINY_NETWORK, TINY_SPEECH, write_rows
from safetensors.torch import load_file, save_file

from recog import manifest
from recog.alphabet import Alphabet
from recog.checkpoint import Bundle
from recog.data import DataConfig, Example, Samples
from recog.errors import ConfigError
from recog.manifest import Row
from recog.models.network import Network
from recog.trainer import fit, scores_of
from recog.training import parallel, precision
from recog.training.gradient import gradient
from recog.training.parallel import Peers, joined
from recog.training.settings import FitConfig

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="these processes are forked")
FIT = FitConfig(epochs=2, peak_rate=1e-3, warmup_steps=2, precision="fp32", log_every=1, save_minutes=1e9, keep_best=2)
BATCHING = DataConfig(batch_frames=210)  # three batches
LETTERS = Alphabet(tuple(" abcd"))


def samples_in(folder: Path) -> tuple[Samples, list[Row]]:
    rows = manifest.read(write_rows(folder, TINY_SPEECH, SPOKEN_TEXTS))
    return Samples(rows, LETTERS, TINY_SPEECH, "spoken"), rows


def bundle_of(seed: int = 3, **changes: Any) -> Bundle:
    torch.manual_seed(seed)
    network = Network(replace(TINY_NETWORK, hidden=8, projection=16, **changes), TINY_SPEECH.features, len(LETTERS))
    return Bundle("small", network, TINY_SPEECH, LETTERS, "spoken")


def plain_bundle(seed: int = 3) -> Bundle:
    """Without batch normalisation, whose statistics are those of each process's own batch."""
    return bundle_of(seed, channels=(), strides_time=(), strides_features=())


def together(work: Callable[[Peers, Path], None], folder: Path, size: int = 2) -> None:
    """Runs `work` in so many processes, as torchrun would start them."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=_one, args=(work, folder, rank, size, port)) for rank in range(size)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(120)
    codes = [process.exitcode for process in processes]
    for process in processes:
        process.kill()
    assert codes == [0] * size


def _one(work: Callable[[Peers, Path], None], folder: Path, rank: int, size: int, port: int) -> None:
    os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(size)}
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    with joined() as peers:
        assert (peers.rank, peers.size) == (rank, size)
        work(peers, folder)


def read(samples: Samples, batch: list[int]) -> list[Example]:
    return [samples.example(index, 0, 1) for index in batch]


def one_gradient(peers: Peers, folder: Path) -> None:
    samples, _ = samples_in(folder / f"rank-{peers.rank}")
    batches = samples.epoch(0, 1, BATCHING)[:3]
    bundle = bundle_of(seed=peers.rank)
    peers.spread(bundle.network)
    # The second process has one batch only, then none.
    for number, own in enumerate((batches[:2], batches[2:]) if peers.first else (batches[2:], [])):
        bundle.network.train()
        update = gradient(bundle, [read(samples, batch) for batch in own], FIT, peers)
        assert update is not None
        tensors = {name: p.grad for name, p in bundle.network.named_parameters() if p.grad is not None}
        tensors |= {"samples": torch.tensor(update.samples), "loss": torch.tensor(update.loss)}
        tensors |= {f"buffer.{name}": tensor for name, tensor in bundle.network.named_buffers()}
        save_file(tensors, folder / f"{number}-{peers.rank}.safetensors")


def test_the_gradient_of_two_is_the_gradient_of_one(tmp_path: Path) -> None:
    together(one_gradient, tmp_path)
    samples, _ = samples_in(tmp_path / "alone")
    batches = samples.epoch(0, 1, BATCHING)[:3]
    for number, own in enumerate((batches, batches[2:])):
        bundle = bundle_of(seed=0)
        bundle.network.train()
        update = gradient(bundle, [read(samples, batch) for batch in own], FIT, Peers())
        expected = {name: p.grad for name, p in bundle.network.named_parameters() if p.grad is not None}
        ranks = [load_file(tmp_path / f"{number}-{rank}.safetensors") for rank in range(2)]
        assert update is not None
        for found in ranks:
            assert int(found["samples"]) == update.samples
            assert float(found["loss"]) == pytest.approx(update.loss, rel=1e-5)
            for name, value in expected.items():
                assert torch.allclose(found[name], value, rtol=1e-3, atol=1e-6), name
        # Statistics of normalisation are the same in both afterwards.
        for name, value in ranks[0].items():
            assert torch.equal(ranks[1][name], value) or "num_batches" in name, name


def whole_run(peers: Peers, folder: Path) -> None:
    samples, rows = samples_in(folder / "samples" / f"rank-{peers.rank}")
    fitted = fit(plain_bundle(seed=3 + peers.rank), samples, rows, FIT, BATCHING, folder)
    told = [fitted.best.characters.edits, fitted.best.rows, fitted.updates, fitted.epochs]
    (folder / f"told-{peers.rank}.json").write_text(json.dumps(told))


def test_a_run_of_two_is_a_run_of_one_with_twice_the_batches(tmp_path: Path) -> None:
    samples, rows = samples_in(tmp_path / "one" / "samples")
    assert len(samples.epoch(0, 1, BATCHING)) == 3  # the last update of an epoch has one batch for two
    fitted = fit(plain_bundle(), samples, rows, replace(FIT, accumulate=2), BATCHING, tmp_path / "one")
    (tmp_path / "two").mkdir()
    together(whole_run, tmp_path / "two")
    expected = [fitted.best.characters.edits, fitted.best.rows, fitted.updates, fitted.epochs]
    assert [json.loads((tmp_path / "two" / f"told-{rank}.json").read_text()) for rank in range(2)] == [expected] * 2
    one, two = (load_file(tmp_path / name / "state.safetensors") for name in ("one", "two"))
    for name, value in one.items():
        if name.startswith(("network.", "average.")):
            assert torch.allclose(two[name], value, rtol=1e-2, atol=1e-4), name
    lines, alone = (
        [json.loads(line) for line in (tmp_path / name / "log.jsonl").read_text().splitlines()]
        for name in ("two", "one")
    )
    curves = [[line["loss"] for line in told if "loss" in line] for told in (lines, alone)]
    assert len(curves[0]) == 4 and curves[0] == pytest.approx(curves[1], rel=0.01)
    assert [line["epoch"] for line in lines if "wer" in line] == [0, 1]  # told once
    assert not list((tmp_path / "two").glob("log-*"))


def shared_scores(peers: Peers, folder: Path) -> None:
    _, rows = samples_in(folder / f"rank-{peers.rank}")
    scores = scores_of(plain_bundle(), rows[:5], peers)
    (folder / f"{peers.rank}.json").write_text(json.dumps([scores.rows, scores.characters.edits, scores.words.edits]))
    # Every process says its own, of any length, and hears all.
    assert peers.gather({"rank": peers.rank, "said": "x" * 10 * peers.rank}) == [
        {"rank": 0, "said": ""},
        {"rank": 1, "said": "x" * 10},
        {"rank": 2, "said": "x" * 20},
    ]
    assert peers.same(7.5 + peers.rank) == 7.5


def test_dev_rows_are_shared_out(tmp_path: Path) -> None:
    together(shared_scores, tmp_path, size=3)
    _, rows = samples_in(tmp_path / "alone")
    scores = scores_of(plain_bundle(), rows[:5])
    expected = [scores.rows, scores.characters.edits, scores.words.edits]
    assert expected[0] == 5 and expected[1] > 0
    assert [json.loads((tmp_path / f"{rank}.json").read_text()) for rank in range(3)] == [expected] * 3


def one_precision(peers: Peers, folder: Path) -> None:
    measured = []

    def choose(*_: object) -> precision.Choice:
        measured.append(peers.rank)
        return precision.Choice(("fp32", "bf16")[peers.rank], "stub")

    precision.choose = choose  # type: ignore[assignment] - this process ends soon
    found = precision.decided(FitConfig(), folder, resume=False, peers=peers)
    assert (found.precision, measured) == ("fp32", [0] if peers.first else [])


def test_the_first_process_measures_for_all(tmp_path: Path) -> None:
    together(one_precision, tmp_path)


def test_every_batch_has_one_reader() -> None:
    batches = [[number] for number in range(11)]
    for size, each in ((1, 1), (2, 1), (3, 2), (4, 3)):
        peers = [Peers(rank, size) for rank in range(size)]
        shares = [p.share(batches, start, each) for start in range(0, 11, size * each) for p in peers]
        assert [batch for share in shares for batch in share] == batches


def test_more_processes_than_gpus_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"WORLD_SIZE": "3", "RANK": "2", "LOCAL_RANK": "2"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    sentence = "process 2 of this machine has no GPU: there are 2; start fewer processes"
    with pytest.raises(ConfigError, match=sentence), joined():
        pass


def test_without_torchrun_there_is_one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    with joined() as peers:
        assert (peers.rank, peers.size, peers.first) == (0, 1, True)
    assert peers.gather([1]) == [[1]]
    assert not parallel.restarted()
    monkeypatch.setenv("TORCHELASTIC_RESTART_COUNT", "2")
    assert parallel.restarted()
