"""Lines of built pages are found where they were drawn, and boxes lead back to the page."""

import numpy as np
import pytest
from conftest import draw_line
from PIL import Image

from recog.layout.projection import LinePicture, find_lines, ink_mask, line_pitch, skew

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


def test_every_drawn_line_is_found_once_in_reading_order() -> None:
    page, tops = draw_page()
    boxes = [line.box(0, 0, *line.picture.size) for line in find_lines(page)]
    assert len(boxes) == len(tops)
    for (left, top, right, bottom), drawn in zip(boxes, tops, strict=True):
        assert drawn - 5 < top < bottom < drawn + 60
        assert 50 < left < 80
        assert right < 500


@pytest.mark.parametrize("degrees", [-4.0, -1.5, 2.0, 5.0])
def test_a_turned_page_gives_the_same_lines_and_boxes_on_the_page_as_given(degrees: float) -> None:
    page, tops = draw_page()
    turned = page.rotate(degrees, Image.Resampling.BICUBIC, fillcolor=235)
    lines = find_lines(turned)
    assert len(lines) == len(tops)
    # The middle of the first line, turned with the page about its middle.
    x, y = 60 + lines[0].picture.width / 2 - page.width / 2, tops[0] + 20 - page.height / 2
    turn = np.radians(-degrees)
    expected_y = page.height / 2 + x * np.sin(turn) + y * np.cos(turn)
    _, top, _, bottom = lines[0].box(0, 0, *lines[0].picture.size)
    assert abs((top + bottom) / 2 - expected_y) < 12
    assert skew(ink_mask(turned)) == pytest.approx(-degrees, abs=0.35)


def test_a_shadow_over_half_the_page_changes_nothing() -> None:
    page, tops = draw_page()
    values = np.asarray(page, dtype=np.float32) * np.linspace(1.0, 0.45, page.width)[None, :]
    assert len(find_lines(Image.fromarray(values.astype(np.uint8)))) == len(tops)


def test_a_page_number_far_below_is_a_line_of_its_own() -> None:
    page, tops = draw_page(lines=4)
    tall = Image.new("L", (page.width, 900), 235)
    tall.paste(page, (0, 0))
    tall.paste(draw_line("12", size=30, paper=235), (620, 840))
    boxes = [line.box(0, 0, *line.picture.size) for line in find_lines(tall)]
    assert len(boxes) == len(tops) + 1
    assert boxes[-1][0] > 600
    assert boxes[-1][1] > 820


def test_foreign_strokes_are_painted_over() -> None:
    page, _ = draw_page(lines=3, pitch=60)
    for line in find_lines(page):
        mask = ink_mask(line.picture)
        rows = np.flatnonzero(mask.any(axis=1))
        assert rows[-1] - rows[0] < 45  # one line of 30 px letters, not two


@pytest.mark.parametrize("paper", [255, 235, 128, 20])
def test_an_empty_sheet_has_no_lines(paper: int) -> None:
    noise = np.random.default_rng(0).normal(paper, 3, (600, 500)).clip(0, 255).astype(np.uint8)
    assert find_lines(Image.fromarray(noise)) == []


def test_a_line_picture_comes_back_whole() -> None:
    line = draw_line("a single line of writing alone", size=30)
    (found,) = find_lines(line)
    assert found.picture.size == line.size
    assert found.box(0, 0, 10, 10) == (0, 0, 10, 10)


@pytest.mark.parametrize("size", [(1, 1), (1, 500), (500, 1), (3, 200)])
def test_tiny_pictures_have_no_lines_and_no_crash(size: tuple[int, int]) -> None:
    assert find_lines(Image.new("L", size, 200)) == []


def test_pitch_is_the_distance_of_the_bars() -> None:
    profile = np.zeros(600, dtype=np.float32)
    profile[50:550:40] = 100
    profile = np.convolve(profile, np.hanning(15), "same").astype(np.float32)
    assert line_pitch(profile) == pytest.approx(40, abs=1)


def test_boxes_turn_back_about_the_middle_of_the_page() -> None:
    cut = LinePicture(Image.new("L", (10, 10)), 100.0, 0.0, 2.0, 90.0, 200, 200)
    # (100, 0) on the levelled page is (0, -100) from the middle; a quarter turn takes it to (100, 0) from the middle.
    left, top, _, _ = cut.box(0, 0, 0, 0)
    assert (left, top) == (200, 100)


def test_outline_and_baseline_of_a_line_lie_on_the_page_as_given() -> None:
    flat = LinePicture(Image.new("L", (10, 4)), 20.0, 30.0, 2.0, 0.0, 100, 100)
    assert flat.polygon == ((20, 30), (40, 30), (40, 38), (20, 38))
    assert flat.baseline == ((20, 36), (40, 36))  # three quarters of 8 page pixels down
    # Turned by 90 degrees about (50, 50): (x, y) goes to (100 - y, x).
    turned = LinePicture(flat.picture, 20.0, 30.0, 2.0, 90.0, 100, 100)
    assert turned.polygon == ((70, 20), (70, 40), (62, 40), (62, 20))
    assert turned.baseline == ((64, 20), (64, 40))
