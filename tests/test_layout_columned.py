"""Pages parted into columns: what is left of a line stands where ink is left of it, and no line runs through a strip."""

import numpy as np
import pytest
from PIL import Image

from recog.layout import columned
from recog.layout.marked import Course


def level(left: float, right: float, slope: float = 0.0) -> Course:
    """A line every 10 pixels, its reach growing along it."""
    x = np.arange(left, right + 1, 10.0)
    return Course(np.stack([x, 150 + slope * x], axis=1), 10 + 0.1 * x, 4 + 0.01 * x)


def test_a_strip_leaves_what_lies_beside_it() -> None:
    first, second = columned.without(level(0, 100, 0.5), 43, 58, 5)
    assert first.points[[0, -1]].tolist() == [[0, 150], [43, 171.5]]  # 150 + 43 / 2
    assert second.points[[0, -1]].tolist() == [[58, 179], [100, 200]]
    assert first.above[-1] == pytest.approx(14.3)
    assert second.below[0] == pytest.approx(4.58)


def test_lines_beside_the_strip_stay_and_snippets_go() -> None:
    line = level(0, 100)
    assert columned.without(line, 100, 120, 5) == [line]
    (left,) = columned.without(line, 80, 97, 5)  # three pixels to the right of it are no line
    assert left.points[-1, 0] == 80
    upwards = Course(np.array([[50.0, 200], [50, 100]]), np.ones(2), np.ones(2))
    assert columned.without(upwards, 40, 60, 5) == []


@pytest.mark.parametrize("seed", range(8))
def test_ink_and_lines_end_at_the_same_places(seed: int) -> None:
    values = np.full((300, 400), 250, np.uint8)
    values[140:160, 50:350:2] = 0  # the "writing": strokes of a pixel, a pixel apart
    x = np.linspace(50, 350, 51)
    line = Course(np.stack([x, np.full(51, 150.0)], axis=1), np.full(51, 10.0), np.full(51, 10.0))
    picture, lines = columned.parted(Image.fromarray(values), (line,), np.random.default_rng(seed))
    dark = np.asarray(picture)[150] < 20
    covered = np.zeros(400, bool)
    for piece in lines:
        start, stop = round(piece.points[0, 0]), round(piece.points[-1, 0])
        assert stop - start >= 0.4 * 20
        assert dark[start:stop].mean() == pytest.approx(0.5, abs=0.07)
        covered[start:stop] = True
    # Where no line is left there may be a snippet of less than 8 pixels, half of them dark, on both sides of a strip.
    assert (dark & ~covered).sum() <= 5 * 2 * 4
    assert 0 < covered.sum() < 300


def test_a_page_without_lines_stays_as_it_is() -> None:
    page = Image.new("L", (50, 40), 200)
    assert columned.parted(page, (), np.random.default_rng(0)) == (page, ())
