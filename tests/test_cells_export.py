import io

import pytest
import torch

from recog.models.cells import family
from recog.models.cells.export import flatten, script
from recog.models.cells.scan import scan


@torch.no_grad()
@pytest.mark.parametrize("name", family)
def test_a_scripted_cell_reads_any_batch_as_the_scan_does(name: str) -> None:
    torch.manual_seed(1)
    cell = family[name](3, 4).eval()
    for parameter in cell.parameters():
        parameter += 0.3 * torch.randn_like(parameter)
    file = io.BytesIO()
    torch.jit.save(script(cell), file)
    file.seek(0)
    loaded = torch.jit.load(file)
    for rows, steps in ((1, 1), (5, 6)):
        x, lengths = torch.randn(rows, steps, 3), torch.randint(1, steps + 1, (rows,))
        y, state = loaded(x, lengths, loaded.begin.expand(rows, -1))
        expected, last = scan(cell, x, lengths)
        torch.testing.assert_close(y, expected)
        torch.testing.assert_close(state, flatten(last))
