"""Presets: their networks can be built, and what their comments say of them is counted."""

import re
from pathlib import Path

import pytest
import torch

from pipelines import training
from recog.models.network import Network
from recog.text import rule

FOLDER = Path(__file__).resolve().parents[1] / "scripts" / "presets"
STATED = re.compile(r"(\d+\.\d+) M parameters with (\d+) symbols")
PRESETS = sorted(FOLDER.glob("*.toml"))
PUBLISHED = [path for path in PRESETS if not path.stem.startswith(("toy-", "speech-base", "handwriting-base"))]


@pytest.mark.parametrize("path", PRESETS, ids=lambda path: path.stem)
def test_each_preset_builds_its_network(path: Path) -> None:
    settings = training.settings(path)
    rule(settings.text_rule)
    with torch.device("meta"):
        network = Network(settings.network, settings.frontend.features, 30)
    # Shortened by the strides and by nothing else.
    shortened = 400
    for stride in settings.network.strides_time:
        shortened = -(-shortened // stride)
    assert network.map_lengths(torch.tensor([400, 399])).tolist()[0] == shortened


def test_a_network_without_convolutions_reads_frame_by_frame() -> None:
    settings = training.settings(FOLDER / "graves-2013.toml")
    network = Network(settings.network, settings.frontend.features, 62).eval()
    output = network(torch.randn(2, 7, 123), torch.tensor([7, 4]))
    assert output.log_probs.shape == (2, 7, 62) and output.lengths.tolist() == [7, 4]


@pytest.mark.parametrize("path", PUBLISHED, ids=lambda path: path.stem)
def test_parameters_are_as_many_as_the_preset_says(path: Path) -> None:
    written = path.read_text(encoding="utf-8")
    match = STATED.search(" ".join(line.lstrip("# ") for line in written.split("\n")))
    assert match is not None
    settings = training.settings(path)
    with torch.device("meta"):
        network = Network(settings.network, settings.frontend.features, int(match[2]))
    assert f"{sum(parameter.numel() for parameter in network.parameters()) / 1e6:.1f}" == match[1]


def test_graves_2013_is_as_wide_as_published() -> None:
    settings = training.settings(FOLDER / "graves-2013.toml")
    assert settings.frontend.features == 123  # (40 bands + energy) x (1 + 2 differences)
    assert (settings.network.layers, settings.network.hidden) == (5, 250)
    assert (settings.fit.weight_noise, settings.text_rule) == (0.075, "phones-61")
    assert len(rule("phones-61")(" ".join(phones()))) == 61


def phones() -> list[str]:
    from recog.phones import LETTERS

    return [name for name in LETTERS if name not in ("cl", "vcl", "sil")]
