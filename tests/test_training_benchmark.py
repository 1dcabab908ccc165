"""The benchmark of a training step: the variants agree, and what it writes says in which arithmetic each was timed."""

import json
from pathlib import Path

import pytest
import torch

from recog.training.precision import Choice
from scripts import benchmark_training as benchmark

TINY = ["--layers", "1", "--hidden", "8", "--features", "4", "--batch", "3", "--frames", "12", "--rounds", "1"]


@pytest.mark.parametrize("found", ["bf16", "fp32"])
def test_ours_is_timed_in_the_arithmetic_a_training_takes(
    found: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(benchmark, "choose", lambda wanted, device: Choice(found, f"measured for {wanted}"))
    timed, loss = set(), benchmark.Trial.loss

    def noted(self: benchmark.Trial, precision: str) -> torch.Tensor:
        timed.add((self.network.variant, torch.is_grad_enabled(), precision))
        return loss(self, precision)

    monkeypatch.setattr(benchmark.Trial, "loss", noted)
    assert benchmark.main([*TINY, "--device", "cpu", "--json", str(tmp_path / "rows.json")]) == 0
    rows = json.loads((tmp_path / "rows.json").read_text())
    told = {"recog": found, "packed": "fp32", "padded": "bf16"}
    assert {(row["variant"], row["lengths"]) for row in rows} == {(v, k) for v in told for k in ("mixed", "equal")}
    assert all(row["precision"] == told[row["variant"]] and row["device"] == "cpu" for row in rows)
    assert all(row["step_seconds"] > 0 for row in rows)
    assert {(variant, precision) for variant, learns, precision in timed if learns} == set(told.items())
    assert f"recog computes in {found} (measured for auto)" in capsys.readouterr().out


def test_a_loss_that_is_not_that_of_packing_ends_the_benchmark(monkeypatch: pytest.MonkeyPatch) -> None:
    loss = benchmark.Trial.loss
    factor = {"recog": 1.001, "packed": 1.0, "padded": 1.0}
    monkeypatch.setattr(benchmark.Trial, "loss", lambda self, how: loss(self, how) * factor[self.network.variant])
    with pytest.raises(SystemExit, match="is not that of packing"):
        benchmark.main([*TINY, "--device", "cpu"])
