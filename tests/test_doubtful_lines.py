"""Lines that nobody wrote: a stain goes, a cell in a column of cells that are read stays; print goes, small notes stay."""

import math

import pytest

from pipelines.transcript import WrittenLine, WrittenWord
from pipelines.written import written


def line(
    left: float, right: float, y: float, confidence: float, degrees: float = 0.0, text: str = "word"
) -> WrittenLine:
    """A line of one word, on a page turned by so many degrees."""
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    ends = tuple((round(x * cos - y * sin), round(x * sin + y * cos)) for x in (left, right))
    box = (0, 0, 1, 1)
    return WrittenLine(text, box, (WrittenWord(text, box, confidence),), ends, ())


@pytest.mark.parametrize("degrees", [0.0, 10.0, 90.0, 180.0])
def test_a_doubtful_cell_stays_where_its_column_is_read(degrees: float) -> None:
    text = [line(100, 500, 50 * row, 0.9, degrees) for row in range(6)]
    cells = [line(600, 630, 50 * row, 0.4, degrees) for row in range(3)]
    doubtful = line(605, 625, 200, 0.01, degrees)
    assert written([*text, *cells, doubtful]) == [*text, *cells, doubtful]
    # Two cells are no column, and lines of text are no cells: a stroke beneath them is none.
    assert written([*text, *cells[:2], doubtful]) == [*text, *cells[:2]]
    assert written([*text, line(200, 230, 310, 0.01, degrees)]) == text


def test_specks_in_a_column_do_not_vouch_for_each_other() -> None:
    text = [line(100, 500, 50 * row, 0.9) for row in range(6)]
    assert written([*text, *(line(20, 40, 50 * row, 0.01) for row in range(6))]) == text


def test_a_page_on_which_nothing_is_read_is_empty() -> None:
    assert written([line(600, 630, 50 * row, 0.15) for row in range(6)]) == []
    assert written([]) == []


@pytest.mark.parametrize("degrees", [0.0, 10.0, 90.0, 180.0])
def test_small_print_of_a_form_is_passed_over(degrees: float) -> None:
    # Forty characters in 800 pixels, 20 each, are the hand; a form above it is set at 9 pixels a character, broken in two.
    hand = [line(100, 900, 50 * row, 0.9, degrees, "x" * 40) for row in range(2, 8)]
    whole = line(100, 820, 10, 0.6, degrees, "p" * 80)
    pieces = [line(100, 370, 40, 0.6, degrees, "p" * 30), line(400, 850, 41, 0.6, degrees, "p" * 50)]
    assert written([whole, *pieces, *hand]) == hand
    # A short note in a small hand is no print, nor is a long one set wider than half of the hand; nor is a page of print alone.
    note, small = line(100, 280, 460, 0.9, degrees, "n" * 20), line(100, 580, 500, 0.9, degrees, "n" * 40)
    assert written([*hand, note, small]) == [*hand, note, small]
    assert written([whole, *pieces]) == [whole, *pieces]
