"""Memory and time that are foretold: sums by hand, and what autograd really keeps."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from conftest import TINY_HANDWRITING, TINY_NETWORK, TINY_SPEECH
from torch import nn

from recog import estimate as estimation
from recog import memory
from recog.data import DataConfig
from recog.errors import TrainingError
from recog.estimate import (
    Activations,
    Estimate,
    activations,
    bytes_a_frame,
    duration,
    estimate,
    pace,
    saved_bytes,
    told,
    told_time,
)
from recog.image import HandwritingFrontend
from recog.models.network import Network
from recog.training.settings import FitConfig

FIT = FitConfig(precision="fp32")
CPU = torch.device("cpu")
MEGA = 1_000_000


def test_what_autograd_keeps_is_counted_by_hand() -> None:
    model = nn.Sequential(nn.Linear(3, 5), nn.Tanh())
    x = torch.zeros(7, 3)
    with saved_bytes(model) as seen:
        y = model(x)
    # Linear keeps its input, 7 x 3 floats, but not its own weight; Tanh keeps its output, 7 x 5 floats.
    assert sorted(seen.values()) == [7 * 3 * 4, 7 * 5 * 4]
    assert y.requires_grad


def test_two_views_of_one_storage_count_once() -> None:
    with saved_bytes(nn.Linear(1, 1)) as seen:
        x = torch.ones(10, requires_grad=True) * 2  # keeps a number
        (x[:5] * x[5:]).sum()
    assert sorted(seen.values())[-1] == 40 and len([size for size in seen.values() if size == 40]) == 1


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_small_batches_foretell_a_large_one(precision: str) -> None:
    network = Network(TINY_NETWORK, TINY_SPEECH.features, 6).train()
    foretold = activations(network, precision, CPU)
    with saved_bytes(network) as seen, torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
        output = network(torch.zeros(5, 3000, TINY_SPEECH.features), torch.full((5,), 3000), auxiliary=True)
    del output
    without_loss = activations(network, precision, CPU, labels_a_frame=0.0)
    assert without_loss.bytes_for(15000) == pytest.approx(sum(seen.values()), rel=0.03)
    assert foretold.bytes_for(15000) > without_loss.bytes_for(15000)  # CTC's tables grow with the texts


def test_counting_leaves_the_network_and_the_random_state_alone() -> None:
    network = Network(replace(TINY_NETWORK, dropout=0.5), TINY_SPEECH.features, 6)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    torch.manual_seed(3)
    activations(network, "fp32", CPU)
    pace(network, 40, 200, "fp32", CPU)
    drawn = torch.rand(4)
    torch.manual_seed(3)
    assert torch.equal(drawn, torch.rand(4))
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())
    assert all(parameter.grad is None for parameter in network.parameters())


def test_the_parts_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(estimation, "activations", lambda *given: Activations(a_frame=1000.0, once=500_000.0))
    network = Network(TINY_NETWORK, TINY_SPEECH.features, 6)
    parameters = sum(parameter.numel() for parameter in network.parameters())
    lengths = [400] * 50  # 20000 frames of 10 ms at 8 kHz in 16 bits: 160 bytes each
    batching = DataConfig(batch_frames=5000, workers=2)
    found = estimate(network, lengths, 2000, TINY_SPEECH, FIT, batching, CPU)
    assert found.parameters == parameters and found.state == 20 * parameters
    assert found.activations == pytest.approx(0.8 * (500_000 + 5000 * 1000))
    assert (found.samples, found.workers) == (20000 * 160, 2 * 350 * MEGA)
    assert found.on_device == pytest.approx(20 * parameters + 0.8 * 5.5 * MEGA + 3.2 * MEGA + 700 * MEGA)
    # Little memory for samples, one sample that is longer than a batch, and a corpus that fills no batch.
    some = estimate(network, lengths, 9, TINY_SPEECH, FIT, replace(batching, memory_gigabytes=0.001), CPU)
    assert some.samples == MEGA
    assert estimate(network, [9000, 10], 9, TINY_SPEECH, FIT, batching, CPU).batch_frames == 9000
    assert estimate(network, [100, 10], 9, TINY_SPEECH, FIT, batching, CPU).batch_frames == 110
    # Few rows that an epoch holds many times: 2.5 x 110, then more than a batch takes.
    often = replace(batching, weights={"mine": 2.5})
    assert estimate(network, [100, 10], 9, TINY_SPEECH, FIT, often, CPU).batch_frames == 275
    often = replace(batching, weights={"mine": 100.0, "theirs": 0.5})
    assert estimate(network, [100, 10], 9, TINY_SPEECH, FIT, often, CPU).batch_frames == 5000


def test_a_gpu_does_not_hold_the_samples() -> None:
    parts = Estimate(10, 3e9, 5e9, 20000, samples=4e9, workers=1e9, device=torch.device("cuda"))
    assert parts.on_device == 8e9 and replace(parts, device=CPU).on_device == 13e9


def test_a_decoded_frame_by_hand() -> None:
    assert bytes_a_frame(TINY_SPEECH) == 8000 * 0.01 * 2
    assert bytes_a_frame(TINY_HANDWRITING) == 24
    assert bytes_a_frame(HandwritingFrontend(height_px=48)) == 48


def test_what_would_fit_is_told() -> None:
    # 1 GB fixed, 4 GB for 20000 frames; of 4 GB nine tenths may be used: 2.6 GB are left, for 13000 frames.
    parts = Estimate(5 * MEGA, 0.5e9, 4e9, 20000, samples=0.5e9, workers=0, device=CPU)
    assert parts.fits(int(6e9)) and not parts.fits(int(4e9))
    assert parts.largest_batch(int(4e9)) == 13000
    lines = list(told(parts, int(4e9)))
    assert lines[0].startswith("estimate: about 5.0 GB of main memory, 4.0 GB are free: weights, gradients")
    assert "activations 4.0 GB for 20000 frames; decoded samples 0.50 GB" in lines[0]
    assert lines[1] == "warning: that is likely too much; --set data.batch_frames=13000 would fit"
    assert len(list(told(parts, int(60e9)))) == len(list(told(parts, None))) == 1
    assert "too much for a batch of any size" in list(told(parts, int(1e9)))[1]


def test_the_pace_is_that_of_the_second_batch() -> None:
    network, seen = Network(TINY_NETWORK, TINY_SPEECH.features, 6), []
    network.register_forward_pre_hook(lambda _, given: seen.append((tuple(given[0].shape), given[1].tolist())))

    def of(length: int, frames: int) -> float:
        # The first batch takes 70 seconds, the second 2.
        return pace(network, length, frames, "fp32", CPU, clock=iter([0.0, 70.0, 100.0, 102.0]).__next__)

    assert of(40, 250) == pytest.approx(2 / 240)
    assert of(400, 250) == pytest.approx(2 / 400)  # a sample longer than a batch
    assert of(900, 20000) == pytest.approx(2 / (6 * 900))  # no more than it takes to know
    assert of(9000, 20000) == pytest.approx(2 / 6000)
    assert [shape[:2] for shape, _ in seen[::2]] == [(6, 40), (1, 400), (6, 900), (1, 6000)]
    assert seen[0][1] == [40] * 6


def test_memory_that_runs_out_while_activations_are_counted_becomes_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9142272 bytes")

    monkeypatch.setattr(estimation, "ctc_loss", full)
    with pytest.raises(TrainingError, match="1024 padded frames, does not fit into main memory"):
        activations(Network(TINY_NETWORK, TINY_SPEECH.features, 6), "fp32", CPU)


def test_memory_that_runs_out_while_the_pace_is_taken_becomes_a_sentence_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory.")

    network = Network(TINY_NETWORK, TINY_SPEECH.features, 6)
    monkeypatch.setattr(Network, "forward", full)
    with pytest.raises(TrainingError, match="a batch of 5 samples, 200 padded frames, does not fit into main memory"):
        pace(network, 40, 200, "fp32", CPU)


def test_the_time_of_a_run_is_told() -> None:
    by_epochs = told_time(30.0, FitConfig(epochs=20))
    assert by_epochs.startswith(
        "estimate: an epoch takes about 30 min, all 20 about 10 h, by the time of a small batch"
    )
    by_clock = told_time(30.0, FitConfig(epochs=20, minutes=150))
    assert "an epoch takes about 30 min, the clock (fit.minutes) ends the run after 2.5 h" in by_clock
    assert "all 20 about 10 h" in told_time(30.0, FitConfig(epochs=20, minutes=601))


@pytest.mark.parametrize(
    ("minutes", "told_as"), [(0.5, "30 s"), (2.0, "2 min"), (119.6, "120 min"), (150.0, "2.5 h"), (1500.0, "25 h")]
)
def test_durations_have_the_unit_that_suits_them(minutes: float, told_as: str) -> None:
    assert duration(minutes) == told_as


@pytest.mark.parametrize(
    "error", [MemoryError(), torch.OutOfMemoryError("CUDA out of memory."), "really: more than any machine has"]
)
def test_memory_that_ran_out_becomes_a_sentence(error: Exception | str) -> None:
    with pytest.raises(TrainingError) as refused, memory.explained([700, 650, 710, 400], CPU):
        if isinstance(error, Exception):
            raise error
        torch.empty(2**60)
    told_so = str(refused.value)
    assert told_so.startswith("a batch of 4 samples, 2840 padded frames, does not fit into main memory; --set ")
    assert "--set data.batch_frames=1400 --set fit.accumulate=2" in told_so


def test_a_single_sample_that_does_not_fit_is_not_blamed_on_the_batch() -> None:
    expected = r"a single sample, 90000 padded frames, .* GPU's memory; cut it"
    with pytest.raises(TrainingError, match=expected), memory.explained([90000], torch.device("cuda")):
        raise torch.OutOfMemoryError("CUDA out of memory.")


def test_other_errors_pass() -> None:
    with pytest.raises(RuntimeError, match="shapes"), memory.explained([3], CPU):
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")


def test_free_memory_is_the_machines_or_the_containers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    meminfo = tmp_path / "meminfo"
    meminfo.write_text("MemTotal:       100 kB\nMemFree: 3 kB\nMemAvailable:     40 kB\n")
    assert memory._of_machine(meminfo) == 40 * 1024
    assert memory._of_machine(tmp_path / "none") is None
    (tmp_path / "max").write_text("9000\n")
    (tmp_path / "now").write_text("2500\n")
    absent, unlimited = tmp_path / "absent", tmp_path / "unlimited"
    unlimited.write_text("max\n")
    places = [(str(absent), "x"), (str(unlimited), "x"), (str(tmp_path / "max"), str(tmp_path / "now"))]
    assert memory._of_container(places) == 6500 and memory._of_container(places[:2]) is None
    monkeypatch.setattr(memory, "_of_machine", lambda path: 5000)
    monkeypatch.setattr(memory, "_of_container", lambda found: 6500)
    assert memory.free_bytes(CPU) == 5000


@pytest.mark.parametrize(
    ("number", "told_as"), [(1437, 1400), (99, 99), (7, 7), (0, 0), (20000, 20000), (123456, 120000)]
)
def test_settings_have_two_leading_digits(number: int, told_as: int) -> None:
    assert memory.rounded(number) == told_as


@pytest.mark.parametrize(
    ("number", "told_as"), [(12.4e6, "12 MB"), (0.123e9, "0.12 GB"), (3.44e9, "3.4 GB"), (56.2e9, "56 GB")]
)
def test_amounts_have_two_digits_that_matter(number: float, told_as: str) -> None:
    assert estimation.gigabytes(number) == told_as
