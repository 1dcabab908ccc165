"""The picture of an insight, read back: every cell, dot and word stands where the figures say."""

import base64
import io
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from pipelines import lattice
from pipelines.insight import Alternative, Insight, Reading, WeighedWord
from pipelines.lattice import LEFT, ROW, SENSED, WORDS

SVG = "{http://www.w3.org/2000/svg}"


def insight(kind: str = "speech") -> Insight:
    """Four frames of blank, "a", "<", " " and "z"; the path takes a, a, <, blank, which is "a<"."""
    chances = np.array(
        [[0.1, 0.7, 0.15, 0.04, 0.01], [0.3, 0.6, 0.05, 0.03, 0.02], [0.2, 0.0, 0.7, 0.1, 0.0], [1.0, 0.0, 0, 0, 0]]
    )
    with np.errstate(divide="ignore"):
        log_probs = np.log(chances).astype(np.float32)
    word = WeighedWord("a<", 0, 3, 0.6, (Alternative("a<", 0.75), Alternative("", 0.25)))
    reading = Reading(log_probs, ("a", "<", " ", "z"), (), (word,), (1, 1, 2, 0))
    features = np.array([[0.0, 3.0], [0.0, -1.5]] * 4, np.float32)
    return Insight(kind, features, reading, 2, 0.02 if kind == "speech" else 2.0, 5.0 if kind == "speech" else 0.0)


def drawn(kind: str = "speech") -> ElementTree.Element:
    return ElementTree.fromstring(lattice.draw(insight(kind)))


def test_every_likely_cell_is_as_dark_as_it_is_likely() -> None:
    # Four frames, as wide as a frame may be; blank, a, < and space have rows, z is never likely.
    step, top = 26.0, SENSED + WORDS
    found = {}
    for cell in drawn().iter(f"{SVG}rect"):
        column, row = (float(cell.get("x")) - LEFT) / step, (float(cell.get("y")) - 1 - top) / ROW  # type: ignore[arg-type]
        found[column, row] = (float(cell.get("fill-opacity")), cell.get("fill"), cell.findtext(f"{SVG}title"))  # type: ignore[arg-type]
    assert {place: chance for place, (chance, _, _) in found.items()} == {
        (frame, row): pytest.approx(chance, abs=5e-4)
        for row, chances in enumerate(
            [[0.1, 0.3, 0.2, 1.0], [0.7, 0.6, 0, 0], [0.15, 0.05, 0.7, 0], [0.04, 0.03, 0.1, 0]]
        )
        for frame, chance in enumerate(chances)
        if chance
    }
    assert found[1, 1][1:] == (lattice.BLUE, "a 60.0% at 5.02")
    assert found[3, 0][1:] == (lattice.GREY, "blank 100.0% at 5.06")


def test_the_path_runs_through_its_cells_with_a_dot_where_a_letter_is() -> None:
    step, top = 26.0, SENSED + WORDS
    expected = [(LEFT + (frame + 0.5) * step, top + (row + 0.5) * ROW) for frame, row in enumerate([1, 1, 2, 0])]
    [line] = drawn().iter(f"{SVG}polyline")
    assert [tuple(map(float, point.split(","))) for point in line.get("points", "").split()] == expected
    dots = [(float(dot.get("cx", 0)), float(dot.get("cy", 0))) for dot in drawn().iter(f"{SVG}circle")]
    assert dots == expected[:3]


def test_words_rows_and_axis_are_named() -> None:
    texts = [text.text for text in drawn().iter(f"{SVG}text")]
    assert texts[:9] == ["high tones", "low tones", "a<", "words", "blank", "a", "<", "space", "5"]
    assert texts[-1] == "seconds"
    titles = [group.findtext(f"{SVG}title") for group in drawn().iter(f"{SVG}g")]
    assert titles == ["a<: 60% sure; a< 75%, nothing 25%"]
    assert next(text.text for text in drawn("handwriting").iter(f"{SVG}text")) == "line"


def test_what_is_sensed_is_upright_and_as_long_as_its_frames() -> None:
    [image] = drawn().iter(f"{SVG}image")
    assert float(image.get("width", 0)) == 4 * 26
    picture = Image.open(io.BytesIO(base64.b64decode(image.get("href", "").partition(",")[2])))
    assert picture.size == (8, 2)
    # The high band is loud in every second step and stands at the top; 0 is a third of the way from paper to ink.
    assert np.asarray(picture)[0].tolist() == [0, 255] * 4
    assert np.asarray(picture)[1].tolist() == [170, 170] * 4
    ink = lattice.sensed(insight("handwriting"))
    assert np.asarray(ink)[1].tolist() == [0, 255] * 4


def test_a_large_alphabet_keeps_its_path_and_its_likeliest_rows() -> None:
    chances = np.full((2, 60), 0.01)
    chances[0, 1:45] = 0.06
    rows = lattice.shown_symbols(np.log(chances).astype(np.float32), (50, 0))
    assert len(rows) == lattice.MOST_ROWS and {0, 50} < set(rows) and rows == sorted(rows)
