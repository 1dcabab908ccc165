import io
from collections.abc import Callable
from functools import partial

import pytest
import torch

from recog.models.cells import family
from recog.models.cells.cell import Cell
from recog.models.cells.convolutional import ConvLSTM
from recog.models.cells.export import flatten, script
from recog.models.cells.plane import MultidimensionalLSTM
from recog.models.cells.scan import scan

MADE: dict[str, Callable[[], Cell]] = {
    **{name: partial(cell, 3, 4) for name, cell in family.items()},
    "gates see gates": partial(family["lstm-1997"], 3, 4, gated=True),
    "convolutional": partial(ConvLSTM, 3, 2, (4, 2), (3, 1)),
}


@torch.no_grad()
@pytest.mark.parametrize("name", MADE)
def test_a_scripted_cell_reads_any_batch_as_the_scan_does(name: str) -> None:
    torch.manual_seed(1)
    cell = MADE[name]().eval()
    for parameter in cell.parameters():
        parameter += 0.3 * torch.randn_like(parameter)
    file = io.BytesIO()
    torch.jit.save(script(cell), file)
    file.seek(0)
    loaded = torch.jit.load(file)
    for rows, steps in ((1, 1), (5, 6)):
        x, lengths = torch.randn(rows, steps, *cell.frame), torch.randint(1, steps + 1, (rows,))
        y, state = loaded(x, lengths, loaded.begin.expand(rows, -1))
        expected, last = scan(cell, x, lengths)
        torch.testing.assert_close(y, expected)
        torch.testing.assert_close(state, flatten(last))


@torch.no_grad()
def test_a_plane_in_four_directions_is_scripted_as_it_is() -> None:
    torch.manual_seed(2)
    layer = MultidimensionalLSTM(2, 3)
    file = io.BytesIO()
    torch.jit.save(torch.jit.script(layer), file)
    file.seek(0)
    loaded = torch.jit.load(file)
    for steps, rows in ((1, 1), (5, 4)):
        x, lengths = torch.randn(2, steps, rows, 2), torch.tensor([steps, 1])
        torch.testing.assert_close(loaded(x, lengths), layer(x, lengths))
