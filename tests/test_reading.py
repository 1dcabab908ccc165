import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from conftest import TINY_SPEECH, random_bundle, write_rows

from recog import manifest
from recog.alphabet import Alphabet
from recog.augment import SpeechAugment
from recog.augment.noises import Noise
from recog.data import DataConfig, Example, Samples, examples
from recog.errors import InputError, TrainingError
from recog.reading import Reader, pack, unpack
from recog.trainer import FitConfig, fit

ABCD = Alphabet(tuple(" abcd"))
TEXTS = ["a", "ab", "abc", "abcd", "dcba abcd", "bad cab dad", "a", "dd"]
BATCHES = [[0, 3, 5], [7], [2, 1, 4, 8 + 3], [6, 8 + 5], [0], [1], [2], [3]]


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Samples:
    rows = manifest.read(write_rows(tmp_path_factory.mktemp("rows"), TINY_SPEECH, TEXTS, phones="K AE T"))
    # Babble, so that a worker needs rows that are not its own too.
    return Samples(rows, ABCD, TINY_SPEECH, "spoken", SpeechAugment(tempo=0.1, noise=Noise(0.7, kinds=("babble",))))


@pytest.fixture(scope="module")
def reader(samples: Samples) -> Iterator[Reader]:
    with Reader(samples, 2) as reading:
        yield reading


def same(one: list[Example], other: list[Example]) -> bool:
    """All that an example holds, whatever is added to it one day."""
    plain, others = ([vars(e) | {"features": None} for e in examples_] for examples_ in (one, other))
    return plain == others and all(torch.equal(a.features, b.features) for a, b in zip(one, other, strict=True))


def test_examples_are_the_same_whoever_reads_them(samples: Samples, reader: Reader) -> None:
    for epoch in (0, 3):
        expected = [list(examples(samples, batch, epoch, 7)) for batch in BATCHES]
        for reading in (reader, Reader(samples, 0)):
            found = list(reading.batches(BATCHES, epoch, 7))
            assert len(found) == len(BATCHES)
            assert all(same(one, other) for one, other in zip(found, expected, strict=True))
    assert not same(expected[0], list(examples(samples, BATCHES[0], 0, 7)))


def test_an_epoch_left_in_the_middle_leaves_nothing_for_the_next(samples: Samples, reader: Reader) -> None:
    coming = reader.batches(BATCHES, 1, 7)
    next(coming)
    next(coming)
    coming.close()  # type: ignore[attr-defined]
    (found,) = reader.batches([[4, 1]], 2, 7)
    assert same(found, list(examples(samples, [4, 1], 2, 7)))


def test_what_a_worker_cannot_read_is_refused_here_by_name(samples: Samples, reader: Reader) -> None:
    path = samples.rows[5].path
    content = path.read_bytes()
    with Reader(samples, 1) as fresh:  # nothing of it is in memory yet
        path.write_bytes(b"no sound")
        try:
            with pytest.raises(InputError, match=r"5\.wav.* is not a recording"):
                list(fresh.batches([[1], [5, 2], [3]], 0, 7))
        finally:
            path.write_bytes(content)
        (found,) = fresh.batches([[5, 2]], 0, 7)  # the worker lives on
        assert same(found, list(examples(samples, [5, 2], 0, 7)))


def test_ctrl_c_leaves_workers_to_the_one_who_asks(samples: Samples, reader: Reader) -> None:
    for worker in reader._workers:
        os.kill(worker._process.pid, signal.SIGINT)
    (found,) = reader.batches([[0, 1]], 0, 7)
    assert same(found, list(examples(samples, [0, 1], 0, 7)))


def test_a_worker_that_dies_is_told_of(samples: Samples) -> None:
    with Reader(samples, 1) as reading:
        list(reading.batches([[0]], 0, 7))
        os.kill(reading._workers[0]._process.pid, signal.SIGKILL)
        with pytest.raises(TrainingError, match=r"has ended by itself \(exit code -9"):
            list(reading.batches(BATCHES, 0, 7))


def test_workers_end_with_the_reader_and_with_the_one_who_asks(samples: Samples) -> None:
    for alone in (False, True):
        with Reader(samples, 1) as reading:
            process = reading._workers[0]._process
            list(reading.batches([[0]], 0, 7))
            if alone:  # as if this process were killed: its end of the line is closed
                line = socket.fromfd(reading._workers[0]._line.fileno(), socket.AF_UNIX, socket.SOCK_STREAM)
                line.shutdown(socket.SHUT_RDWR)
                process.join(10)
                assert process.exitcode == 0
                line.close()
        assert process.exitcode == 0


def test_examples_travel_whole() -> None:
    done = [
        Example("ä", torch.randn(5, 3), (1, 2)),
        Example("b", torch.zeros(0, 3), ()),
        # Once lost on the way: with worker processes the phone head learnt nothing.
        Example("c", torch.randn(1, 3), (4,), (7, 9)),
    ]
    assert same(unpack(pack(done, {})), done)
    with pytest.raises(InputError, match=r"^row x: gone$"):
        unpack(pack([], {"error": "InputError", "text": "row x: gone"}))


def test_the_cache_serves_workers_and_later_runs(samples: Samples, tmp_path: Path) -> None:
    config = DataConfig(cache=str(tmp_path / "cache"), memory_gigabytes=0.0)
    cached = Samples(samples.rows, ABCD, TINY_SPEECH, "spoken", samples.augment, config)
    expected = [list(examples(samples, batch, 0, 7)) for batch in BATCHES]
    with Reader(cached, 2) as reading:
        assert all(same(a, b) for a, b in zip(reading.batches(BATCHES, 0, 7), expected, strict=True))
    packs = list((tmp_path / "cache").glob("*.pack"))
    assert len(packs) == 2  # one of each worker
    times = [(pack.stat().st_size, pack.stat().st_mtime_ns) for pack in packs]
    later = Samples(samples.rows, ABCD, TINY_SPEECH, "spoken", samples.augment, config)
    assert all(same(list(examples(later, a, 0, 7)), b) for a, b in zip(BATCHES, expected, strict=True))
    assert [(pack.stat().st_size, pack.stat().st_mtime_ns) for pack in packs] == times  # all was there already
    assert len(list((tmp_path / "cache").glob("*.pack"))) == 2


@pytest.mark.slow  # a whole training twice; that the examples are the same is shown above
def test_training_comes_to_the_same_weights_whoever_reads(samples: Samples, tmp_path: Path) -> None:
    weights = []
    for workers in (0, 1):
        (tmp_path / str(workers)).mkdir()
        bundle = random_bundle(TINY_SPEECH, " abcd", "spoken")
        config = FitConfig(epochs=1, warmup_steps=2, precision="fp32", average=0.5)
        batching = DataConfig(batch_frames=300, workers=workers)
        fit(bundle, samples, samples.rows[:2], config, batching, tmp_path / str(workers))
        weights.append(bundle.network.state_dict())
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
