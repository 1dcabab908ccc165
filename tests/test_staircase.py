"""Mixed lengths without padding: the cuts against all ways to cut, the result against packing."""

import itertools

import pytest
import torch
from test_models import packed

from recog.models.layers import BidirectionalLSTM, length_mask
from recog.models.staircase import STEP_COST, STRETCH_COST, stretches


def cost(cuts: list[tuple[int, int, int]]) -> float:
    return sum((end - start) * (rows + STEP_COST) + STRETCH_COST for start, end, rows in cuts)


@pytest.mark.parametrize("seed", range(5))
def test_the_cuts_are_the_cheapest_of_all(seed: int) -> None:
    lengths = torch.randint(1, 200, (7,), generator=torch.Generator().manual_seed(seed))
    ends = sorted(set(lengths.tolist()))
    ways = []
    for count in range(len(ends)):
        for inner in itertools.combinations(ends[:-1], count):
            borders = [0, *inner, ends[-1]]
            ways.append([(a, b, int((lengths > a).sum())) for a, b in itertools.pairwise(borders)])
    assert cost(stretches(lengths)) == min(map(cost, ways))


def test_equal_lengths_are_one_stretch_and_short_ones_are_not_worth_a_cut() -> None:
    assert stretches(torch.tensor([50, 50, 50])) == [(0, 50, 3)]
    assert stretches(torch.tensor([9, 8])) == [(0, 9, 2)]
    # 90 steps of one row instead of two cost 90 (1 + 6) + 40 = 670, not 90 (2 + 6) = 720.
    assert stretches(torch.tensor([10, 100])) == [(0, 10, 2), (10, 100, 1)]


def test_many_lengths_stay_few_stretches_that_reach_everyone() -> None:
    lengths = torch.arange(1, 301)
    cuts = stretches(lengths)
    assert len(cuts) <= 12
    assert cuts[0][0] == 0 and cuts[-1][1] == 300
    assert all(one[1] == other[0] and one[2] > other[2] for one, other in itertools.pairwise(cuts))
    assert all(rows == int((lengths > start).sum()) for start, _, rows in cuts)


def test_the_result_is_that_of_packing_in_value_and_gradient() -> None:
    torch.manual_seed(0)
    layer = BidirectionalLSTM(3, 4)
    lengths = torch.tensor([20, 90, 150, 1, 60, 150])
    x = torch.randn(6, 153, 3, requires_grad=True)  # three steps that nobody reads
    assert len(stretches(lengths)) > 2
    found = (layer(x, lengths) * length_mask(lengths, 153)[:, :, None])[:, :150]
    twin, expected = packed(layer, x, lengths)
    assert (found - expected).abs().max() < 1e-6
    weight = torch.randn(6, 150, 8)
    mine = torch.autograd.grad((found * weight).sum(), [x, *layer.parameters()])
    names = [name for name, _ in layer.ahead.named_parameters()]
    theirs = torch.autograd.grad(
        (expected * weight).sum(),
        [x, *(getattr(twin, name + end) for end in ("", "_reverse") for name in names)],
    )
    for one, other in zip(mine, theirs, strict=True):
        assert (one - other).abs().max() < 1e-4
