"""What presets tell a cell beyond its name: each option reaches the cell, and a clock reaches it through all strides."""

from dataclasses import replace
from pathlib import Path

import cell_oracles
import pytest
import torch
from conftest import TINY_SPEECH

from recog import checkpoint
from recog.alphabet import Alphabet
from recog.checkpoint import Bundle
from recog.config import build
from recog.errors import ConfigError
from recog.models.cells import family
from recog.models.cells.layer import BidirectionalCell, coarser, read_back
from recog.models.cells.options import CellOptions
from recog.models.network import Network, NetworkConfig

SMALL = NetworkConfig(
    channels=(2, 2),
    strides_time=(2, 1),
    strides_features=(2, 2),
    projection=6,
    layers=2,
    hidden=4,
    rates=(1, 2),
    dropout=0.0,
    auxiliary_layers=(),
)


def told(cell: str, **options: object) -> NetworkConfig:
    """Settings as a preset gives them."""
    return replace(SMALL, cell=cell, cell_options=build(CellOptions, options, "network.cell_options"))


@pytest.mark.parametrize(
    ("cell", "option", "value"),
    [
        *(("lstm-1997", "block", 2), ("lstm-1997", "truncated", True), ("lstm-1997", "gated", True)),
        *(("peephole", "squash", "identity"), ("peephole-c", "squash", "identity"), ("projected", "cells", 3)),
        *(("zoneout", "zoneout_c", 0.25), ("zoneout", "zoneout_h", 0.25), ("time-aware", "decay", "inverse")),
        *(("slstm", "heads", 2), ("slstm", "forget", "exponential"), ("mlstm", "heads", 2), ("mlstm", "chunk", 3)),
    ],
)
def test_each_option_reaches_both_directions_of_every_layer(cell: str, option: str, value: object) -> None:
    network = Network(told(cell, **{option: value}), 16, 5)
    for step in network.recurrent:
        for direction in (step.lstm.ahead, step.lstm.back):
            assert isinstance(direction, family[cell])
            assert getattr(direction, option) == value


def test_options_that_make_weights_make_them() -> None:
    assert Network(told("gru", reset_after=True), 16, 5).recurrent[0].lstm.ahead.bias_reset is not None
    assert Network(told("projected", peepholes=False), 16, 5).recurrent[0].lstm.ahead.peepholes is None
    # Blocks of 2: two input gates, two output gates and four cells.
    assert Network(told("lstm-1997", block=2), 16, 5).recurrent[0].lstm.ahead.weight_ih.shape == (8, 6)


def test_options_survive_a_bundle(tmp_path: Path) -> None:
    network = Network(told("time-aware", clock=3), TINY_SPEECH.features, 3).eval()
    checkpoint.save(Bundle("timed", network, TINY_SPEECH, Alphabet(("a", "b")), "spoken"), tmp_path / "bundle")
    again = checkpoint.load(tmp_path / "bundle").network
    assert again.config == network.config
    x, lengths = torch.rand(2, 9, TINY_SPEECH.features), torch.tensor([9, 5])
    with torch.no_grad():
        found, expected = again(x, lengths).log_probs, network(x, lengths).log_probs
    torch.testing.assert_close(found, expected, atol=2e-3, rtol=0)  # weights are kept in half precision


def test_what_no_cell_or_another_knows_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"cell_options.block is for the cell lstm-1997, and network.cell is 'gru'"):
        told("gru", block=2)
    with pytest.raises(ConfigError, match="heads is for the cell slstm or mlstm"):
        told("lstm", heads=2)
    with pytest.raises(ConfigError, match="did you mean 'truncated'"):
        told("lstm-1997", truncate=True)
    with pytest.raises(ConfigError, match="blocks of 3 cells do not divide 4"):
        Network(told("lstm-1997", block=3), 16, 5)
    with pytest.raises(ConfigError, match="clock is feature 16; the frontend has 16, from 0"):
        Network(told("time-aware", clock=16), 16, 5)


def test_times_are_read_from_both_ends_and_averaged_over_strides() -> None:
    elapsed, lengths = torch.tensor([[1.0, 2, 3, 4, 5], [6, 7, 8, 0, 0]]), torch.tensor([5, 3])
    # Read back, the step before number 0 is number 1, and the 2 lie between them; the last step begins.
    assert read_back(elapsed, lengths).tolist() == [[2, 3, 4, 5, 1], [7, 8, 1, 0, 1]]
    # Pairs, the last ones alone: (1 + 2) / 2, (3 + 4) / 2, 5; (6 + 7) / 2, 8, and nothing.
    assert coarser(elapsed, lengths, 2).tolist() == [[1.5, 3.5, 5], [6.5, 8, 1]]


@torch.no_grad()
def test_a_layer_with_a_clock_obeys_the_equations_in_both_directions() -> None:
    torch.manual_seed(1)
    layer = BidirectionalCell("time-aware", 3, 4, CellOptions(clock=0)).double()
    x, elapsed = torch.randn(1, 6, 3).double(), torch.rand(1, 6).double() + 0.5
    y = layer(x, torch.tensor([6]), elapsed)[0]
    ahead = torch.cat([x[0], elapsed[0, :, None]], dim=1)
    torch.testing.assert_close(y[:, :4], cell_oracles.time_aware(layer.ahead.state_dict(), ahead, clock=3))
    between = torch.cat([torch.ones(1).double(), elapsed[0].flip(0)[:-1]])
    back = torch.cat([x[0].flip(0), between[:, None]], dim=1)
    torch.testing.assert_close(y[:, 4:].flip(0), cell_oracles.time_aware(layer.back.state_dict(), back, clock=3))


def test_a_networks_clock_is_the_feature_told_and_keeps_rows_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(2)
    network = Network(told("time-aware", clock=0, decay="inverse"), 16, 5).eval()
    x, lengths = torch.rand(2, 11, 16) + 0.5, torch.tensor([11, 6])
    times = network.elapsed(x, lengths)
    torch.testing.assert_close(times[1, :3], x[1, :6, 0].view(3, 2).mean(dim=1))
    with torch.no_grad():
        together = network(x, lengths).log_probs
        for row, length in enumerate(lengths.tolist()):
            alone = network(x[row : row + 1, :length], lengths[row : row + 1]).log_probs
            torch.testing.assert_close(together[row, : alone.shape[1]], alone[0])
        # The convolutions see the feature too: the same input with other times tells what the clock does.
        monkeypatch.setattr(network, "elapsed", lambda *_: 3 * times)
        assert (network(x, lengths).log_probs[0] - together[0]).abs().max() > 1e-4
    network(x, lengths).log_probs.sum().backward()
    assert all(weight.grad is not None and weight.grad.isfinite().all() for weight in network.parameters())
