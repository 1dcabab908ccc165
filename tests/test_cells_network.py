import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from recog import checkpoint
from recog.alphabet import Alphabet
from recog.audio import SpeechFrontend
from recog.checkpoint import Bundle
from recog.config import build
from recog.ctc.greedy import greedy
from recog.ctc.loss import ctc_loss
from recog.errors import ConfigError
from recog.frontend import Batch, pad
from recog.models.cells import family
from recog.models.cells.highway import Highway
from recog.models.layers import BidirectionalLSTM
from recog.models.network import Network, NetworkConfig
from scripts import benchmark_cells

FRONTEND = SpeechFrontend(rate_hz=8000, mel_bands=16, high_hz=3800.0)
CONFIG = NetworkConfig(
    channels=(),
    strides_time=(),
    strides_features=(),
    projection=20,
    layers=1,
    hidden=12,
    rates=(1,),
    dropout=0.0,
    auxiliary_layers=(),
)


def lines() -> tuple[Batch, list[list[int]]]:
    """Eight lines of marks of two kinds, three frames each; a label tells a mark and the one before, which takes memory."""
    generator = np.random.default_rng(4)
    samples, targets = [], []
    for length in (3, 4, 4, 5, 5, 6, 6, 6):
        marks = generator.integers(0, 2, length)
        x = 0.1 * generator.normal(size=(3 * length, FRONTEND.features))
        for place, mark in enumerate(marks):
            x[3 * place : 3 * place + 2, 8 * mark : 8 * mark + 8] += 1.0
        samples.append(torch.tensor(x, dtype=torch.float32))
        targets.append((1 + marks + 2 * np.concatenate([[0], marks[:-1]])).tolist())
    return pad(samples), targets


def read(network: Network, batch: Batch) -> list[list[int]]:
    with torch.no_grad():
        said = network(batch.x, batch.lengths)
    pairs = zip(said.log_probs, said.lengths, strict=True)
    return [list(greedy(row[:length].numpy()).labels) for row, length in pairs]


@pytest.mark.parametrize("cell", family)
def test_a_recogniser_of_each_cell_learns_lines_by_heart_and_survives_its_bundle(cell: str, tmp_path: Path) -> None:
    torch.manual_seed(2)
    batch, targets = lines()
    network = Network(replace(CONFIG, cell=cell), FRONTEND.features, 5)
    optimiser = torch.optim.Adam(network.parameters(), lr=0.02)
    for _ in range(120):
        said = network(batch.x, batch.lengths)
        loss = ctc_loss(said.log_probs, said.lengths, targets, ["line"] * 8).sum() / 8
        if loss.item() < 0.1:
            break
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    network.eval()
    assert read(network, batch) == targets
    checkpoint.save(Bundle("cells", network, FRONTEND, Alphabet(("a", "b", "c", "d")), "spoken"), tmp_path / "bundle")
    again = checkpoint.load(tmp_path / "bundle").network
    assert again.config.cell == cell
    assert read(again, batch) == targets


PICTURE = replace(
    CONFIG, channels=(2,), strides_time=(1,), strides_features=(2,), projection=8, hidden=4, plane_hidden=2
)


@pytest.mark.parametrize("plane", ["multidimensional", "convolutional"])
def test_cells_on_the_plane_serve_a_recogniser_and_survive_its_bundle(plane: str, tmp_path: Path) -> None:
    torch.manual_seed(2)
    network = Network(replace(PICTURE, plane=plane), FRONTEND.features, 5)
    batch, targets = lines()
    optimiser, losses = torch.optim.Adam(network.parameters(), lr=0.03), []
    for _ in range(12):
        said = network(batch.x, batch.lengths)
        losses.append(ctc_loss(said.log_probs, said.lengths, targets, ["line"] * 8).sum() / 8)
        optimiser.zero_grad()
        losses[-1].backward()
        optimiser.step()
    assert losses[-1] < 0.7 * losses[0]
    assert all(parameter.grad.any() for parameter in network.plane.parameters())
    network.eval()
    with torch.no_grad():
        together = network(batch.x, batch.lengths).log_probs
        for row, length in enumerate(batch.lengths.tolist()):
            alone = network(batch.x[row : row + 1, :length], batch.lengths[row : row + 1]).log_probs
            torch.testing.assert_close(together[row, :length], alone[0])
    checkpoint.save(Bundle("plane", network, FRONTEND, Alphabet(("a", "b", "c", "d")), "spoken"), tmp_path / "bundle")
    again = checkpoint.load(tmp_path / "bundle").network
    assert again.config.plane == plane
    assert read(again, batch) == read(network, batch)
    # More bands: what is tied to the rows is stretched to them.
    taller = network.with_features(24)
    assert taller(torch.randn(1, 4, 24), torch.tensor([4])).log_probs.isfinite().all()
    network.train().hold(0)
    assert not network.plane.training and not any(one.requires_grad for one in network.plane.parameters())


def test_an_unknown_plane_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"network.plane is 'cubic'; expected one of .*'convolutional'"):
        replace(CONFIG, plane="cubic")


TWO_LEVELS = replace(CONFIG, layers=2, rates=(1, 1), phones=2, phones_below=1)


def test_letters_above_read_the_phones_below_and_nothing_else() -> None:
    torch.manual_seed(3)
    batch, _ = lines()
    network = Network(TWO_LEVELS, FRONTEND.features, 5).eval()
    said = network(batch.x, batch.lengths)
    # By hand: the layers above and the output over the phones' probabilities.
    above = network.recurrent[1](network.rise(said.phones.exp()), batch.lengths)
    torch.testing.assert_close(said.log_probs, torch.log_softmax(network.output(above), dim=-1))
    torch.testing.assert_close(said.phones, Network.forward(network, batch.x, batch.lengths).phones)
    # A head that says the same whatever comes leaves the letters nothing to read; beside them it takes nothing away.
    for config, deaf in ((TWO_LEVELS, True), (replace(TWO_LEVELS, phones_below=0), False)):
        network = Network(config, FRONTEND.features, 5).eval()
        with torch.no_grad():
            network.phones.weight.zero_()
            one, other = (network(x, batch.lengths).log_probs for x in (batch.x, batch.x.flip(2)))
        assert torch.equal(one, other) == deaf


def test_phones_below_are_learnt_from_the_letters_above_and_survive_a_bundle(tmp_path: Path) -> None:
    torch.manual_seed(4)
    batch, targets = lines()
    marks = [[1 + (label - 1) % 2 for label in target] for target in targets]  # a label tells a mark and the one before
    network = Network(TWO_LEVELS, FRONTEND.features, 5)
    said = network(batch.x, batch.lengths)
    ctc_loss(said.log_probs, said.lengths, targets, ["line"] * 8).sum().backward()
    assert network.phones.weight.grad.any() and next(network.recurrent[0].lstm.parameters()).grad.any()
    optimiser = torch.optim.Adam(network.parameters(), lr=0.02)
    for _ in range(150):
        said = network(batch.x, batch.lengths)
        losses = [
            ctc_loss(log_probs, said.lengths, wanted, ["line"] * 8).sum() / 8
            for log_probs, wanted in ((said.log_probs, targets), (said.phones, marks))
        ]
        if max(losses) < 0.1:
            break
        optimiser.zero_grad()
        sum(losses).backward()
        optimiser.step()
    network.eval()
    with torch.no_grad():
        phones = network(batch.x, batch.lengths).phones
    assert [list(greedy(row[:n].numpy()).labels) for row, n in zip(phones, batch.lengths, strict=True)] == marks
    assert read(network, batch) == targets
    checkpoint.save(Bundle("levels", network, FRONTEND, Alphabet(("a", "b", "c", "d")), "spoken"), tmp_path / "bundle")
    again = checkpoint.load(tmp_path / "bundle").network
    assert again.config.phones_below == 1
    assert read(again, batch) == targets
    # What a frozen layer reads is frozen with it.
    for frozen, held in ((1, False), (2, True)):
        network.hold(frozen)
        assert network.phones.weight.requires_grad == network.rise.weight.requires_grad == (not held)


@pytest.mark.parametrize("wrong", [{"phones": 0}, {"phones_below": 2}, {"phones_below": -1}])
def test_phones_with_no_layer_on_one_side_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match="a head for phones with layers on both sides"):
        replace(TWO_LEVELS, **wrong)


def test_settings_without_a_cell_mean_the_lstm_that_older_bundles_hold() -> None:
    config = build(NetworkConfig, {"layers": 1, "rates": [1], "auxiliary_layers": [0]}, "network")
    assert config.cell == "lstm"
    layer = Network(config, 8, 3).recurrent[0].lstm
    assert isinstance(layer, BidirectionalLSTM)


def test_an_unknown_cell_is_refused_with_the_names_there_are() -> None:
    with pytest.raises(ConfigError, match=r"network.cell is 'lstn'; expected one of .*peephole-c"):
        replace(CONFIG, cell="lstn")


@torch.no_grad()
def test_a_highway_passes_what_its_gate_closes_to_and_replaces_the_rest() -> None:
    # Equations 2 and 3 with one value: t = sigma(2 * 0.5 - 1) = 1/2, y = 1/2 * 4 + 1/2 * 0.5.
    layer = Highway(1)
    layer.gate.weight.fill_(2.0)
    assert layer(torch.tensor([[0.5]]), torch.tensor([[4.0]])).item() == pytest.approx(2.25)
    # A gate of sigma(-1), as it begins with no weights: a share of 1 / (1 + e).
    layer.gate.weight.zero_()
    assert layer(torch.tensor([[0.0]]), torch.tensor([[1.0]])).item() == pytest.approx(1 / (1 + np.e))


def test_a_highway_has_the_gradient_of_finite_differences() -> None:
    torch.manual_seed(1)
    layer = Highway(3).double()

    def joined(x: Tensor, new: Tensor, *_: Tensor) -> Tensor:
        result: Tensor = layer(x, new)
        return result

    x, new = (torch.randn(2, 3, dtype=torch.float64, requires_grad=True) for _ in range(2))
    assert torch.autograd.gradcheck(joined, (x, new, *layer.parameters()))


@torch.no_grad()
def test_a_network_with_highways_begins_close_to_its_input_and_keeps_rows_apart() -> None:
    torch.manual_seed(3)
    network = Network(replace(CONFIG, layers=2, rates=(1, 2), highway=True, cell="gru"), FRONTEND.features, 5).eval()
    for step in network.recurrent:
        step.join.gate.bias.fill_(-40.0)  # closed: what comes in goes out
    batch, _ = lines()
    stream, lengths = network.encode(batch.x, batch.lengths)
    passed = stream
    for step in network.recurrent:
        passed = step(passed, lengths)
    torch.testing.assert_close(passed, stream)
    for step in network.recurrent:
        step.join.gate.bias.zero_()
    together = network(batch.x, batch.lengths).log_probs
    for row, length in enumerate(batch.lengths):
        alone = network(batch.x[row : row + 1, :length], batch.lengths[row : row + 1]).log_probs
        torch.testing.assert_close(together[row, :length], alone[0])


def test_the_benchmark_writes_a_line_for_each_layer(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sizes = ["--features", "3", "--hidden", "4", "--batch", "2", "--steps", "5", "--rounds", "1"]
    assert benchmark_cells.main([*sizes, "--cells", "peephole,elman", "--json", str(tmp_path / "cells.json")]) == 0
    printed = [line.split()[:2] for line in capsys.readouterr().out.splitlines()[1:]]
    # Two directions: 4 x 4 rows of 3 + 4 columns and two biases; with one bias and 3 x 4 peepholes; 4 rows and one bias.
    assert printed == [["default", "288"], ["peephole", "280"], ["elman", "64"]]
    told = json.loads((tmp_path / "cells.json").read_text())
    assert [one["cell"] for one in told["cells"]] == ["default", "peephole", "elman"]
    assert told["cells"][0]["times_default"] == 1.0
    with pytest.raises(SystemExit):
        benchmark_cells.main(["--cells", "lstn"])
    assert "no cell is called lstn" in capsys.readouterr().err
