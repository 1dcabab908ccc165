"""Lines that are hardly read: a stain goes, a cell in a column of cells that are read stays."""

import math

import pytest

from pipelines.handwriting import _written
from pipelines.transcript import WrittenLine, WrittenWord


def line(left: float, right: float, y: float, confidence: float, degrees: float = 0.0) -> WrittenLine:
    """A line of one word, on a page turned by so many degrees."""
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    ends = tuple((round(x * cos - y * sin), round(x * sin + y * cos)) for x in (left, right))
    box = (0, 0, 1, 1)
    return WrittenLine("word", box, (WrittenWord("word", box, confidence),), ends, ())


@pytest.mark.parametrize("degrees", [0.0, 10.0, 90.0, 180.0])
def test_a_doubtful_cell_stays_where_its_column_is_read(degrees: float) -> None:
    text = [line(100, 500, 50 * row, 0.9, degrees) for row in range(6)]
    cells = [line(600, 630, 50 * row, 0.4, degrees) for row in range(3)]
    doubtful = line(605, 625, 200, 0.01, degrees)
    assert _written([*text, *cells, doubtful]) == [*text, *cells, doubtful]
    # Two cells are no column, and lines of text are no cells: a stroke beneath them is none.
    assert _written([*text, *cells[:2], doubtful]) == [*text, *cells[:2]]
    assert _written([*text, line(200, 230, 310, 0.01, degrees)]) == text


def test_specks_in_a_column_do_not_vouch_for_each_other() -> None:
    text = [line(100, 500, 50 * row, 0.9) for row in range(6)]
    assert _written([*text, *(line(20, 40, 50 * row, 0.01) for row in range(6))]) == text


def test_a_page_on_which_nothing_is_read_is_empty() -> None:
    assert _written([line(600, 630, 50 * row, 0.15) for row in range(6)]) == []
    assert _written([]) == []
