"""Pages whose lines are known: read from manifests, measured, drawn as targets, matched, ordered; oracles are drawn by hand."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from recog.errors import ManifestError
from recog.layout import marked, matching, targets
from recog.layout.marked import MarkedLine
from recog.layout.order import Extent, order


def level(x: float, y: float, width: float, height: float = 20.0) -> MarkedLine:
    """A level line whose writing reaches 0.7 of its height up and 0.3 down."""
    top, bottom = y - 0.7 * height, y + 0.3 * height
    corners = [[x, top], [x + width, top], [x + width, bottom], [x, bottom]]
    return MarkedLine(np.array([[x, y], [x + width, y]]), np.array(corners))


def test_reach_is_the_distance_of_the_outline_square_to_the_line() -> None:
    line = marked.course(level(10, 50, 120))
    assert len(line.points) == 21  # 120 pixels in steps of 6
    assert line.above == pytest.approx(14)
    assert line.below == pytest.approx(6)
    # The same line turned by 30 degrees about the origin reaches as far.
    turn = np.array([[np.sqrt(3) / 2, 0.5], [-0.5, np.sqrt(3) / 2]])
    turned = marked.course(MarkedLine(level(10, 50, 120).baseline @ turn, level(10, 50, 120).polygon @ turn))
    assert turned.above == pytest.approx(14)
    assert turned.below == pytest.approx(6)


def test_targets_lie_where_the_lines_are() -> None:
    maps = targets.draw([marked.course(level(20, 60, 100))], 160, 96)
    assert maps.baseline.shape == (48, 80)  # two pixels to a pixel of the map
    rows, columns = np.nonzero(maps.baseline)
    assert abs(rows.mean() - 30) <= 0.5
    assert (columns.min(), columns.max()) == pytest.approx((10, 60), abs=1)
    assert maps.above[30, 30] == pytest.approx(np.log(14), abs=1e-5)
    assert maps.below[30, 30] == pytest.approx(np.log(6), abs=1e-5)
    assert maps.ends[28, 9] == 1 == maps.ends[28, 61]
    assert not maps.ends[:, 15:55].any()


def test_lines_are_matched_one_to_one_within_half_their_distance() -> None:
    there = [level(0, 100 + 40 * number, 300).baseline for number in range(4)]
    assert matching.line_distance(there) == pytest.approx(40)
    found = [there[0] + [0, 19], there[1] + [0, 19], there[2] * [0.4, 1], there[3] + [0, 21]]
    # 19 of 20 pixels allowed, twice; 21 is too far; 40 % of a line leaves the rest of it alone.
    assert matching.match(there, found).pairs == ((0, 0), (1, 1))
    twice = matching.match(there[:1] + there[1:2], [there[0], there[0] + [0, 1]])
    assert twice.pairs == ((0, 0),)
    scored = matching.scores([matching.match(there, found), matching.match(there, there)])
    assert (scored.precision, scored.recall, scored.f1) == pytest.approx((6 / 8, 6 / 8, 6 / 8))


def test_lines_of_a_page_on_its_side_are_matched_as_upright_ones() -> None:
    there = [level(0, 100 + 40 * number, 300).baseline for number in range(4)]
    found = [there[0] + [0, 19], there[1] + [0, 19], there[2] * [0.4, 1], there[3] + [0, 21]]
    # By hand: a quarter of a turn either way, and upside down.
    for turn in ([[0, -1], [1, 0]], [[0, 1], [-1, 0]], [[-1, 0], [0, -1]]):
        turned, seen = ([line @ np.array(turn) + 500 for line in lines] for lines in (there, found))
        assert matching.line_distance(turned) == pytest.approx(40)
        assert matching.match(turned, seen).pairs == ((0, 0), (1, 1))


def test_nothing_there_and_nothing_found() -> None:
    assert matching.scores([matching.match([], [])]).f1 == 1.0
    assert matching.scores([matching.match([level(0, 9, 50).baseline], [])]).recall == 0.0


def extents(*places: tuple[float, float, float]) -> list[Extent]:
    return [Extent(left, right, y, 20.0) for left, right, y in places]


def test_a_plain_page_is_read_downwards_and_side_by_side_from_the_left() -> None:
    assert order(extents((0, 300, 90), (320, 400, 52), (0, 300, 50), (0, 300, 130))) == [2, 1, 0, 3]


def test_facing_pages_are_read_one_after_the_other() -> None:
    left = [(0.0, 300.0, 100.0 + 40 * row) for row in range(8)]
    right = [(400.0, 700.0, 110.0 + 40 * row) for row in range(8)]
    mixed = [place for pair in zip(right, left, strict=True) for place in pair]
    assert order(extents(*mixed)) == [1, 3, 5, 7, 9, 11, 13, 15, 0, 2, 4, 6, 8, 10, 12, 14]


def test_a_heading_over_two_columns_comes_first_and_a_foot_last() -> None:
    columns = [(x, x + 300, 100.0 + 40 * row) for x in (0.0, 400.0) for row in range(12)]
    assert order(extents((100, 600, 500), *columns, (100, 600, 50))) == [25, *range(1, 25), 0]


def test_a_table_is_read_row_by_row() -> None:
    rows = [(x, x + width, 100.0 + 40 * row) for row in range(6) for x, width in ((0, 30), (60, 400), (500, 40))]
    assert order(extents(*rows)) == list(range(18))


def test_a_manifest_of_pages_is_read_as_written(tmp_path: Path) -> None:
    line = {"baseline": [[0, 10], [50, 12]], "polygon": [[0, 0], [50, 0], [50, 15]], "text": "a", "consent": True}
    path = tmp_path / "pages.jsonl"
    path.write_text(json.dumps({"image": "a/b.png", "source": "s", "lines": [line]}) + "\n\n", encoding="utf-8")
    (page,) = marked.read(path)
    assert (page.picture, page.source) == (tmp_path / "a" / "b.png", "s")
    assert page.lines[0].left_out
    assert page.lines[0].baseline.tolist() == [[0, 10], [50, 12]]


@pytest.mark.parametrize(
    "row", ["{", "[]", '{"image": "a.png"}', '{"image": "a", "lines": [{"baseline": [[0, 1]], "polygon": []}]}']
)
def test_a_row_that_is_no_page_is_refused_by_its_number(tmp_path: Path, row: str) -> None:
    path = tmp_path / "pages.jsonl"
    path.write_text('{"image": "a.png", "lines": []}\n' + row + "\n", encoding="utf-8")
    with pytest.raises(ManifestError, match=r"line 2 of .*pages\.jsonl is no page"):
        marked.read(path)


def test_pages_turn_with_their_lines() -> None:
    from pipelines.page_measurement import turned

    page = Image.new("L", (200, 100), 255)
    page.putpixel((30, 20), 0)
    for degrees in (90, 180, 270, 10):
        shown, (line,) = turned(page, [np.array([[30.5, 20.5], [60.0, 20.5]])], degrees)
        y, x = np.unravel_index(np.asarray(shown).argmin(), (shown.height, shown.width))
        assert line[0] == pytest.approx((x + 0.5, y + 0.5), abs=1.0)
