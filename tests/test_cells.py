from typing import Any

import cell_oracles
import pytest
import torch
from torch import Tensor, nn

from recog.errors import ConfigError
from recog.models.cells import family
from recog.models.cells.cell import Cell, State
from recog.models.cells.scan import scan, walk

# Every member, and every option that changes an equation.
MEMBERS: dict[str, tuple[str, dict[str, Any]]] = {
    **{name: (name, {}) for name in family},
    "lstm-1997, blocks of two": ("lstm-1997", {"block": 2}),
    "lstm-1997, gates see gates": ("lstm-1997", {"block": 2, "gated": True}),
    "peephole, identity": ("peephole", {"squash": "identity"}),
    "peephole-c, identity": ("peephole-c", {"squash": "identity"}),
    "gru, reset after": ("gru", {"reset_after": True}),
    "projected": ("projected", {"cells": 6}),
    "projected, no peepholes": ("projected", {"cells": 6, "peepholes": False}),
    "time-aware, a clock": ("time-aware", {"clock": 0}),
    "time-aware, inverse": ("time-aware", {"clock": 0, "decay": "inverse"}),
    "slstm, heads, exponential": ("slstm", {"heads": 2, "forget": "exponential"}),
    "mlstm, heads": ("mlstm", {"heads": 2}),
    "mlstm, short chunks, exponential": ("mlstm", {"chunk": 3, "forget": "exponential"}),
}
OPTIONS_OF_FORM = ("chunk",)  # that change no equation
every = pytest.mark.parametrize("member", MEMBERS)
LENGTHS = torch.tensor([3, 7, 1, 7, 5])


def made(member: str, features: int = 3, hidden: int = 4) -> Cell:
    """The cell in float64, every weight away from the zeros it may begin with."""
    torch.manual_seed(sum(member.encode()))
    name, options = MEMBERS[member]
    cell = family[name](features, hidden, **options).double().eval()
    for parameter in cell.parameters():
        parameter.data += 0.4 * torch.randn_like(parameter)
    return cell


def batch(features: int = 3, rows: int = 5, steps: int = 7) -> Tensor:
    x = torch.randn(rows, steps, features, dtype=torch.float64)
    x[:, :, 0] = x[:, :, 0].abs() + 0.3  # a clock, where one is read
    return x


@torch.no_grad()
@every
def test_each_member_obeys_its_equations(member: str) -> None:
    cell, x = made(member), batch()
    name, options = MEMBERS[member]
    options = {key: value for key, value in options.items() if key not in OPTIONS_OF_FORM}
    y, _ = scan(cell, x, LENGTHS)
    back, _ = scan(cell, x, LENGTHS, reverse=True)
    for row, length in enumerate(LENGTHS):
        sequence = x[row, :length]
        twin = cell_oracles.TWINS[name]
        torch.testing.assert_close(y[row, :length], twin(cell.state_dict(), sequence, **options))
        turned = twin(cell.state_dict(), sequence.flip(0), **options).flip(0)
        torch.testing.assert_close(back[row, :length], turned)
        assert not y[row, length:].any()
        assert not back[row, length:].any()


@torch.no_grad()
@every
@pytest.mark.parametrize("reverse", [False, True])
def test_mixed_lengths_give_what_each_row_gives_alone_in_two_parts_or_one(member: str, reverse: bool) -> None:
    cell, x = made(member), batch()
    together, states = scan(cell, x, LENGTHS, reverse)
    for row, length in enumerate(LENGTHS.tolist()):
        sequence, half = x[row : row + 1, :length], length // 2
        pieces, state = [], None
        for part in (sequence[:, :half], sequence[:, half:])[:: -1 if reverse else 1]:
            if part.shape[1]:
                y, state = scan(cell, part, torch.tensor([part.shape[1]]), reverse, state)
                pieces.append(y)
        alone = torch.cat(pieces[:: -1 if reverse else 1], dim=1)[0]
        torch.testing.assert_close(together[row, :length], alone)
        for mine, kept in zip(state or (), states, strict=True):
            torch.testing.assert_close(kept[row], mine[0])


@every
def test_gradients_are_those_of_finite_differences(member: str) -> None:
    cell, x, lengths = made(member, 2, 2), batch(2, 2, 3), torch.tensor([2, 3])
    names, weights = zip(*((name, weight.detach()) for name, weight in cell.named_parameters()), strict=True)
    begin = tuple(0.3 * torch.randn_like(part) for part in cell.initial(2))

    def run(x: Tensor, *rest: Tensor) -> tuple[Tensor, ...]:
        replaced = dict(zip(names, rest[len(begin) :], strict=True))
        y, state = torch.func.functional_call(
            Scanned(cell), {f"cell.{n}": w for n, w in replaced.items()}, (x, lengths, rest[: len(begin)])
        )
        return (y, *state)

    if MEMBERS[member][0] in ("slstm", "mlstm"):  # a norm of zero or below is no state of theirs
        begin = tuple(part.detach() for part in scan(cell, batch(2, 2, 2), torch.tensor([2, 2]))[1])
    inputs = [part.requires_grad_() for part in (x, *begin, *weights)]
    assert torch.autograd.gradcheck(run, inputs)


class Scanned(nn.Module):
    def __init__(self, cell: Cell) -> None:
        super().__init__()
        self.cell = cell

    def forward(self, x: Tensor, lengths: Tensor, state: State) -> tuple[Tensor, State]:
        return scan(self.cell, x, lengths, state=state)


def told(
    cell: Any, x: torch.Tensor, begin: tuple[torch.Tensor, ...], wanted: list[torch.Tensor]
) -> list[tuple[torch.Tensor, list[torch.Tensor]]]:
    """The fast way and the plain one: outputs within the lengths, and the last state with the gradients of `wanted`."""
    weights = torch.randn(5, 7, 4, dtype=torch.float64)
    results = []
    for way in (cell.sweep, lambda z, lengths, state: walk(cell, z, lengths, state)):
        y, state = way(cell.project(x), LENGTHS, begin)
        alive = (torch.arange(7) < LENGTHS[:, None])[:, :, None]
        loss = (y * alive * weights).sum() + sum((part * torch.cos(part)).sum() for part in state)
        gradients = torch.autograd.grad(loss, wanted, allow_unused=True, materialize_grads=True)
        results.append((y * alive, [*state, *gradients]))
    return results


@every
def test_the_fast_way_is_the_plain_way(member: str) -> None:
    cell, x = made(member), batch().requires_grad_()
    begin = tuple(part.detach().requires_grad_() for part in cell.initial(len(x)))
    fast, plain = told(cell, x, begin, [x, *begin, *cell.parameters()])
    torch.testing.assert_close([fast[0], *fast[1]], [plain[0], *plain[1]])


@pytest.mark.parametrize("gated", [False, True])
def test_truncated_errors_end_in_the_fast_way_where_they_do_in_the_plain_one(gated: bool) -> None:
    torch.manual_seed(9)
    cell, x = family["lstm-1997"](3, 4, block=2, truncated=True, gated=gated).double(), batch()
    begin = tuple(torch.randn_like(part).requires_grad_() for part in cell.initial(len(x)))
    fast, plain = told(cell, x, begin, [*begin, *cell.parameters()])
    torch.testing.assert_close([fast[0], *fast[1]], [plain[0], *plain[1]])


def test_zoneout_draws_the_same_in_both_ways_and_learns_the_same() -> None:
    cell, x = made("zoneout").train(), batch()
    results = []
    for way in (cell.sweep, lambda z, lengths, state: walk(cell, z, lengths, state)):
        torch.manual_seed(8)
        y, state = way(cell.project(x), LENGTHS, cell.initial(len(x)))
        alive = (torch.arange(7) < LENGTHS[:, None])[:, :, None]
        loss = (y * alive).square().sum() + sum(part.square().sum() for part in state)
        results.append([y * alive, *state, *torch.autograd.grad(loss, list(cell.parameters()))])
    for fast, plain in zip(*results, strict=True):
        torch.testing.assert_close(fast, plain)


LIBRARY: dict[str, tuple[nn.RNNBase, dict[str, Any]]] = {
    "lstm": (nn.LSTM(5, 6, batch_first=True), {}),
    "projected": (nn.LSTM(5, 9, proj_size=6, batch_first=True), {"cells": 9, "peepholes": False}),
    "gru": (nn.GRU(5, 6, batch_first=True), {"reset_after": True}),
    "elman": (nn.RNN(5, 6, batch_first=True), {}),
}


@pytest.mark.filterwarnings("ignore:LSTM with projections is not supported with oneDNN")
@pytest.mark.parametrize("kind", LIBRARY)
def test_equal_to_the_library_in_value_and_gradient_to_1e_6(kind: str) -> None:
    # In double: two orders of the same sums differ by some 2e-6 in single precision on some processors.
    torch.manual_seed(3)
    theirs, options = LIBRARY[kind]
    theirs, mine = theirs.double(), family[kind](5, 6, **options).double()
    given = {name.removesuffix("_l0"): weight for name, weight in theirs.named_parameters()}
    names = {"weight_ih": "weight_ih", "weight_hh": "weight_hh", "weight_projection": "weight_hr", "bias": "bias_ih"}
    state = {name: given[their] for name, their in names.items() if their in given}
    # Two biases add up to one, but for the one that stands within the reset gate's bracket.
    state["bias"] = given["bias_ih"] + given["bias_hh"]
    if kind == "gru":
        state["bias"] = given["bias_ih"] + torch.cat([given["bias_hh"][:12], torch.zeros(6, dtype=torch.float64)])
        state["bias_reset"] = given["bias_hh"][12:]
    mine.load_state_dict(state)
    x, weights = torch.randn(3, 8, 5).double(), torch.randn(3, 8, 6).double()
    y, expected = scan(mine, x, torch.tensor([8, 8, 8]))[0], theirs(x)[0]
    (y * weights).sum().backward()
    theirs.zero_grad()
    (expected * weights).sum().backward()
    torch.testing.assert_close(y, expected, atol=1e-6, rtol=0)
    for name, parameter in mine.named_parameters():
        gradient = given["bias_hh"].grad[12:] if name == "bias_reset" else given[names[name]].grad
        torch.testing.assert_close(parameter.grad, gradient, atol=1e-6, rtol=1e-6)


def test_truncated_errors_are_those_of_the_recursion_in_the_paper() -> None:
    # 1997, appendix A.1: d c(t) / d w = d c(t-1) / d w + direct terms only; d h(t) / d w through o and c(t), no further.
    torch.manual_seed(5)
    cell = family["lstm-1997"](2, 3, truncated=True).double()
    x, target = torch.randn(1, 6, 2, dtype=torch.float64), torch.randn(6, 3, dtype=torch.float64)
    h, c = torch.zeros(3, dtype=torch.float64), torch.zeros(3, dtype=torch.float64)
    weights = cell.weight_hh.detach()
    memory = torch.zeros(3, *weights.shape, dtype=torch.float64)  # d c_j / d w
    expected = torch.zeros_like(weights)
    for step, wanted in zip(x[0], target, strict=True):
        net = cell.weight_ih.detach() @ step + weights @ h + cell.bias.detach()
        i, o, s = torch.sigmoid(net).chunk(3)
        g, before = 4 * s - 2, h
        output = torch.zeros_like(memory)  # d h_j / d w
        c = c + i * g
        k = 2 * torch.sigmoid(c) - 1
        for j in range(3):
            memory[j, j] += i[j] * (1 - i[j]) * g[j] * before
            memory[j, 6 + j] += i[j] * 4 * s[j] * (1 - s[j]) * before
            slope = 2 * torch.sigmoid(c[j]) * (1 - torch.sigmoid(c[j]))
            output[j] = o[j] * slope * memory[j]
            output[j, 3 + j] += o[j] * (1 - o[j]) * k[j] * before
        h = o * k
        expected += torch.einsum("j,jkl->kl", h - wanted, output)
    y, _ = scan(cell, x, torch.tensor([6]))
    (found,) = torch.autograd.grad(((y[0] - target) ** 2).sum() / 2, [cell.weight_hh])
    torch.testing.assert_close(found, expected)


def test_zoneout_keeps_units_as_often_as_told_and_whole() -> None:
    torch.manual_seed(6)
    cell = family["zoneout"](2, 500, zoneout_c=0.3, zoneout_h=0.1)
    plain = family["lstm"](2, 500)
    plain.load_state_dict(cell.state_dict())
    x, state = torch.randn(20, 2), (torch.randn(20, 500), torch.randn(20, 500))
    with torch.no_grad():
        _, held = cell.train().step(x, state)
        _, new = plain.step(x, state)
    for old, fresh, found, share in zip(state, new, held, (0.1, 0.3), strict=True):
        kept = found == old
        torch.testing.assert_close(found, torch.where(kept, old, fresh))
        # 10 000 draws: four standard deviations.
        assert abs(kept.double().mean() - share) < 4 * (share * (1 - share) / 10000) ** 0.5


@pytest.mark.parametrize("name", ["slstm", "mlstm"])
def test_exponential_gates_stay_finite_where_exponentials_do_not(name: str) -> None:
    # Input gates of exp(200) and exp(-200) in float32, alternating: the twin without a stabiliser would overflow.
    cell = family[name](1, 4)
    with torch.no_grad():
        for parameter in cell.parameters():
            parameter.normal_(0, 0.3)
        gates = cell.weight_ih[:4] if name == "slstm" else cell.weight_gates[:1]
        gates.fill_(200.0)
    x = torch.tensor([1.0, -1.0] * 8).view(1, 16, 1).requires_grad_()
    lengths = torch.tensor([16])
    y, _ = scan(cell, x, lengths)
    y.sum().backward()
    assert y.isfinite().all()
    assert all(parameter.grad.isfinite().all() for parameter in cell.parameters())
    # Values are as in double precision, where exp(200) is a number.
    cell.double()
    twin = cell_oracles.TWINS[name]({n: w.double() for n, w in cell.state_dict().items()}, x[0].detach().double())
    torch.testing.assert_close(y[0].double(), twin, atol=2e-5, rtol=1e-4)


def test_under_autocast_the_memory_stays_in_full_precision() -> None:
    torch.manual_seed(7)
    for name in family:
        cell = family[name](3, 4).eval()
        x = torch.randn(2, 5, 3)
        plain, _ = scan(cell, x, torch.tensor([5, 3]))
        with torch.autocast("cpu", dtype=torch.bfloat16):
            found, _ = scan(cell, x, torch.tensor([5, 3]))
        assert torch.equal(found, plain)


@pytest.mark.parametrize(
    ("name", "options", "sentence"),
    [
        ("lstm-1997", {"block": 3}, "blocks of 3 cells do not divide 4"),
        ("peephole", {"squash": "relu"}, "squash is 'relu'"),
        ("peephole-c", {"squash": "relu"}, "squash is 'relu'"),
        ("zoneout", {"zoneout_c": 1.0}, "zoneout_c is 1.0"),
        ("time-aware", {"clock": 3}, "clock is feature 3 of 3"),
        ("time-aware", {"decay": "linear"}, "decay is 'linear'"),
        ("slstm", {"heads": 3}, "3 heads do not divide 4"),
        ("mlstm", {"forget": "none"}, "forget is 'none'"),
        ("mlstm", {"chunk": 0}, "chunk of 0 steps"),
    ],
)
def test_options_that_make_no_cell_are_refused(name: str, options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        family[name](3, 4, **options)
