"""Pages as if photographed: what stood at a place of the page stands where the photograph's lines say."""

import numpy as np
import pytest
from PIL import Image, ImageDraw

from pipelines.photograph import photographed
from recog.layout import sheet


@pytest.mark.parametrize("seed", range(4))
def test_lines_lead_to_what_they_led_to_on_the_page(seed: int) -> None:
    page = Image.new("L", (500, 700), 230)
    places = [np.array([[60.0, 100], [440, 100]]), np.array([[60.0, 600], [440, 620]])]
    pen = ImageDraw.Draw(page)
    for x, y in np.concatenate(places):
        pen.ellipse((x - 6, y - 6, x + 6, y + 6), fill=0)
    shown, lines = photographed(page, places, seed)
    again, _ = photographed(page, places, seed)
    assert shown.size == (625, 875) and np.array_equal(np.asarray(shown), np.asarray(again))
    values = np.asarray(shown, dtype=int)
    for x, y in np.concatenate(lines).round().astype(int):
        ring = [values[y + down, x + right] for right, down in ((-16, 0), (16, 0), (0, -16), (0, 16))]
        assert values[y, x] < 30 and min(ring) > 100  # a dot on paper, in the darkest light
    assert not np.array_equal(lines[0], photographed(page, places, seed + 1)[1][0])


def test_the_sheet_on_it_is_found() -> None:
    page = Image.fromarray(np.random.default_rng(0).integers(215, 235, (700, 500)).astype(np.uint8))
    corners = np.array([[0.0, 0], [500, 0], [500, 700], [0, 700]])
    for seed in range(8):
        shown, (there,) = photographed(page, [corners], seed)
        found = sheet.find(shown)
        assert found is not None
        nearest = np.hypot(*(found.corners[:, None] - there[None]).transpose(2, 0, 1)).min(axis=1)
        assert nearest.max() < 0.012 * max(shown.size)
