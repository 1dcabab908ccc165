"""Weights in 8 bits against the arithmetic of their steps."""

import pytest
import torch

from recog.compact import packed, unpacked


def test_a_row_in_steps_by_hand() -> None:
    # The largest of the first row is 2.54 = 127 steps of 0.02.
    weights = {"a": torch.tensor([[2.54, -0.03, 0.011], [0.0, 0.0, 0.0]]), "bias": torch.tensor([0.5, -3.0])}
    found = packed(weights)
    assert found["a"].tolist() == [[127, -2, 1], [0, 0, 0]] or found["a"].tolist() == [[127, -1, 1], [0, 0, 0]]
    assert found["a.step"].tolist() == pytest.approx([0.02, 0.0], rel=1e-3)
    assert found["a"].dtype == torch.int8 and found["bias"].dtype == torch.float16
    again = unpacked(found)
    assert again.keys() == weights.keys()
    assert again["bias"].tolist() == [0.5, -3.0]


@pytest.mark.parametrize("size", [1e-9, 1e-3, 1.0, 300.0])
def test_no_weight_is_off_by_more_than_half_a_step(size: float) -> None:
    torch.manual_seed(0)
    weights = {"a": size * torch.randn(50, 40), "b": torch.randn(3)}
    again = unpacked(packed(weights))
    step = weights["a"].abs().amax(dim=1, keepdim=True) / 127
    # float16 rounds the step itself by 1 in 2048, 127 times over; below its smallest number all is zero.
    assert ((again["a"] - weights["a"]).abs() <= 0.57 * step + 1e-7).all()


def test_files_in_float16_are_read_too_and_steps_are_missed() -> None:
    weights = {"a": torch.randn(4, 4).half(), "b": torch.randn(3).half()}
    assert all(torch.equal(unpacked(weights)[name], weights[name].float()) for name in weights)
    broken = packed({"a": torch.randn(4, 4)})
    del broken["a.step"]
    with pytest.raises(LookupError):
        unpacked(broken)
