"""The layer as it is trained: against packing in value and gradient, its passes over gates against autograd, its memory."""

import gc
import threading

import numpy as np
import pytest
import torch
from test_models import packed as packed_by_torch
from torch import Tensor

from recog.compile import HAVE_NUMBA
from recog.models import gates, packed
from recog.models.beside import side_by_side
from recog.models.buffers import Buffers
from recog.models.layers import BidirectionalLSTM, length_mask
from recog.models.route import Route

compiled = pytest.mark.skipif(not HAVE_NUMBA, reason="numba is not installed: the fused kernel is used")


def gradients(
    layer: BidirectionalLSTM, x: Tensor, lengths: Tensor, weight: Tensor
) -> tuple[Tensor, list[Tensor], Tensor, list[Tensor]]:
    """Ours and packing's: what the layer says, and the gradients of its input and of all its weights."""
    time = int(lengths.max())
    found = (layer(x, lengths) * length_mask(lengths, x.shape[1])[:, :, None])[:, :time]
    twin, expected = packed_by_torch(layer, x, lengths)
    mine = torch.autograd.grad((found * weight).sum(), [x, *layer.parameters()])
    names = [name for name, _ in layer.ahead.named_parameters()]
    theirs = torch.autograd.grad(
        (expected * weight).sum(),
        [x, *(getattr(twin, name + end) for end in ("", "_reverse") for name in names)],
    )
    return found, list(mine), expected, list(theirs)


@compiled
@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("lengths", [[20, 90, 150, 1, 60, 150], [7], [5, 5, 5], [1, 1, 3], list(range(1, 40))], ids=str)
def test_the_result_is_that_of_packing_in_value_and_gradient(lengths: list[int], threads: int) -> None:
    torch.manual_seed(len(lengths))
    layer, told = BidirectionalLSTM(3, 4), torch.tensor(lengths)
    x = torch.randn(len(lengths), max(lengths) + 3, 3, requires_grad=True)  # three steps that nobody reads
    weight = torch.randn(len(lengths), max(lengths), 8)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        found, mine, expected, theirs = gradients(layer, x, told, weight)
        assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
    assert packed.able(x)
    assert (found - expected).abs().max() < 1e-6
    for one, other in zip(mine, theirs, strict=True):
        assert (one - other).abs().max() < 2e-6 * max(1.0, float(other.abs().max()))


@compiled
def test_in_bf16_it_stays_as_near_to_float32_as_the_fused_kernel() -> None:
    torch.manual_seed(5)
    layer, lengths = BidirectionalLSTM(16, 24), torch.randint(20, 60, (9,))
    x = torch.randn(9, 60, 16)
    weight = torch.randn(9, 60, 48) * length_mask(lengths, 60)[:, :, None]

    def errors() -> list[float]:
        exact = torch.autograd.grad((layer(x, lengths) * weight).sum(), list(layer.parameters()))
        with torch.autocast("cpu", torch.bfloat16):
            said = layer(x, lengths)
        assert said.dtype == torch.bfloat16
        found = torch.autograd.grad((said.float() * weight).sum(), list(layer.parameters()))
        return [float((one - other).norm() / other.norm()) for one, other in zip(found, exact, strict=True)]

    ours = errors()
    assert max(ours) < 0.02  # bf16 has eight bits: 0.004 a rounding
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(packed, "able", lambda x: False)
        fused = errors()
    assert sum(ours) < 1.5 * sum(fused)


@compiled
def test_what_is_frozen_learns_nothing_and_hands_errors_on() -> None:
    torch.manual_seed(6)
    layer, lengths = BidirectionalLSTM(3, 4), torch.tensor([9, 4, 6])
    x = torch.randn(3, 9, 3, requires_grad=True)
    mask = length_mask(lengths, 9)[:, :, None]
    (layer(x, lengths) * mask).sum().backward()
    assert x.grad is not None
    alone = x.grad.clone()
    layer.zero_grad()
    layer.requires_grad_(False)
    x.grad = None
    (layer(x, lengths) * mask).sum().backward()
    again: Tensor | None = x.grad
    assert again is not None and torch.equal(again, alone)
    assert all(parameter.grad is None for parameter in layer.parameters())
    layer.back.requires_grad_(True)
    (layer(x.detach(), lengths) * mask).sum().backward()
    assert all(parameter.grad is None for parameter in layer.ahead.parameters())
    assert all(parameter.grad is not None for parameter in layer.back.parameters())


@compiled
def test_a_step_is_the_same_each_time_and_leaves_nothing_behind() -> None:
    torch.manual_seed(7)
    layer, lengths = BidirectionalLSTM(8, 16), torch.randint(5, 40, (6,))
    x = torch.randn(6, 40, 8)

    def step() -> list[Tensor]:
        mask = length_mask(lengths, 40)[:, :, None]
        return list(torch.autograd.grad((layer(x, lengths).square() * mask).sum(), list(layer.parameters())))

    packed.buffers.clear()
    first = step()
    gc.collect()
    lying = packed.buffers.free_bytes
    assert lying > 0
    for _ in range(3):
        assert all(torch.equal(one, other) for one, other in zip(step(), first, strict=True))
    gc.collect()
    assert packed.buffers.free_bytes == lying
    packed.buffers.clear()
    assert packed.buffers.free_bytes == 0


def test_without_compiled_passes_or_in_double_precision_the_fused_kernel_learns_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    torch.manual_seed(8)
    layer, lengths = BidirectionalLSTM(3, 4), torch.tensor([9, 4, 6])
    x, weight = torch.randn(3, 9, 3, requires_grad=True), torch.randn(3, 9, 8)
    monkeypatch.setattr(packed, "HAVE_NUMBA", False)
    assert not packed.able(x)
    found, mine, expected, theirs = gradients(layer, x, lengths, weight)
    assert (found - expected).abs().max() < 1e-6
    assert all((one - other).abs().max() < 1e-5 for one, other in zip(mine, theirs, strict=True))
    monkeypatch.undo()
    assert not packed.able(x.double())


def test_packing_by_hand() -> None:
    # Two rows of three frames, 1 and 3 long: frame 0 | frames 3, 4, 5; the longer one first.
    found = packed.packing_of(torch.tensor([1, 3]), 3)
    assert (found.sizes, found.starts) == ([2, 1, 1], [0, 2, 3])
    assert found.routes[0].there.tolist() == [3, 0, 4, 5]
    assert found.routes[1].there.tolist() == [5, 0, 4, 3]
    assert found.before.tolist() == [0, 2]  # of places 2 and 3


def test_a_route_there_and_home() -> None:
    route = Route.of(torch.tensor([4, 0, 2]), 5)
    matrix = torch.arange(10.0).reshape(5, 2)
    home = route.home(matrix.index_select(0, route.there))
    assert torch.equal(home, matrix * torch.tensor([1.0, 0, 1, 0, 1])[:, None])
    all_of_them = Route.of(torch.tensor([1, 0]), 2)
    assert torch.equal(all_of_them.home(matrix[[1, 0]]), matrix[:2])


def test_twice_tanh_is_tanh_of_twice_as_much() -> None:
    points = np.concatenate([np.linspace(-12, 12, 4001), [-1e30, 1e30]]).astype(np.float32)
    found = np.array([gates.twice_tanh(point) for point in points])
    assert np.abs(found - np.tanh(2 * points.astype(np.float64))).max() < 2e-7
    assert np.isnan(gates.twice_tanh(np.float32("nan")))  # a step gone wrong must be seen, not squashed


def test_narrowing_is_torchs_rounding() -> None:
    torch.manual_seed(9)
    values = torch.cat(
        [torch.randn(1000), torch.tensor([0.0, -0.0, 1e-40, 1e38, 1.00390625, 1.01171875, float("inf")])]
    )
    floats, found = values.numpy().copy(), np.empty(len(values), dtype=np.uint16)
    gates.narrow(floats, floats.view(np.uint32), found)
    assert torch.equal(torch.from_numpy(found).view(torch.bfloat16), values.bfloat16())
    back = np.empty_like(floats)
    gates.widen(found, back, back.view(np.uint32))
    assert torch.equal(torch.from_numpy(back), values.bfloat16().float())


def test_two_computations_run_at_the_same_time_and_errors_of_either_come_out() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    meeting = threading.Barrier(2, timeout=30)
    try:
        assert side_by_side(lambda: meeting.wait() >= 0, lambda: meeting.wait() >= 0) == (True, True)
        assert side_by_side(torch.is_grad_enabled, torch.is_grad_enabled) == (False, False)
        assert side_by_side(torch.get_num_threads, torch.get_num_threads) == (1, 1)
        for pair in ((lambda: 1 // 0, lambda: 2), (lambda: 2, lambda: 1 // 0)):
            with pytest.raises(ZeroDivisionError):
                side_by_side(*pair)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_buffers_never_hold_more_than_was_lent_at_once() -> None:
    buffers = Buffers()
    loan = buffers.lend()
    first, second = loan.empty(10, 4), loan.empty(6, dtype=torch.bfloat16)
    assert first.shape == (10, 4) and first.dtype == torch.float32 and second.dtype == torch.bfloat16
    address = first.data_ptr()
    del loan
    assert buffers.free_bytes == 160 + 12
    again = buffers.lend()
    assert again.empty(34).data_ptr() == address  # 136 of 160 bytes
    assert again.empty(31).data_ptr() != address
    # 160 + 124 bytes are lent, more than ever: nothing lies ready beside them.
    assert buffers.free_bytes == 0
    del again
    assert buffers.free_bytes == 284
    third = buffers.lend()
    third.empty(2)  # too little for either block
    assert buffers.free_bytes == 124  # 8 are lent: the older of the two had to go


def test_a_loan_that_ends_while_a_block_is_taken_waits_for_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    buffers = Buffers()
    loans = [buffers.lend()]
    loans[0].empty(5)
    make = torch.empty

    def interrupted(*arguments: int, **more: torch.dtype) -> Tensor:
        loans.clear()  # as the collector of garbage may, in this very place
        return make(*arguments, **more)

    monkeypatch.setattr(torch, "empty", interrupted)
    done = threading.Thread(target=lambda: buffers.take(1000), daemon=True)
    done.start()
    done.join(10)
    assert not done.is_alive() and buffers.free_bytes == 20
