"""The gradient of an update: many small batches are one large one, and every help does what it says."""

import math
from dataclasses import replace

import pytest
import torch
from conftest import TINY_NETWORK, TINY_SPEECH, random_bundle

from recog.checkpoint import Bundle
from recog.ctc.loss import ctc_loss, path_entropy, uniformity
from recog.data import Example
from recog.errors import TrainingError
from recog.models.network import Network
from recog.training import gradient as gradients
from recog.training.gradient import gradient, objective
from recog.training.parallel import Peers
from recog.training.settings import FitConfig

CONFIG = FitConfig(precision="fp32", clip=1e9)


def bundle_of(**changes: object) -> Bundle:
    """A bundle in training whose result does not hang on its batch mates: no convolutions, no dropout."""
    bundle = random_bundle(TINY_SPEECH, " abcd", "spoken")
    plain = {"channels": (), "strides_time": (), "strides_features": (), "hidden": 8, "projection": 12}
    torch.manual_seed(4)
    return replace(bundle, network=Network(replace(TINY_NETWORK, **{**plain, **changes}), 16, 6).train())


def examples(*lengths: int) -> list[Example]:
    generator = torch.Generator().manual_seed(1)
    return [
        Example(
            f"s{number}", torch.randn(length, 16, generator=generator), tuple(1 + k % 5 for k in range(length // 4))
        )
        for number, length in enumerate(lengths)
    ]


def grads(bundle: Bundle) -> dict[str, torch.Tensor]:
    return {name: p.grad.clone() for name, p in bundle.network.named_parameters() if p.grad is not None}


def test_small_batches_add_up_to_a_large_one() -> None:
    bundle, samples = bundle_of(), examples(12, 20, 33, 40, 17)
    whole = gradient(bundle, [samples], CONFIG, Peers())
    expected = grads(bundle)
    parts = gradient(bundle, [samples[:1], [], samples[1:3], samples[3:]], CONFIG, Peers())
    assert whole is not None and parts is not None
    assert parts.loss == pytest.approx(whole.loss, rel=1e-5)
    assert (parts.samples, parts.frames) == (whole.samples, whole.frames) == (5, 122)
    for name, found in grads(bundle).items():
        assert torch.allclose(found, expected[name], rtol=1e-4, atol=1e-6), name


def test_the_gradient_is_that_of_the_loss_a_label() -> None:
    bundle, samples = bundle_of(), examples(20, 20)
    update = gradient(bundle, [samples], CONFIG, Peers())
    found = grads(bundle)
    bundle.network.zero_grad()
    output = bundle.network(torch.stack([s.features for s in samples]), torch.tensor([20, 20]), auxiliary=True)
    targets = [s.target for s in samples]
    top, low = (
        ctc_loss(p, output.lengths, targets, ["a", "b"]).sum() / 10 for p in (output.log_probs, *output.auxiliary)
    )
    (top + 0.3 * low).backward()
    assert update is not None and update.loss == pytest.approx(top.item(), rel=1e-5)
    for name, expected in grads(bundle).items():
        assert torch.allclose(found[name], expected, rtol=1e-4, atol=1e-6), name


def test_gradients_are_scaled_down_to_the_norm() -> None:
    bundle = bundle_of()
    gradient(bundle, [examples(20, 30)], replace(CONFIG, clip=1e-3), Peers())
    assert math.sqrt(sum(float(g.square().sum()) for g in grads(bundle).values())) == pytest.approx(1e-3, rel=1e-3)


def test_nothing_to_learn_is_no_update() -> None:
    bundle = bundle_of()
    assert gradient(bundle, [[], []], CONFIG, Peers()) is None
    assert not grads(bundle)


def test_the_regularisers_enter_with_their_weights() -> None:
    bundle, samples = bundle_of(), examples(20, 24)
    x = torch.nn.utils.rnn.pad_sequence([s.features for s in samples], batch_first=True)
    output = bundle.network(x, torch.tensor([20, 24]), auxiliary=True)
    targets, ids = [s.target for s in samples], ["a", "b"]
    top = ctc_loss(output.log_probs, output.lengths, targets, ids).sum()
    low = ctc_loss(output.auxiliary[0], output.lengths, targets, ids).sum()
    even = uniformity(output.log_probs, output.lengths).sum()
    spread = path_entropy(output.log_probs, output.lengths, targets).sum()
    config = replace(CONFIG, label_smoothing=0.1, entropy_weight=0.2, auxiliary_weight=0.5)
    expected = 0.9 * top + 0.1 * even - 0.2 * spread + 0.5 * low
    assert objective(top, output, targets, ids, config).item() == pytest.approx(expected.item(), rel=1e-6)
    assert objective(top, output, targets, ids, CONFIG).item() == pytest.approx((top + 0.3 * low).item(), rel=1e-6)


@pytest.mark.parametrize(("updates", "noisy"), [(0, False), (4, False), (5, True)])
def test_noise_belongs_to_the_gradient_and_not_to_the_weights(updates: int, noisy: bool) -> None:
    bundle, samples = bundle_of(), examples(20, 24)
    clean = {name: p.detach().clone() for name, p in bundle.network.named_parameters()}
    gradient(bundle, [samples], CONFIG, Peers())
    plain = grads(bundle)
    config = replace(CONFIG, weight_noise=0.1, weight_noise_from=5)
    torch.manual_seed(7)
    gradient(bundle, [samples], config, Peers(), updates)
    found = grads(bundle)
    assert all(torch.equal(p, clean[name]) for name, p in bundle.network.named_parameters())
    # The same noise, put on by hand.
    torch.manual_seed(7)
    with torch.no_grad():
        for parameter in bundle.network.parameters():
            if parameter.ndim > 1 and noisy:
                parameter.add_(torch.randn_like(parameter), alpha=0.1)
    gradient(bundle, [samples], CONFIG, Peers())
    for name, expected in grads(bundle).items():
        assert torch.equal(found[name], expected), name
        assert torch.equal(found[name], plain[name]) != noisy


def test_an_error_leaves_no_trace_in_the_statistics(monkeypatch: pytest.MonkeyPatch) -> None:
    bundle = random_bundle(TINY_SPEECH, " abcd", "spoken")
    network = bundle.network.train()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}

    def fail(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(gradients, "objective", fail)
    with pytest.raises(TrainingError):
        gradient(bundle, [examples(40)], replace(CONFIG, weight_noise=0.1), Peers())
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())


def test_the_phone_head_learns_from_the_rows_whose_phones_are_told() -> None:
    bundle, samples = bundle_of(phones=39), examples(20, 24, 16)
    told = [replace(samples[0], phones=(3, 39, 3)), samples[1], replace(samples[2], phones=(1, 1, 2) * 9)]
    config = replace(CONFIG, phone_weight=0.25)
    update = gradient(bundle, [told], config, Peers())
    assert update is not None
    found = grads(bundle)
    # By hand: the first row alone has phones that are known and fit into its frames.
    network = bundle.network
    network.zero_grad()
    batch = torch.nn.utils.rnn.pad_sequence([one.features for one in told], batch_first=True)
    output = network(batch, torch.tensor([20, 24, 16]), auxiliary=True)
    targets, ids = [one.target for one in told], ["a", "b", "c"]
    wanted = objective(ctc_loss(output.log_probs, output.lengths, targets, ids).sum(), output, targets, ids, config)
    phones = torch.nn.functional.ctc_loss(
        output.phones[:1].transpose(0, 1), torch.tensor([[3, 39, 3]]), output.lengths[:1], torch.tensor([3])
    )
    (wanted + 0.25 * 3 * phones).backward()  # PyTorch's mean is that of a label
    labels = sum(map(len, targets))
    for name, parameter in network.named_parameters():
        assert torch.allclose(found[name], parameter.grad / labels, rtol=1e-4, atol=1e-6), name
    assert update.loss == pytest.approx(gradient(bundle, [samples], config, Peers()).loss, rel=1e-6)
    assert not grads(bundle)["phones.weight"].any()  # nothing told, nothing learnt
