from dataclasses import replace

import numpy as np
import oracles
import pytest
import torch
from torch import nn

from recog.errors import ConfigError
from recog.frontend import pad
from recog.models.average import Average
from recog.models.layers import (
    BidirectionalLSTM,
    Convolution,
    Dropout,
    LockedDropout,
    length_mask,
    reverse_within_lengths,
)
from recog.models.network import Network, NetworkConfig
from recog.models.noise import weight_noise

SMALL = NetworkConfig(
    channels=(3, 4),
    strides_time=(2, 2),
    strides_features=(2, 2),
    projection=10,
    layers=2,
    hidden=6,
    rates=(1, 1),
    dropout=0.3,
    dropout_convolution=0.3,
    auxiliary_layers=(0, 1),
)
SHAPES = {
    "plain": {},
    "one frame each": {"strides_time": (1, 1)},
    "half": {"strides_time": (1, 2)},
    "six": {"strides_time": (3, 2)},
    "rates": {"rates": (2, 3)},
    "fast rates": {"strides_time": (1, 1), "rates": (4, 1)},
    "no projection of the sum": {"projection": 12},
    "no convolution": {"channels": (), "strides_time": (), "strides_features": ()},
    "residual": {"residuals": (1, 2)},
    "four": {"channels": (2, 2, 2, 2), "strides_time": (2, 1, 2, 1), "strides_features": (2, 2, 2, 2), "rates": (2, 2)},
}


def network_of(features: int = 9, symbols: int = 5, **changes: object) -> Network:
    torch.manual_seed(0)
    config = NetworkConfig(**{**vars(SMALL), **changes})
    network = Network(config, features, symbols)
    for module in network.modules():  # statistics as training would have left them
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.3)
            module.running_var.uniform_(0.5, 2)
            module.bias.data.normal_(0, 0.3)
            module.weight.data.uniform_(0.5, 1.5)
    return network.eval()


@torch.no_grad()
@pytest.mark.parametrize("shape", SHAPES)
def test_a_padded_batch_gives_what_each_sample_gives_alone(shape: str) -> None:
    network = network_of(**SHAPES[shape])
    lengths = [1, 2, 3, 4, 5, 7, 8, 11, 12, 13, 24, 37]
    samples = [torch.randn(length, 9) for length in lengths]
    batch = pad(samples)
    together = network(batch.x, batch.lengths, auxiliary=True)
    for row, sample in enumerate(samples):
        alone = network(sample[None], torch.tensor([len(sample)]), auxiliary=True)
        length = int(together.lengths[row])
        assert alone.lengths.tolist() == [length] == [alone.log_probs.shape[1]]
        assert (together.log_probs[row, :length] - alone.log_probs[0]).abs().max() < 1e-5
        for heads, head in zip(together.auxiliary, alone.auxiliary, strict=True):
            assert (heads[row, :length] - head[0]).abs().max() < 1e-5


@torch.no_grad()
@pytest.mark.parametrize("shape", ["plain", "half", "six", "rates", "no convolution", "four"])
def test_the_length_map_is_the_real_length(shape: str) -> None:
    network = network_of(**{**SHAPES[shape], "hidden": 2, "projection": 2})
    mapped = network.map_lengths(torch.arange(1, 201))
    assert mapped.min() >= 1
    for steps in range(1, 201):
        output = network(torch.zeros(1, steps, 9), torch.tensor([steps]))
        assert output.log_probs.shape[1] == int(output.lengths) == int(mapped[steps - 1])


@torch.no_grad()
def test_rows_are_log_probabilities_in_any_precision() -> None:
    network, x = network_of(), 30 * torch.randn(3, 20, 9)
    for enabled in (False, True):
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            output = network(x, torch.tensor([20, 20, 20]), auxiliary=True)
        assert len(output.auxiliary) == 2
        for log_probs in (output.log_probs, *output.auxiliary):
            assert log_probs.dtype == torch.float32
            assert (log_probs.exp().sum(2) - 1).abs().max() < 1e-5
    assert network(x, torch.tensor([20, 20, 20])).auxiliary == ()


def packed(layer: BidirectionalLSTM, x: torch.Tensor, lengths: torch.Tensor) -> tuple[nn.LSTM, torch.Tensor]:
    """PyTorch's own bidirectional layer with the same weights, over a packed sequence."""
    twin = nn.LSTM(x.shape[2], layer.ahead.hidden_size, batch_first=True, bidirectional=True)
    with torch.no_grad():
        for name, parameter in layer.ahead.named_parameters():
            getattr(twin, name).copy_(parameter)
        for name, parameter in layer.back.named_parameters():
            getattr(twin, name + "_reverse").copy_(parameter)
    rows = nn.utils.rnn.pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
    return twin, nn.utils.rnn.pad_packed_sequence(twin(rows)[0], batch_first=True)[0]


def test_bidirectional_lstm_is_pytorchs_packed_one_in_value_and_gradient() -> None:
    torch.manual_seed(0)
    layer = BidirectionalLSTM(5, 4)
    x, lengths = torch.randn(4, 9, 5, requires_grad=True), torch.tensor([9, 1, 4, 7])
    inside = length_mask(lengths, 9)[:, :, None]
    found = layer(x, lengths) * inside
    twin, expected = packed(layer, x, lengths)
    assert (found - expected).abs().max() < 1e-6
    weight = torch.randn(4, 9, 8)
    (gradient,) = torch.autograd.grad((found * weight).sum(), x, retain_graph=True)
    (true_gradient,) = torch.autograd.grad((expected * weight).sum(), x, retain_graph=True)
    assert (gradient - true_gradient).abs().max() < 1e-6
    for name, parameter in layer.ahead.named_parameters():
        (one,) = torch.autograd.grad((found * weight).sum(), parameter, retain_graph=True)
        (other,) = torch.autograd.grad((expected * weight).sum(), getattr(twin, name), retain_graph=True)
        assert (one - other).abs().max() < 1e-5


@torch.no_grad()
def test_lstm_follows_its_equations() -> None:
    layer, x = BidirectionalLSTM(3, 4), torch.randn(1, 6, 3)
    found = layer(x, torch.tensor([6]))[0].numpy()
    for lstm, sequence, half in (
        (layer.ahead, x[0].numpy(), found[:, :4]),
        (layer.back, x[0].flip(0).numpy(), found[::-1, 4:]),
    ):
        weights = {name: parameter.double().numpy() for name, parameter in lstm.named_parameters()}
        bias = weights["bias_ih_l0"] + weights["bias_hh_l0"]
        expected = oracles.lstm(sequence, oracles.LSTMWeights(weights["weight_ih_l0"], weights["weight_hh_l0"], bias))
        assert np.abs(half - expected).max() < 1e-6


def test_recurrence_starts_orthogonal_and_remembering() -> None:
    layer = BidirectionalLSTM(5, 4)
    for lstm in (layer.ahead, layer.back):
        for gate in lstm.weight_hh_l0.view(4, 4, 4):
            assert (gate @ gate.T - torch.eye(4)).abs().max() < 1e-5
        bias = (lstm.bias_ih_l0 + lstm.bias_hh_l0).view(4, 4)
        assert torch.equal(bias, torch.tensor([0.0, 1.0, 0.0, 0.0])[:, None].expand(4, 4))  # the forget gate


def test_reversal_stays_within_each_length() -> None:
    x = torch.arange(10.0).view(2, 5, 1)
    assert reverse_within_lengths(x, torch.tensor([5, 3])).flatten().tolist() == [4, 3, 2, 1, 0, 7, 6, 5, 8, 9]


@torch.no_grad()
def test_convolution_shrinks_both_ways_and_blanks_what_lies_past_the_end() -> None:
    layer = Convolution(1, 3, (2, 3), 0.0).eval()
    layer.normalise.bias.fill_(1.0)  # would turn padding into ones
    y, lengths = layer(torch.randn(2, 1, 10, 7), torch.tensor([7, 3]))
    assert y.shape == (2, 3, 4, 4)
    assert lengths.tolist() == [4, 2]
    assert y[1, :, :, 2:].abs().max() == 0
    assert y[1, :, :, :2].abs().max() > 0


def test_convolutions_are_those_of_the_library_with_the_sides_changed_and_a_mask() -> None:
    torch.manual_seed(4)
    layer, lengths = Convolution(1, 3, (2, 3), 0.0, residuals=1).double(), torch.tensor([7, 3])
    layer.residuals[0].normalise_second.weight.data.fill_(0.7)
    x = torch.randn(2, 1, 10, 7, dtype=torch.float64, requires_grad=True)
    weights = torch.randn(2, 3, 4, 4, dtype=torch.float64)
    mask = length_mask(torch.tensor([4, 2]), 4)[:, None, :, None].double()

    def turned(x: torch.Tensor) -> torch.Tensor:
        y = nn.functional.conv2d(x.transpose(2, 3), layer.convolve.weight, stride=(2, 3), padding=1)
        y = torch.relu(layer.normalise(y)) * mask
        block = layer.residuals[0]
        z = torch.relu(block.normalise_first(nn.functional.conv2d(y, block.first.weight, padding=1))) * mask
        z = block.normalise_second(nn.functional.conv2d(z, block.second.weight, padding=1))
        return (torch.relu(y + z) * mask).transpose(2, 3)

    made, expected = layer(x, lengths)[0], turned(x)
    torch.testing.assert_close(made, expected)
    wanted = [x, *layer.parameters()]
    found = torch.autograd.grad((made * weights).sum(), wanted)
    torch.testing.assert_close(found, torch.autograd.grad((expected * weights).sum(), wanted))


def test_training_and_use_mean_the_same_without_dropout() -> None:
    network = network_of(dropout=0.0, dropout_convolution=0.0, channels=(), strides_time=(), strides_features=())
    x, lengths = torch.randn(2, 10, 9), torch.tensor([10, 6])
    use = network(x, lengths).log_probs
    assert torch.equal(network.train()(x, lengths).log_probs, use)


def test_every_weight_is_trained() -> None:
    network = network_of(rates=(1, 2)).train()
    output = network(torch.randn(2, 20, 9), torch.tensor([20, 15]), auxiliary=True)
    (output.log_probs.square().sum() + sum(head.square().sum() for head in output.auxiliary)).backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"channels": (3,)}, "1 channels, 2 strides_time and 2 strides_features"),
        ({"layers": 3}, "3 layers but 2 rates"),
        ({"hidden": 0}, "must be at least 1"),
        ({"rates": (0, 1)}, "must be at least 1"),
        ({"strides_time": (0, 1)}, "must be at least 1"),
        ({"layers": 0, "rates": (), "auxiliary_layers": ()}, "must be at least 1"),
        ({"dropout": 1.0}, r"network\.dropout is 1\.0; expected 0 <= dropout < 1"),
        ({"dropout_convolution": -0.1}, r"network\.dropout_convolution is -0\.1"),
        ({"auxiliary_layers": (2,)}, r"auxiliary_layers \(2,\) must lie in 0\.\.1"),
    ],
)
def test_impossible_shapes_are_refused(settings: dict[str, object], sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        network_of(**settings)


def test_average_is_a_decaying_mean_that_starts_short() -> None:
    network = nn.Linear(1, 1, bias=False)
    average, expected = Average(network, 0.9), network.weight.item()
    for number in range(1, 200):
        network.weight.data.fill_(float(number))
        average.update(network)
        keep = min(0.9, number / (number + 9))
        expected = keep * expected + (1 - keep) * number
    assert float(average.tensors["weight"]) == pytest.approx(expected, rel=1e-5)
    assert expected == pytest.approx(199 - 9, abs=1e-3)  # a ramp lags by decay / (1 - decay)


def test_average_counts_and_gives_the_weights_back() -> None:
    network = network_of().train()
    average = Average(network, 0.5)
    own = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    network(torch.randn(2, 20, 9), torch.tensor([20, 15]))
    with torch.no_grad():
        network.output.weight += 1
    average.update(network)
    moved = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    with pytest.raises(KeyError), average.applied(network):
        assert torch.allclose(network.output.weight, own["output.weight"] + 0.9)  # the first window is 10 updates
        assert int(network.convolutions[0].normalise.num_batches_tracked) == 1
        raise KeyError
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, moved[name])


def test_locked_dropout_takes_a_cell_from_a_whole_sequence() -> None:
    layer, x = LockedDropout(0.3), torch.ones(200, 5, 50)
    torch.manual_seed(0)
    y = layer.train()(x)
    assert torch.equal(y, y[:, :1].expand_as(y))  # one mask for all steps
    assert y.unique().tolist() == pytest.approx([0, 1 / 0.7])
    assert not torch.equal(y[0], y[1])  # another for each sequence
    assert float(y.mean()) == pytest.approx(1, abs=0.03)  # sd of the mean of 10,000 draws: 0.0065
    assert layer.eval()(x) is x


def test_a_network_may_drop_whole_cells() -> None:
    for locked, kind in ((True, LockedDropout), (False, Dropout)):
        network = network_of(dropout_locked=locked)
        assert {type(module) for step in network.recurrent for module in [step.dropout]} == {kind}
        assert isinstance(network.dropout, kind)


@pytest.mark.parametrize(("layers", "frozen"), [(0, 0), (1, 1), (2, 2), (-1, 2), (None, None)])
def test_what_is_held_neither_learns_nor_takes_statistics(layers: int | None, frozen: int | None) -> None:
    network = network_of().train()
    network.hold(-1)  # what was held before is free again
    network.train()
    network.hold(layers)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    output = network(torch.randn(2, 20, 9), torch.tensor([20, 15]), auxiliary=True)
    loss = output.log_probs.square().sum() + sum(head.square().sum() for head in output.auxiliary)
    loss.backward()
    torch.optim.SGD(network.parameters(), 0.1).step()
    moved = {name for name, tensor in network.state_dict().items() if not torch.equal(tensor, before[name])}
    lower = ("convolutions.", "project") if frozen is not None else ()
    lower += tuple(f"recurrent.{number}." for number in range(frozen or 0))
    assert moved == {name for name in before if not lower or not name.startswith(lower)}


@torch.no_grad()
def test_rows_of_shared_symbols_are_kept_and_new_ones_are_their_mean() -> None:
    network = network_of(symbols=4)
    wider = network.with_symbols([0, 3, None, 1])
    assert wider.symbols == 4 and not wider.training
    for old, new in ((network.output, wider.output), (network.auxiliary["1"], wider.auxiliary["1"])):
        for values, found in ((old.weight, new.weight), (old.bias, new.bias)):
            expected = torch.stack([values[0], values[3], (values[1] + values[2] + values[3]) / 3, values[1]])
            assert torch.allclose(found, expected, atol=1e-6)
    x, lengths = torch.randn(1, 20, 9), torch.tensor([20])
    before, after = network(x, lengths).log_probs[0], wider(x, lengths).log_probs[0]
    # What both have keeps its odds, frame by frame.
    assert torch.allclose(before[:, 0] - before[:, 3], after[:, 0] - after[:, 1], atol=1e-5)


def test_another_input_height_begins_with_the_stretched_weights() -> None:
    network = Network(SMALL, 16, 5).eval()
    with torch.no_grad():  # a map that weighs every row alike
        network.project.weight.copy_(network.project.weight[:, :1].expand_as(network.project.weight))
    taller = network.with_features(24)
    channels = SMALL.channels[-1]
    old, new = network.project.weight.reshape(10, channels, 4), taller.project.weight.reshape(10, channels, 6)
    assert torch.allclose(old.sum(2), new.sum(2), atol=1e-6)  # what does not change over the rows counts as before
    assert torch.allclose(new, new[:, :, :1].expand_as(new), atol=1e-6)
    assert all(
        torch.equal(value, taller.state_dict()[name])
        for name, value in network.state_dict().items()
        if name != "project.weight"
    )
    same = network.with_features(16)
    assert all(torch.equal(value, same.state_dict()[name]) for name, value in network.state_dict().items())


def test_weights_are_noisy_within_the_block_and_the_same_after_it() -> None:
    network = network_of()
    network.hold(0)
    clean = {name: parameter.detach().clone() for name, parameter in network.named_parameters()}
    torch.manual_seed(0)
    with pytest.raises(KeyError), weight_noise(network, 0.075):
        differences = {
            name: (parameter.detach() - clean[name]).flatten() for name, parameter in network.named_parameters()
        }
        raise KeyError
    noisy = [name for name, p in network.named_parameters() if p.requires_grad and p.ndim > 1]
    assert any("weight_hh" in name for name in noisy) and "output.weight" in noisy
    assert all(not values.any() for name, values in differences.items() if name not in noisy)
    values = torch.cat([differences[name] for name in noisy])
    assert len(values) > 1000
    assert float(values.std()) == pytest.approx(0.075, rel=0.1)
    assert float(values.mean()) == pytest.approx(0, abs=0.01)
    assert all(torch.equal(parameter, clean[name]) for name, parameter in network.named_parameters())


def test_no_noise_draws_no_random_number() -> None:
    network, before = nn.Linear(2, 2), torch.get_rng_state()
    with weight_noise(network, 0.0):
        pass
    assert torch.equal(torch.get_rng_state(), before)


def test_a_phone_head_leaves_the_others_as_they_were() -> None:
    network = Network(SMALL, 16, 5).eval()
    with_phones = network.grown(replace(SMALL, phones=39))
    x, lengths = torch.randn(2, 30, 16), torch.tensor([30, 17])
    before, after = network(x, lengths), with_phones(x, lengths)
    assert before.phones is None
    assert torch.equal(before.log_probs, after.log_probs)
    assert after.phones.shape == (2, after.log_probs.shape[1], 40)  # blank and 39 phones
    assert torch.allclose(after.phones.exp().sum(2), torch.ones(2, after.phones.shape[1]), atol=1e-5)
    assert with_phones.with_symbols([0, 1, 2]).phones is not None


def test_a_network_that_grows_says_at_first_what_it_said_and_all_of_it_learns() -> None:
    network = network_of()
    larger = replace(SMALL, residuals=(1, 2), layers=3, rates=(*SMALL.rates, 2), dropout=0.0)
    grown = network.grown(larger)
    x, lengths = torch.randn(2, 30, 9), torch.tensor([30, 17])
    assert torch.allclose(network(x, lengths).log_probs, grown(x, lengths).log_probs, atol=1e-5)
    for _ in range(2):  # the first step moves the scales from 0, the second what they scale
        grown.train()(x, lengths).log_probs[..., 1].mean().backward()
        torch.optim.SGD(grown.parameters(), 0.1).step()
    new = [name for name, _ in grown.named_parameters() if "residuals" in name or name.startswith("recurrent.2.")]
    assert len(new) == 3 * 6 + 12  # 3 blocks of two convolutions and their scales; a layer's two LSTMs, spread and norm
    assert all(grown.get_parameter(name).grad.abs().sum() > 0 for name in new)


@pytest.mark.parametrize(
    "changes",
    [
        {"hidden": 5},
        {"layers": 1, "rates": (1,), "auxiliary_layers": (0,)},
        {"layers": 3, "rates": (2, 1, 1)},
        {"residuals": (0, 1)},
        {"phones": 0},
    ],
)
def test_a_network_does_not_grow_into_another_shape(changes: dict[str, object]) -> None:
    network = network_of(residuals=(1, 1), phones=39)
    with pytest.raises(ConfigError, match="cannot grow into"):
        network.grown(replace(network.config, **changes))


def test_residual_blocks_are_given_to_every_convolution() -> None:
    with pytest.raises(ConfigError, match="give each a number of blocks"):
        replace(SMALL, residuals=(1,))


def test_dropout_takes_its_share_and_keeps_the_mean() -> None:
    torch.manual_seed(1)
    dropout, x = Dropout(0.25), torch.full((200, 500), 3.0, requires_grad=True)
    y = dropout(x)
    kept = y != 0
    assert torch.equal(y[kept], torch.full_like(y[kept], 4.0))  # 3 / 0.75
    assert abs(float(kept.float().mean()) - 0.75) < 0.005  # 100 000 draws: a standard deviation of 0.0014
    y.sum().backward()
    assert x.grad is not None and torch.equal(x.grad, kept * (1 / 0.75))
    assert torch.equal(dropout.eval()(x), x) and torch.equal(Dropout(0.0)(x), x)
    assert Dropout(0.5)(x.bfloat16()).dtype == torch.bfloat16


def test_pictures_lie_channels_last_behind_the_first_convolution() -> None:
    layer = Convolution(1, 8, (1, 2), 0.0, residuals=1)
    x = torch.randn(2, 1, 6, 9).contiguous(memory_format=torch.channels_last)
    y, _ = layer(x, torch.tensor([9, 7]))
    assert y.is_contiguous(memory_format=torch.channels_last) and not y.is_contiguous()
