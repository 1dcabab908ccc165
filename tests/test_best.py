"""The k best bundles and their average."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from conftest import TINY_SPEECH, random_bundle

from recog import checkpoint
from recog.training import best
from recog.training.state import Ranked


def test_the_best_are_kept_the_earlier_of_equals_first() -> None:
    kept: list[Ranked] = []
    for epoch, cer in enumerate((0.5, 0.3, 0.4, 0.3, 0.6)):
        kept = best.ranking(kept, Ranked(epoch, cer), 3)
    assert kept == [Ranked(1, 0.3), Ranked(3, 0.3), Ranked(2, 0.4)]
    # An epoch that is judged again, after a crash between its two writes, takes its own place.
    assert best.ranking(kept, Ranked(3, 0.3), 3) == kept


def test_the_average_is_the_mean_of_weights_and_statistics(tmp_path: Path) -> None:
    bundles = [random_bundle(TINY_SPEECH, " abcd", "spoken", seed=seed) for seed in range(3)]
    kept = [Ranked(epoch, 0.1) for epoch in (4, 2, 7)]
    for ranked, bundle in zip(kept, bundles, strict=True):
        bundle.network.convolutions[0].normalise.running_mean.fill_(float(ranked.epoch))
        provenance = {"epochs": ranked.epoch + 1, "dev": {"cer": 0.1}}
        checkpoint.save(replace(bundle, provenance=provenance), best.place(tmp_path, ranked.epoch))
    averaged = best.average(tmp_path, kept)
    assert averaged.provenance == {"epochs": 5, "average_of_epochs": [2, 4, 7]}
    assert checkpoint.load(tmp_path / "average").provenance == averaged.provenance
    for name, found in averaged.network.state_dict().items():
        if found.is_floating_point():
            expected = sum(bundle.network.state_dict()[name] for bundle in bundles) / 3
            assert torch.allclose(found, expected, rtol=2e-3, atol=1e-4), name  # float16 on disk
    statistics = averaged.network.convolutions[0].normalise.running_mean
    assert statistics.tolist() == pytest.approx([(4 + 2 + 7) / 3] * len(statistics), rel=1e-3)


def test_only_what_is_kept_stays(tmp_path: Path) -> None:
    bundle = random_bundle(TINY_SPEECH, " abcd", "spoken")
    for epoch in (0, 1, 2):
        best.write(bundle, tmp_path, epoch, [Ranked(epoch, 0.1)], is_best=epoch == 1)
    best.write(bundle, tmp_path, 3, [], is_best=False)  # neither kept nor best
    for left in (".best.x1", ".average.x2", "kept/.epoch-0002.x3", ".best.old", ".mine.x4"):
        (tmp_path / left).mkdir()
    best.tidy(tmp_path, [Ranked(2, 0.1), Ranked(1, 0.2)])
    assert sorted(str(path.relative_to(tmp_path)) for path in (*tmp_path.glob("*"), *tmp_path.glob("kept/*"))) == [
        ".best.old",
        ".mine.x4",
        "best",
        "kept",
        "kept/epoch-0001",
        "kept/epoch-0002",
    ]
