import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import SPOKEN_TEXTS, TINY_SPEECH, spell_wave
from numpy.typing import NDArray
from torch import Tensor

from pipelines.shared_recognizer import Cores, SharedRecognizer, share
from pipelines.speech import SpeechPipeline
from recog import audio, checkpoint
from recog.errors import InputError
from recog.recognizer import DecodingOptions, Recognizer


@pytest.fixture
def alone(random_speech_bundle: Path) -> Recognizer:
    return Recognizer(checkpoint.load(random_speech_bundle), DecodingOptions(batch_frames=400))


FEATURES = [audio.features(spell_wave(text), TINY_SPEECH) for text in SPOKEN_TEXTS]


class Slow(SharedRecognizer):
    """Tells when the network begins to work, and works when it may."""

    def __init__(self, own: Recognizer) -> None:
        super().__init__(own)
        self.begun, self.going = threading.Semaphore(0), threading.Event()
        self.groups: list[int] = []

    def _run(self, group: Sequence[object]) -> None:
        self.groups.append(len(group))
        self.begun.release()
        assert self.going.wait(10)
        super()._run(group)  # type: ignore[arg-type]


def asked(recognizer: Recognizer, features: Sequence[Tensor]) -> list[NDArray[np.float32]]:
    found = dict(recognizer.log_probs(features))
    return [found[number] for number in range(len(features))]


def queued(shared: Slow, pool: ThreadPoolExecutor, requests: Sequence[Sequence[Tensor]]) -> Iterator[object]:
    """The first request is at work, the others wait in this order; then the work goes on."""
    futures = [pool.submit(asked, shared, requests[0])]
    assert shared.begun.acquire(timeout=10)
    for number, features in enumerate(requests[1:], 1):
        futures.append(pool.submit(asked, shared, features))
        while len(shared._waiting) < number:
            pass
    shared.going.set()
    yield from futures


def test_what_waits_goes_through_the_network_together_and_everyone_gets_their_own(alone: Recognizer) -> None:
    requests = [FEATURES[:1], FEATURES[1:3], [], FEATURES[3:4], FEATURES[:2]]
    expected = [asked(alone, features) for features in requests]
    shared = Slow(alone)
    with ThreadPoolExecutor(len(requests)) as pool:
        found = [future.result(20) for future in queued(shared, pool, requests)]  # type: ignore[attr-defined]
    assert shared.groups == [1, 4]
    assert (shared.runs, shared.requests) == (2, 5)
    for one, other in zip(found, expected, strict=True):
        assert len(one) == len(other)
        for first, second in zip(one, other, strict=True):
            np.testing.assert_allclose(first, second, atol=1e-5)


def test_a_group_is_no_larger_than_a_batch_and_nobody_is_overtaken(alone: Recognizer) -> None:
    frames = len(FEATURES[0])
    room = 400 // frames
    large, small = FEATURES[:1] * (2 * room), FEATURES[:1]
    shared = Slow(alone)
    with ThreadPoolExecutor(6) as pool:
        waiting = queued(shared, pool, [small, FEATURES[:1] * (room - 1), small, large, small])
        assert [len(future.result(20)) for future in waiting] == [1, room - 1, 1, 2 * room, 1]  # type: ignore[attr-defined]
    # The large one fits with nobody, and the small one behind it waits.
    assert shared.groups == [1, 2, 1, 1]


def test_a_bad_request_harms_no_other(alone: Recognizer) -> None:
    shared = Slow(alone)
    with ThreadPoolExecutor(4) as pool:
        first, good, bad, last = queued(shared, pool, [FEATURES[:1], FEATURES[1:2], [torch.zeros(5, 3)], FEATURES[2:3]])
        with pytest.raises(InputError, match=r"features of shape \(5, 3\)"):
            bad.result(20)  # type: ignore[attr-defined]
        for future, number in ((first, 0), (good, 1), (last, 2)):
            (found,) = future.result(20)  # type: ignore[attr-defined]
            np.testing.assert_allclose(found, asked(alone, FEATURES[number : number + 1])[0], atol=1e-5)


def test_cores_are_shared_out_among_those_who_recognise_at_once() -> None:
    before, found = torch.get_num_threads(), dict[str, int]()
    cores, inside, leave = Cores(3), threading.Barrier(2), threading.Event()

    def other() -> None:
        with cores.taken():
            found["second"] = torch.get_num_threads()
            inside.wait(10)
            assert leave.wait(10)

    try:
        with ThreadPoolExecutor(1) as pool:
            with cores.taken():
                found["alone"] = torch.get_num_threads()
                beside = pool.submit(other)
                inside.wait(10)
                with cores.taken():  # the same thread counts once
                    cores.settle()
                    found["of two"] = torch.get_num_threads()
            assert cores.busy == 1
            leave.set()
            beside.result(10)
        assert found == {"alone": 3, "second": 2, "of two": 2}
        assert cores.busy == 0
        # Nobody is left without a core.
        with cores.taken():
            cores.busy = 9
            cores.settle()
            assert torch.get_num_threads() == 1
            cores.busy = 1
    finally:
        torch.set_num_threads(before)


def test_a_shared_pipeline_reads_as_before(random_speech_bundle: Path) -> None:
    waves = [spell_wave(text) for text in SPOKEN_TEXTS]
    pipeline = SpeechPipeline.load(random_speech_bundle)
    before = [pipeline.transcript(wave).text for wave in waves]
    shared = share(pipeline)
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda wave: shared.transcript(wave).text, waves * 3)) == before * 3
