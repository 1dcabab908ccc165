import itertools

import pytest
import torch
from torch import Tensor, nn

from recog.ctc.loss import ctc_loss
from recog.errors import ConfigError
from recog.models.cells.convolutional import ConvLSTM
from recog.models.cells.hierarchy import HierarchicalCTC, Level
from recog.models.cells.picture import PictureStep
from recog.models.cells.plane import MultidimensionalLSTM, PlaneLSTM
from recog.models.cells.scan import scan, walk

sigma, tanh = torch.sigmoid, torch.tanh


def shaken(module: nn.Module, seed: int = 0) -> nn.Module:
    """In float64, every weight away from the zeros it may begin with."""
    torch.manual_seed(seed)
    for parameter in module.double().parameters():
        parameter.data += 0.3 * torch.randn_like(parameter)
    return module


def convolved(weight: Tensor, plane: Tensor) -> Tensor:
    """Sums over a kernel's window, place by place, zeros beyond the border: (O, C, r, s), (C, R, S) -> (O, R, S)."""
    _, height, width = plane.shape
    found = torch.zeros(len(weight), height, width, dtype=plane.dtype)
    rows, columns = weight.shape[2:]
    for r, s, down, right in itertools.product(range(height), range(width), range(rows), range(columns)):
        at = r + down - rows // 2, s + right - columns // 2
        if 0 <= at[0] < height and 0 <= at[1] < width:
            found[:, r, s] += weight[:, :, down, right] @ plane[:, at[0], at[1]]
    return found


@torch.no_grad()
@pytest.mark.parametrize("peepholes", [True, False])
@pytest.mark.parametrize(("size", "kernel"), [((2, 3), (3, 3)), ((4, 1), (3, 1))])
def test_the_convolutional_cell_obeys_its_equations(
    size: tuple[int, int], kernel: tuple[int, int], peepholes: bool
) -> None:
    cell = shaken(ConvLSTM(2, 3, size, kernel, peepholes))
    x, lengths = torch.randn(2, 3, 2, *size, dtype=torch.float64), torch.tensor([3, 1])
    w = cell.state_dict()
    p_i, p_f, p_o = w["peepholes"] if peepholes else torch.zeros(3, dtype=torch.float64)
    y, _ = scan(cell, x, lengths)
    back, _ = scan(cell, x, lengths, reverse=True)
    for row, length in enumerate(lengths):
        for frames, found in ((x[row, :length], y[row]), (x[row, :length].flip(0), back[row, :length].flip(0))):
            h = c = torch.zeros(3, *size, dtype=torch.float64)
            for step, frame in enumerate(frames):
                sums = convolved(w["weight_ih"], frame) + convolved(w["weight_hh"], h) + w["bias"][:, None, None]
                i, f, g, o = sums.chunk(4)
                c = sigma(f + p_f * c) * c + sigma(i + p_i * c) * tanh(g)
                h = sigma(o + p_o * c) * tanh(c)
                torch.testing.assert_close(found[step], h)
        assert not y[row, length:].any()


@pytest.mark.parametrize("peepholes", [True, False])
def test_the_convolutional_cells_fast_way_is_the_plain_way(peepholes: bool) -> None:
    cell = shaken(ConvLSTM(2, 3, (4, 2), (3, 1), peepholes))
    x, lengths = torch.randn(3, 5, 2, 4, 2, dtype=torch.float64, requires_grad=True), torch.tensor([2, 5, 1])
    begin = tuple(torch.randn_like(part).requires_grad_() for part in cell.initial(3))
    weights, results = torch.randn(3, 5, 3, 4, 2, dtype=torch.float64), []
    for way in (cell.sweep, lambda z, lengths, state: walk(cell, z, lengths, state)):
        y, state = way(cell.project(x), lengths, begin)
        loss = (y * weights).sum() + sum((part * torch.cos(part)).sum() for part in state)
        results.append([y, *state, *torch.autograd.grad(loss, [x, *begin, *cell.parameters()])])
    for fast, plain in zip(*results, strict=True):
        torch.testing.assert_close(fast, plain)


def test_gradients_of_the_convolutional_cell_are_those_of_finite_differences() -> None:
    cell = shaken(ConvLSTM(1, 2, (2, 2), (3, 1)))

    def run(x: Tensor, h: Tensor, c: Tensor, *_: Tensor) -> tuple[Tensor, ...]:
        y, state = scan(cell, x, torch.tensor([3, 2]), state=(h, c))
        return (y, *state)

    x = torch.randn(2, 3, 1, 2, 2, dtype=torch.float64, requires_grad=True)
    h, c = (torch.randn(2, 2, 2, 2, dtype=torch.float64, requires_grad=True) for _ in range(2))
    assert torch.autograd.gradcheck(run, (x, h, c, *cell.parameters()))


def test_a_plane_that_does_not_fit_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"frames of \(2, 3, 4\); expected \(2, 3, 3\)"):
        scan(ConvLSTM(2, 3, (3, 3)), torch.zeros(1, 1, 2, 3, 4), torch.tensor([1]))
    with pytest.raises(ConfigError, match=r"kernel of \(2, 3\)"):
        ConvLSTM(2, 3, (3, 3), (2, 3))


def plane_twin(w: dict[str, Tensor], x: Tensor) -> Tensor:
    """(T, R, F) -> (T, R, H), place after place."""
    steps, rows, _ = x.shape
    n = w["weight_hh"].shape[1] // 2
    u1, u2 = w["weight_hh"].split(n, dim=1)
    p1, p2, p_f1, p_f2, p_o = w["peepholes"]
    nothing = torch.zeros(n, dtype=x.dtype)
    h: dict[tuple[int, int], Tensor] = {}
    c: dict[tuple[int, int], Tensor] = {}
    for t, r in itertools.product(range(steps), range(rows)):
        h1, h2 = h.get((t - 1, r), nothing), h.get((t, r - 1), nothing)
        c1, c2 = c.get((t - 1, r), nothing), c.get((t, r - 1), nothing)
        i, f1, f2, g, o = (w["weight_ih"] @ x[t, r] + u1 @ h1 + u2 @ h2 + w["bias"]).split(n)
        i, f1, f2 = sigma(i + p1 * c1 + p2 * c2), sigma(f1 + p_f1 * c1), sigma(f2 + p_f2 * c2)
        c[t, r] = f1 * c1 + f2 * c2 + i * tanh(g)
        h[t, r] = sigma(o + p_o * c[t, r]) * tanh(c[t, r])
    return torch.stack([torch.stack([h[t, r] for r in range(rows)]) for t in range(steps)])


@torch.no_grad()
@pytest.mark.parametrize(("steps", "rows"), [(1, 1), (1, 4), (5, 1), (3, 4), (6, 2)])
def test_diagonals_give_what_place_after_place_gives(steps: int, rows: int) -> None:
    layer = shaken(PlaneLSTM(2, 3))
    x = torch.randn(2, steps, rows, 2, dtype=torch.float64)
    found = layer(x)
    for row in range(2):
        torch.testing.assert_close(found[row], plane_twin(layer.state_dict(), x[row]))


@torch.no_grad()
def test_four_directions_begin_at_four_corners_of_each_picture_alone() -> None:
    layer = shaken(MultidimensionalLSTM(2, 3))
    x, lengths = torch.randn(3, 5, 4, 2, dtype=torch.float64), torch.tensor([2, 5, 4])
    found = layer(x, lengths)
    for row, length in enumerate(lengths):
        picture = x[row, :length]
        twins = []
        for direction, flips in zip(layer.directions, ((), (0,), (1,), (0, 1)), strict=True):
            twins.append(plane_twin(direction.state_dict(), picture.flip(flips)).flip(flips))
        torch.testing.assert_close(found[row, :length], torch.cat(twins, dim=2))
        assert not found[row, length:].any()


def test_gradients_over_the_plane_are_those_of_finite_differences() -> None:
    layer = shaken(PlaneLSTM(1, 2))
    x = torch.randn(1, 3, 2, 1, dtype=torch.float64, requires_grad=True)

    def run(x: Tensor, *_: Tensor) -> Tensor:
        found: Tensor = layer(x)
        return found

    assert torch.autograd.gradcheck(run, (x, *layer.parameters()))


def test_gradients_through_a_hierarchy_are_those_of_finite_differences() -> None:
    network = shaken(HierarchicalCTC(2, (Level(symbols=2, hidden=1), Level(symbols=2, hidden=1, cell="peephole"))))
    x = torch.randn(2, 3, 2, dtype=torch.float64, requires_grad=True)

    def run(x: Tensor, *_: Tensor) -> tuple[Tensor, ...]:
        found: tuple[Tensor, ...] = network(x, torch.tensor([3, 3]))
        return found

    assert torch.autograd.gradcheck(run, (x, *network.parameters()))


@pytest.mark.parametrize("kind", ["multidimensional", "convolutional"])
def test_a_step_over_the_picture_is_that_of_its_cells_and_each_picture_its_own(kind: str) -> None:
    step = shaken(PictureStep(kind, 2, 3, 2))
    x, lengths = torch.randn(3, 2, 5, 3, dtype=torch.float64), torch.tensor([5, 2, 4])
    with torch.no_grad():
        together = step(x, lengths)
        for row, length in enumerate(lengths.tolist()):
            picture = x[row : row + 1, :, :length]
            if kind == "multidimensional":
                seen = step.plane(picture.permute(0, 2, 3, 1), torch.tensor([length]))
            else:  # frame by frame, ahead and back
                columns, ways = picture.permute(0, 2, 1, 3)[..., None], []
                for cell, order in ((step.ahead, range(length)), (step.back, reversed(range(length)))):
                    state, said = cell.initial(1), {}
                    for t in order:
                        said[t], state = cell.step(columns[:, t], state)
                    ways.append(torch.stack([said[t] for t in range(length)], dim=1)[..., 0])
                seen = torch.cat(ways, dim=2).permute(0, 1, 3, 2)
            torch.testing.assert_close(together[row, :, :length], (picture + step.spread(seen).permute(0, 3, 1, 2))[0])
            torch.testing.assert_close(together[row, :, length:], x[row, :, length:])
    # Of all four directions, or both: each has weights of its own, and the two pictures differ in length.
    small = shaken(PictureStep(kind, 1, 2, 1))
    x = torch.randn(2, 1, 3, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x, *_: small(x, torch.tensor([3, 2])), (x, *small.parameters()))


LEVELS = (Level(symbols=3, hidden=8), Level(symbols=4, hidden=8, cell="peephole"))


@torch.no_grad()
def test_an_upper_level_reads_the_probabilities_below_it_and_nothing_else() -> None:
    network = shaken(HierarchicalCTC(5, LEVELS))
    x, lengths = torch.randn(3, 6, 5, dtype=torch.float64), torch.tensor([6, 4, 1])
    letters, words = network(x, lengths)
    torch.testing.assert_close(letters.exp().sum(dim=2), torch.ones(3, 6, dtype=torch.float64))
    alone = torch.log_softmax(network.outputs[1](network.layers[1](letters.exp(), lengths)), dim=2)
    torch.testing.assert_close(words, alone)
    for row, length in enumerate(lengths):
        for together, single in zip(
            (letters, words), network(x[row : row + 1, :length], lengths[row : row + 1]), strict=True
        ):
            torch.testing.assert_close(together[row, :length], single[0])


def test_letters_below_and_words_above_are_learnt_together() -> None:
    # Words 1, 2, 3 are spelt ab, ba, bb; a letter is one frame of its own sign, and a frame of silence.
    torch.manual_seed(3)
    spelling = {1: [1, 2], 2: [2, 1], 3: [2, 2]}
    words = [[1, 2], [3, 1], [2, 3], [1, 1], [3, 3, 2], [2, 1, 3]]
    letters = [[letter for word in line for letter in spelling[word]] for line in words]
    lengths = torch.tensor([2 * len(line) for line in letters])
    x = torch.zeros(len(words), int(lengths.max()), 2)
    for row, line in enumerate(letters):
        for place, letter in enumerate(line):
            x[row, 2 * place, letter - 1] = 1.0
    network = HierarchicalCTC(2, LEVELS)
    optimiser = torch.optim.Adam(network.parameters(), lr=0.03)
    names = ["line"] * len(words)
    for _ in range(150):
        below, above = network(x, lengths)
        losses = ctc_loss(below, lengths, letters, names).mean(), ctc_loss(above, lengths, words, names).mean()
        if max(losses) < 0.1:
            break
        optimiser.zero_grad()
        sum(losses).backward()
        optimiser.step()
    assert max(losses) < 0.1
    # The loss of the words alone moves the weights of the letters' layer: errors go all the way down.
    network.zero_grad()
    ctc_loss(network(x, lengths)[1], lengths, words, names).mean().backward()
    assert all(parameter.grad.any() for parameter in network.layers[0].parameters())


def test_a_hierarchy_without_symbols_is_refused() -> None:
    with pytest.raises(ConfigError, match="a symbol beside the blank"):
        HierarchicalCTC(2, [Level(symbols=1, hidden=2)])
