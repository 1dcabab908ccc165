"""Bundles of several runs become one: weighted means by hand, refusals, the command."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from conftest import TINY_NETWORK, TINY_SPEECH, random_bundle

from pipelines.averaging import average, parse
from pipelines.cli import main
from recog import checkpoint
from recog.errors import ConfigError
from recog.models.network import Network


def saved(folder: Path, seed: int) -> str:
    checkpoint.save(
        replace(random_bundle(TINY_SPEECH, " abcd", "spoken", seed=seed), provenance={"seed": seed}), folder
    )
    return str(folder)


def test_weights_stand_behind_the_name() -> None:
    assert parse("runs/a/best") == ("runs/a/best", 1.0)
    assert parse("runs/a=b/best=0.25") == ("runs/a=b/best", 0.25)
    for wrong in ("a=0", "a=-1", "a=nan", "a=much", "a=inf"):
        with pytest.raises(ConfigError, match="expected a number above 0"):
            parse(wrong)


def test_the_network_is_the_weighted_mean_and_all_else_the_first(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = [saved(tmp_path / name, seed) for seed, name in enumerate("ab")]
    one = checkpoint.load(names[1])
    other = Network(replace(TINY_NETWORK, dropout=0.4), TINY_SPEECH.features, 6).eval()
    other.load_state_dict(one.network.state_dict())
    checkpoint.save(replace(one, network=other), names[1])  # how it was trained makes no difference
    assert main(["average", str(tmp_path / "c"), f"{names[0]}=1", f"{names[1]}=3"]) == 0
    assert "the mean of 2 networks" in capsys.readouterr().out
    first, second, found = (checkpoint.load(tmp_path / name) for name in "abc")
    for name, tensor in found.network.state_dict().items():
        one, other = first.network.state_dict()[name], second.network.state_dict()[name]
        if tensor.is_floating_point():
            assert torch.allclose(tensor, 0.25 * one + 0.75 * other, rtol=2e-3, atol=1e-4), name  # float16 on disk
    assert found.provenance == {"average_of": [{"weight": 0.25, "seed": 0}, {"weight": 0.75, "seed": 1}]}
    assert (found.name, found.alphabet, found.frontend) == (first.name, first.alphabet, first.frontend)


def test_a_network_that_another_grew_from_grows_before_the_mean(tmp_path: Path) -> None:
    names = [saved(tmp_path / name, seed) for seed, name in enumerate("ab")]
    one = checkpoint.load(names[1])
    grown = one.network.grown(replace(TINY_NETWORK, residuals=(1,) * len(TINY_NETWORK.channels)))
    grown.convolutions[0].residuals[0].normalise_second.weight.data.fill_(0.5)
    checkpoint.save(replace(one, network=grown), names[1])
    average(tmp_path / "c", names, [1.0, 3.0])
    found = checkpoint.load(tmp_path / "c").network.convolutions[0].residuals[0].normalise_second.weight
    assert found.tolist() == pytest.approx([0.375] * len(found))  # a quarter of nothing, three quarters of 0.5


def test_one_bundle_in_8_bits_is_half_as_large_and_says_the_same(tmp_path: Path) -> None:
    name = saved(tmp_path / "a", 0)
    (tmp_path / "a" / "card.md").write_text("# what it can\n", encoding="utf-8")
    assert main(["average", str(tmp_path / "small"), name, "--bits", "8"]) == 0
    assert (tmp_path / "small" / "card.md").read_text(encoding="utf-8") == "# what it can\n"
    sizes = [(folder / "network.safetensors").stat().st_size for folder in (tmp_path / "a", tmp_path / "small")]
    assert sizes[1] < 0.75 * sizes[0]  # names and what has one dimension weigh more in a network so small
    large, small = checkpoint.load(name), checkpoint.load(tmp_path / "small")
    x, lengths = torch.randn(1, 50, TINY_SPEECH.features), torch.tensor([50])
    assert torch.allclose(large.network(x, lengths).log_probs, small.network(x, lengths).log_probs, atol=0.1)
    assert not torch.equal(large.network.output.weight, small.network.output.weight)
    assert small.provenance == {"seed": 0}
    with pytest.raises(ConfigError, match="8 or 16 bits, not 4"):
        checkpoint.save(large, tmp_path / "tiny", bits=4)


def test_what_cannot_be_averaged_is_refused(tmp_path: Path) -> None:
    name = saved(tmp_path / "a", 0)
    with pytest.raises(ConfigError, match="two or more"):
        average(tmp_path / "c", [name], [1.0])
    others = {
        "alphabets": random_bundle(TINY_SPEECH, " abce", "spoken"),
        "text rules": random_bundle(TINY_SPEECH, " abcd", "strict"),
        "frontends": random_bundle(replace(TINY_SPEECH, low_hz=100.0), " abcd", "spoken"),
    }
    wider = Network(replace(TINY_NETWORK, hidden=40), TINY_SPEECH.features, 6).eval()
    others["networks"] = replace(random_bundle(TINY_SPEECH, " abcd", "spoken"), network=wider)
    for what, bundle in others.items():
        checkpoint.save(bundle, tmp_path / "b")
        told = "cannot grow into the other .hidden 32 -> 40." if what == "networks" else f"the {what} of .* differ"
        with pytest.raises(ConfigError, match=told):
            average(tmp_path / "c", [name, str(tmp_path / "b")], [1.0, 1.0])
    assert not (tmp_path / "c").exists()
