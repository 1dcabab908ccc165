"""What is none of the page's hand is passed over; what is small, short or at the edge for another reason stays."""

import numpy as np
import pytest
from PIL import Image

from recog.layout import sifting, sight
from recog.layout.traced import Traced

PAGE = Image.new("L", (1000, 800), 255)


def line(
    left: float, right: float, y: float, height: float = 40.0, likelihood: float = 0.9, degrees: float = 0.0
) -> Traced:
    """A line that falls by so many degrees."""
    x, ones = np.linspace(left, right, 5), np.ones(5)
    down = np.tan(np.radians(degrees)) * (x - left)
    return Traced(x, y + down, 0.7 * height * ones, 0.3 * height * ones, likelihood)


HAND = [line(100, 900, 100.0 + 50 * number) for number in range(6)]


def kept(*more: Traced, degrees: float = 0.0) -> list[bool]:
    found = sifting.sifted([*HAND, *more], sight.look(PAGE, 1.0, degrees), *PAGE.size)
    return [any(one is other for other in found) for one in more]


def test_ends_of_the_neighbouring_pages_lines_are_passed_over() -> None:
    # Twenty pixels, half a height, from either edge and 50 of 60 pixels long; then too long, then too far from the edge.
    assert kept(line(5, 55, 130), line(940, 990, 130)) == [False, False]
    assert kept(line(5, 70, 130), line(25, 75, 130)) == [True, True]


def test_edges_are_those_of_the_page_as_given_when_it_is_looked_at_from_another_side() -> None:
    # Turned by a quarter the page is 800 wide and 1000 high, and its lines end at 800.
    assert kept(line(740, 790, 950), line(5, 55, 950), line(700, 750, 950), degrees=90.0) == [False, False, True]


def test_small_print_is_passed_over_and_small_writing_stays() -> None:
    # Lower by half, and 42 heights long: 42 / 0.5 is more than 45. A note of 15 heights, 15 / 0.5, is none.
    assert kept(line(100, 940, 500, height=20), line(100, 400, 560, height=20)) == [False, True]
    # As long as print, but of the page's height.
    low = [line(10, 990, 100.0 + 30 * number, height=20) for number in range(6)]
    assert len(sifting.sifted(low, sight.look(PAGE, 1.0, 0.0), *PAGE.size)) == 6


@pytest.mark.parametrize("page", [-4.0, 0.0, 3.0])
def test_stamps_are_passed_over_on_askew_pages_too(page: float) -> None:
    hand = [line(100, 900, 100.0 + 50 * number, degrees=page) for number in range(6)]

    def stays(degrees: float, height: float = 24, right: float = 400) -> bool:
        one = line(200, right, 500, height=height, degrees=page + degrees)
        return any(one is other for other in sifting.sifted([*hand, one], sight.look(PAGE, 1.0, 0.0), *PAGE.size))

    # Three fifths of the usual height, eight of its heights long.
    assert [stays(degrees) for degrees in (-4, -2, 0, 2, 4)] == [False, True, True, True, False]
    assert stays(4, height=36)
    assert stays(4, right=300)


def test_stains_are_passed_over_and_cells_of_a_column_stay() -> None:
    # Two heights long and three fifths as high as the hand.
    stain = line(300, 348, 500, height=24, likelihood=0.75)
    assert kept(stain) == [False]
    assert kept(line(300, 348, 500, height=24, likelihood=0.85)) == [True]
    assert kept(line(300, 380, 500, height=36, likelihood=0.75)) == [True]
    assert kept(line(300, 420, 500, height=24, likelihood=0.75)) == [True]
    cells = [line(310, 350, 550.0 + 50 * number) for number in range(3)]
    assert kept(stain, *cells) == [True] * 4
    assert kept(stain, *cells[:2]) == [False, True, True]
    # Other stains, the lines of the hand and what stands to the right make no column.
    assert kept(*[line(300, 348, 500 + 50 * n, height=24, likelihood=0.75) for n in range(5)]) == [False] * 5
    assert kept(stain, *[line(360, 400, 550.0 + 50 * number) for number in range(3)]) == [False, True, True, True]


def test_the_usual_height_is_that_of_long_lines() -> None:
    assert sifting.usual_height([line(0, 10, 9, 8), line(0, 10, 9, 9), line(0, 500, 9, 33)]) == pytest.approx(33)
    assert sifting.sifted([], sight.look(PAGE, 1.0, 0.0), *PAGE.size) == []


def beside(left: float, right: float, count: int = 6) -> list[Traced]:
    return [line(left, right, 110.0 + 50 * number) for number in range(count)]


@pytest.mark.parametrize("degrees", [0.0, 180.0])
def test_a_facing_pages_column_that_the_picture_cuts_off_is_passed_over(degrees: float) -> None:
    main = [line(200, 700, 100.0 + 50 * number) for number in range(6)]

    def left_of(more: list[Traced]) -> int:
        found = sifting.sifted([*main, *more], sight.look(PAGE, 1.0, degrees), *PAGE.size)
        return sum(any(one is other for other in found) for one in more)

    # 140 pixels, three and a half heights, from the text, 160 of its 500 long, to the edge, at either side.
    assert left_of(beside(840, 1000)) == 0
    assert left_of(beside(0, 90)) == 0
    # Where the sheet goes on beside it, where it stands close to the text as a table's last column, where it is
    # nearly as long as the text, and where there are three lines alone, it stays.
    assert left_of(beside(790, 950)) == 6
    assert left_of(beside(720, 1000)) == 6
    assert left_of(beside(840, 1000, 3)) == 3


def test_facing_columns_that_are_alike_both_stay() -> None:
    columns = [*beside(0, 400), *beside(520, 1000)]
    assert len(sifting.sifted(columns, sight.look(PAGE, 1.0, 0.0), *PAGE.size)) == 12
