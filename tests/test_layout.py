"""Lines of built pages are found where they were drawn, whichever way the page is turned, and boxes lead back to it."""

from pathlib import Path

import numpy as np
import pytest
from conftest import draw_line
from PIL import Image

from recog.errors import CheckpointError
from recog.layout import cut as cutting
from recog.layout import segmenter, sight
from recog.layout.cut import Course, LinePicture
from recog.layout.ink import ink_mask
from recog.layout.lines import apart, find_lines
from recog.layout.segmenter import Maps
from recog.layout.sheet import Sheet
from recog.layout.sifting import usual_slope
from recog.layout.traced import Traced
from recog.layout.tracing import trace

WORDS = (
    "a letter to my sister",
    "written in the garden",
    "on the first of May",
    "with love and haste",
    "from your brother",
)


def draw_page(lines: int = 5, pitch: int = 60, width: int = 700, paper: int = 235) -> tuple[Image.Image, list[int]]:
    """A page with `lines` drawn lines, and the row each begins at."""
    page = Image.new("L", (width, pitch * (lines + 2)), paper)
    tops = [pitch * (number + 1) for number in range(lines)]
    for number, top in enumerate(tops):
        page.paste(draw_line(WORDS[number % len(WORDS)], size=30, paper=paper), (60, top))
    return page, tops


def found(page: Image.Image) -> list[LinePicture]:
    return find_lines(page)


def boxes(lines: list[LinePicture]) -> list[tuple[int, int, int, int]]:
    return [line.box(0, 0, *line.picture.size) for line in lines]


def test_every_drawn_line_is_found_once_in_reading_order() -> None:
    page, tops = draw_page()
    places = boxes(found(page))
    assert len(places) == len(tops)
    for (left, top, right, bottom), drawn in zip(places, tops, strict=True):
        assert drawn - 12 < top < bottom < drawn + 60
        assert 40 < left < 85
        assert right < 500


def first_on(turned: Image.Image, page: Image.Image, degrees: float) -> tuple[float, float]:
    """Where the first line begins, (64, 93) on the drawn page, on the turned one."""
    cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    x, y = 64 - page.width / 2, 93 - page.height / 2
    return turned.width / 2 + x * cos + y * sin, turned.height / 2 - x * sin + y * cos


@pytest.mark.parametrize("degrees", [-12.0, 5.0, 90.0, 180.0, 270.0])
def test_a_turned_page_gives_the_same_lines_on_the_page_as_given(degrees: float) -> None:
    page, tops = draw_page()
    turned = page.rotate(degrees, Image.Resampling.BICUBIC, expand=True, fillcolor=235)
    # Writing tells which of both ways up it is when it is read, not before: one of both is right.
    ways = [find_lines(turned, upside_down=other) for other in (False, True)]
    lines = min(ways, key=lambda way: np.hypot(*np.subtract(way[0].baseline[0], first_on(turned, page, degrees))))
    assert len(lines) == len(tops)
    turn = np.radians(degrees)
    for line, upright in zip(lines, found(page), strict=True):
        # Where the upright line begins and ends, turned with the page about its middle.
        for end in (0, -1):
            place, expected = line.baseline[end], upright.baseline[end]
            x, y = expected[0] - page.width / 2, expected[1] - page.height / 2
            across = turned.width / 2 + x * np.cos(turn) + y * np.sin(turn)
            down = turned.height / 2 - x * np.sin(turn) + y * np.cos(turn)
            assert np.hypot(place[0] - across, place[1] - down) < 15


def test_a_page_photographed_from_the_side_gives_the_same_lines_on_the_photograph() -> None:
    page, tops = draw_page()
    # On a dark table, turned by some 20 degrees, its upper end farther away.
    seen = Sheet(np.array([[260.0, 80.0], [760.0, 190.0], [700.0, 560.0], [60.0, 400.0]]))
    scaled = np.diag([seen.size[0] / page.width, seen.size[1] / page.height, 1.0])
    back = np.linalg.inv(seen.homography @ scaled)
    data = tuple((back / back[2, 2]).ravel()[:8])
    photograph = page.transform((900, 640), Image.Transform.PERSPECTIVE, data, Image.Resampling.BICUBIC, fillcolor=40)
    lines = found(photograph)
    assert len(lines) == len(tops)
    for line, upright in zip(lines, found(page), strict=True):
        ends = np.array([upright.baseline[0], upright.baseline[-1]], dtype=np.float64)
        places = seen.to_picture(ends * scaled.diagonal()[:2])
        given = np.array([line.baseline[0], line.baseline[-1]])
        assert np.hypot(*(given - places).T).max() < 15


def test_a_shadow_over_half_the_page_changes_nothing() -> None:
    page, tops = draw_page()
    values = np.asarray(page, dtype=np.float32) * np.linspace(1.0, 0.45, page.width)[None, :]
    assert len(found(Image.fromarray(values.astype(np.uint8)))) == len(tops)


def test_two_facing_pages_are_read_one_after_the_other() -> None:
    page, _ = draw_page(lines=6)
    spread = Image.new("L", (2 * page.width, page.height), 235)
    spread.paste(page, (0, 0))
    spread.paste(page, (page.width, 0))
    places = boxes(found(spread))
    assert [left > page.width for left, _, _, _ in places] == [False] * 6 + [True] * 6
    assert sorted(top for _, top, _, _ in places[:6]) == [top for _, top, _, _ in places[:6]]


@pytest.mark.parametrize("paper", [255, 235, 128, 20])
def test_an_empty_sheet_has_no_lines(paper: int) -> None:
    noise = np.random.default_rng(0).normal(paper, 3, (600, 500)).clip(0, 255).astype(np.uint8)
    assert found(Image.fromarray(noise)) == []


def test_stripes_and_checks_are_no_writing() -> None:
    y, x = np.mgrid[:700, :600]
    for pattern in (y // 20 % 2, (x // 25 + y // 25) % 2, (x + y) // 12 % 2):
        assert found(Image.fromarray((255 - 200 * pattern).astype(np.uint8))) == []


def test_a_line_picture_comes_back_whole() -> None:
    line = draw_line("a single line of writing alone", size=30)
    (only,) = found(line)
    assert only.picture.size == line.size
    assert only.box(0, 0, 10, 10) == (0, 0, 10, 10)


@pytest.mark.parametrize("size", [(1, 1), (1, 500), (500, 1), (3, 200)])
def test_tiny_pictures_have_no_lines_and_no_crash(size: tuple[int, int]) -> None:
    assert found(Image.new("L", size, 200)) == []


def test_a_curved_line_is_straightened_and_leads_back() -> None:
    # A dark stroke of 4 pixels along y = 100 + 0.001 (x - 200)^2.
    x = np.arange(400)
    curve = 100 + 0.001 * (x - 200.0) ** 2
    y = np.arange(200)[:, None]
    page = np.full((200, 400), 230, np.uint8)
    page[np.abs(y - curve + 2) < 2] = 30
    points = np.stack([x[20:381:8], curve[20:381:8]], axis=1)
    reach = np.ones(len(points))
    (line,) = cutting.cut(Image.fromarray(page), [Course(points, 15 * reach, 6 * reach)])
    values = np.asarray(line.picture)
    dark = np.argwhere(values < 100)
    assert np.ptp(dark[:, 0]) <= 6  # 32 pixels on the page
    assert (values >= 30).all()
    # A box round the stroke's left end lies about it on the page.
    left, top, right, bottom = line.box(0, dark[:, 0].min(), 30, dark[:, 0].max() + 1)
    assert left <= 25
    assert top - 3 <= curve[20] - 2 <= bottom + 1
    assert abs(right - (left + 30)) <= 2
    assert line.baseline[0] == (20, round(float(curve[20])))


def test_pages_are_looked_at_and_places_lead_back() -> None:
    page = Image.new("L", (300, 200), 255)
    page.putpixel((40, 150), 0)
    for degrees in (0.0, 90.0, 180.0, 270.0, 7.0):
        looked = sight.look(page, 1.0, degrees)
        row, column = np.unravel_index(
            np.asarray(looked.picture).argmin(), (looked.picture.height, looked.picture.width)
        )
        place = looked.to_page(np.array([[column + 0.5, row + 0.5]]))[0]
        assert place == pytest.approx((40.5, 150.5), abs=1.0)
    half = sight.look(page, 0.5, 0.0)
    assert half.picture.size == (150, 100)
    assert half.to_page(np.array([[150.0, 100.0]]))[0] == pytest.approx((300, 200))


def test_maps_are_traced_to_lines() -> None:
    columns = np.arange(200)
    lines = [30 + 0.1 * columns, 60 + 0.1 * columns]
    rows = np.arange(120)[:, None]
    baseline = np.zeros((120, 200), np.float32)
    baseline[:, 10:190] = np.maximum(*(np.exp(-((rows - line[10:190]) ** 2) / 2) for line in lines))
    baseline[:, 90:94] = 0  # a gap that is no end
    ends = np.zeros_like(baseline)
    flat = np.full_like(baseline, 12.0)
    found_lines = trace(Maps(baseline, ends, flat, 0.4 * flat, np.array([1.0, 0, 0, 0], np.float32)))
    assert len(found_lines) == 2
    for one, line in zip(sorted(found_lines, key=lambda one: one.y[0]), lines, strict=True):
        # A pixel of the map is two of the picture, and its middle lies half a pixel on.
        assert one.x[[0, -1]] == pytest.approx((21, 379))
        assert one.y == pytest.approx(2 * np.interp(one.x / 2 - 0.5, columns, line) + 1, abs=0.5)
        assert one.height == pytest.approx(16.8)
    assert usual_slope(found_lines) == pytest.approx(np.degrees(np.arctan(0.1)), abs=0.3)
    ends[:, 88:96] = 1  # now it is one
    assert len(trace(Maps(baseline, ends, flat, 0.4 * flat, np.array([1.0, 0, 0, 0], np.float32)))) == 4


def test_a_ridge_that_runs_on_through_an_end_is_cut_there() -> None:
    baseline = np.zeros((60, 200), np.float32)
    baseline[29:32, 10:190] = np.array([0.6, 0.9, 0.6])[:, None]
    ends, flat = np.zeros_like(baseline), np.full_like(baseline, 12.0)
    ends[20:34, 98:103] = 0.9  # the rule between two cells of a table
    cells = trace(Maps(baseline, ends, flat, 0.4 * flat, np.array([1.0, 0, 0, 0], np.float32)))
    assert [(one.x[0], one.x[-1]) for one in sorted(cells, key=lambda one: one.x[0])] == [(21, 195), (207, 379)]


def test_no_line_reaches_beyond_its_neighbours_baseline() -> None:
    x = np.linspace(0, 100, 11)
    ones = np.ones(11)
    upper, lower = Traced(x, 50 * ones, 30 * ones, 40 * ones, 1.0), Traced(x, 80 * ones, 45 * ones, 10 * ones, 1.0)
    first, second = apart([upper, lower])
    assert (50 + first.below <= 80).all()
    assert (80 - second.above >= 50).all()
    assert (first.above == 30).all()
    assert (second.below == 10).all()


def test_ink_is_seen_in_shadow_and_empty_paper_has_none() -> None:
    page, _ = draw_page(lines=1)
    shade = np.linspace(1.0, 0.4, page.width)[None, :]
    mask = ink_mask(Image.fromarray((np.asarray(page) * shade).astype(np.uint8)))
    drawn = np.asarray(page) < 120
    assert mask[drawn].mean() > 0.8
    assert mask[np.asarray(page) == 235].mean() < 0.02


def test_a_segmenter_that_is_missing_or_damaged_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="missing or damaged"):
        segmenter.load(tmp_path / "none.safetensors")
    (tmp_path / "broken.safetensors").write_bytes(b"\x10\0\0\0\0\0\0\0{}")
    with pytest.raises(CheckpointError, match="fetch or train it again"):
        segmenter.load(tmp_path / "broken.safetensors")
