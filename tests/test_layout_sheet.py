"""Sheets on photographs and turned scans: corners where they were put, and the way there and back."""

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFilter

from recog.layout import sheet
from recog.layout.sheet import Sheet

WIDTH, HEIGHT = 500, 700
# Seen from the side and turned, on a picture of 900 by 1000 pixels.
CORNERS = np.array([[180.0, 120.0], [700.0, 210.0], [760.0, 860.0], [90.0, 790.0]])


def written(paper: int = 220) -> Image.Image:
    """A sheet with rows of strokes."""
    picture = Image.new("L", (WIDTH, HEIGHT), paper)
    draw = ImageDraw.Draw(picture)
    for y in range(80, HEIGHT - 60, 40):
        for x in range(60, WIDTH - 80, 24):
            draw.line([(x, y), (x + 12, y - 18)], fill=40, width=3)
    return picture


def photograph(corners: np.ndarray, table: int = 60, shadow: float = 0.0) -> Image.Image:
    """The sheet with its corners at those places, on a table, in a light that falls off to the right."""
    size = (900, 1000)
    # What a place of the photograph shows of the sheet: the homography the other way round.
    across = np.linalg.inv(_homography(corners))
    data = tuple((across / across[2, 2]).ravel()[:8])
    seen = written().transform(size, Image.Transform.PERSPECTIVE, data, Image.Resampling.BICUBIC)
    shape = Image.new("L", (WIDTH, HEIGHT), 255).transform(size, Image.Transform.PERSPECTIVE, data)
    noise = Image.effect_noise(size, 12).point(lambda value: value - 128 + table)
    light = 1 - shadow * np.linspace(0, 1, size[0])
    shown = np.asarray(Image.composite(seen, noise, shape), dtype=np.float64) * light
    return Image.fromarray(shown.clip(0, 255).astype(np.uint8))


def _homography(corners: np.ndarray) -> np.ndarray:
    """Heckbert 1989, section 2.2.3: the unit square to a quadrilateral, in closed form; here from the sheet's pixels."""
    (x0, y0), (x1, y1), (x2, y2), (x3, y3) = corners
    sums, first, second = (x0 - x1 + x2 - x3, y0 - y1 + y2 - y3), (x1 - x2, y1 - y2), (x3 - x2, y3 - y2)
    area = first[0] * second[1] - second[0] * first[1]
    g = (sums[0] * second[1] - second[0] * sums[1]) / area
    h = (first[0] * sums[1] - sums[0] * first[1]) / area
    square = np.array([[x1 - x0 + g * x1, x3 - x0 + h * x3, x0], [y1 - y0 + g * y1, y3 - y0 + h * y3, y0], [g, h, 1]])
    return square @ np.diag([1 / WIDTH, 1 / HEIGHT, 1])


def test_places_go_where_the_closed_form_says() -> None:
    found = Sheet(CORNERS)
    wide, high = found.size
    scaled = _homography(CORNERS) @ np.diag([WIDTH / wide, HEIGHT / high, 1])
    np.testing.assert_allclose(found.homography, scaled / scaled[2, 2], rtol=1e-9)
    np.testing.assert_allclose(found.to_picture(np.array([[0.0, 0], [wide, 0], [wide, high], [0, high]])), CORNERS)
    # Longest sides: right 652.8, left 676.0; below 673.6, above 527.7.
    assert found.size == (674, 676)


@pytest.mark.parametrize("shadow", [0.0, 0.35])
def test_a_sheet_on_a_table_is_found_and_set_upright(shadow: float) -> None:
    found = sheet.find(photograph(CORNERS, shadow=shadow))
    assert found is not None
    assert np.abs(found.corners - CORNERS).max() < 8  # three pixels of the picture it was looked for on
    upright = np.asarray(found.upright(photograph(CORNERS)).resize((WIDTH, HEIGHT)).filter(ImageFilter.BoxBlur(4)))
    given = np.asarray(written().filter(ImageFilter.BoxBlur(4)))
    inner = np.s_[20:-20, 20:-20]
    assert np.corrcoef(upright[inner].ravel(), given[inner].ravel())[0, 1] > 0.8


@pytest.mark.parametrize("degrees", [-12.0, 3.0, 20.0])
@pytest.mark.parametrize("canvas", [0, 220, 255])
def test_a_scan_that_was_turned_on_a_canvas_is_found(degrees: float, canvas: int) -> None:
    scan = Image.fromarray(
        (np.asarray(written()) - np.random.default_rng(0).integers(0, 12, (HEIGHT, WIDTH))).astype(np.uint8)
    )
    found = sheet.find(scan.rotate(degrees, Image.Resampling.BICUBIC, expand=True, fillcolor=canvas))
    assert found is not None
    assert np.abs(np.array(found.size) - (WIDTH, HEIGHT)).max() <= 12
    first, second = found.corners[:2]
    assert np.degrees(np.arctan2(*(first - second)[::-1])) % 360 == pytest.approx(180 - degrees, abs=0.7)


def test_what_is_no_sheet_askew_is_left_alone() -> None:
    straight = np.array([[150.0, 100.0], [750.0, 100.0], [750.0, 900.0], [150.0, 900.0]])
    assert sheet.find(photograph(straight)) is None
    assert sheet.find(written()) is None
    assert sheet.find(photograph(CORNERS, table=215)) is None  # no brighter than the table
    # Its corner is out of the picture; a round plate; a sheet with a large piece torn off.
    assert sheet.find(photograph(CORNERS - [185.0, 0.0])) is None
    plate = Image.new("L", (900, 1000), 50)
    ImageDraw.Draw(plate).ellipse((100, 150, 800, 850), fill=220)
    assert sheet.find(plate) is None
    torn = photograph(CORNERS)
    ImageDraw.Draw(torn).polygon([(800, 200), (800, 560), (420, 420), (600, 150)], fill=60)
    assert sheet.find(torn) is None
    assert sheet.find(Image.new("L", (900, 1000), 128)) is None
    assert sheet.find(Image.new("L", (3, 2), 128)) is None
