"""A log's curves: ticks by table, points where the axis says they are, lines of a run that went on elsewhere."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from recog import curves, plot
from recog.plot import PANEL, Line, Panel


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0, 100, [0, 20, 40, 60, 80, 100]),
        (0, 97, [0, 20, 40, 60, 80, 100]),
        (0, 0.002, [0, 0.0005, 0.001, 0.0015, 0.002]),
        (13, 27, [12, 14, 16, 18, 20, 22, 24, 26, 28]),
        (5, 5, [5, 6, 7, 8, 9, 10]),
    ],
)
def test_ticks_are_round_numbers(low: float, high: float, expected: list[float]) -> None:
    assert plot.ticks(low, high) == pytest.approx(expected)


@given(st.floats(-1e6, 1e6), st.floats(1e-3, 1e6))
def test_ticks_hold_the_range_and_are_few(low: float, width: float) -> None:
    found = plot.ticks(low, low + width)
    assert found[0] <= low + 1e-6 * width and found[-1] >= low + width * (1 - 1e-6)
    assert 2 <= len(found) <= 11


def test_decades() -> None:
    assert plot.decades(0.7, 6) == pytest.approx([0.5, 1, 2, 5, 10])
    assert plot.decades(1, 100) == pytest.approx([1, 2, 5, 10, 20, 50, 100])


@pytest.mark.parametrize(
    ("value", "told"),
    [(0, "0"), (0.0005, "0.0005"), (2e-5, "2e-5"), (2000, "2000"), (12000, "12k"), (1.5e6, "1.5M"), (0.3, "0.3")],
)
def test_labels_are_short(value: float, told: str) -> None:
    assert plot.label(value) == told


def test_the_running_mean_by_hand() -> None:
    # 4; (4 + 2) / 2; (2 + 6) / 2; (6 + 0) / 2
    assert plot.smooth([(1, 4), (2, 2), (3, 6), (4, 0)], 2) == ((1, 4.0), (2, 3.0), (3, 4.0), (4, 3.0))


def places_of(picture: Image.Image, colour: tuple[int, int, int]) -> np.ndarray[tuple[int, int], np.dtype[np.int64]]:
    """(n, 2) x and y of the pixels of one colour."""
    found = np.argwhere((np.asarray(picture).astype(int) == colour).all(axis=2))
    return found[:, ::-1]


def test_points_stand_where_the_axes_say() -> None:
    # One mark at (50, 30) of axes 0..100 along and 0..60 upwards, and one at (100, 60) in the corner.
    line = Line("", ((50.0, 30.0), (100.0, 60.0)), "#ff0000", width=1, marked=True)
    picture = plot.draw([Panel("", (line,), low=0.0)], "", "updates", columns=1)
    assert picture.size == (PANEL[0], PANEL[1] + 46)
    red = places_of(picture, (255, 0, 0))
    left, right, top, bottom = 74, PANEL[0] - 22, 46 + 52, 46 + PANEL[1] - 48
    middle = ((left + right) / 2, (top + bottom) / 2)
    near = red[np.abs(red - middle).max(axis=1) < 4]
    assert np.abs(near.mean(axis=0) - middle).max() < 1
    assert red[:, 0].max() <= right + 4 and red[:, 1].min() == pytest.approx(top, abs=4)


def test_a_logarithmic_axis_puts_the_geometric_mean_in_the_middle() -> None:
    line = Line("", ((1.0, 1.0), (2.0, 10.0), (3.0, 100.0)), "#0000ff", width=1, marked=True)
    picture = plot.draw([Panel("", (line,), logarithmic=True)], "", "updates", columns=1)
    blue = places_of(picture, (0, 0, 255))
    at_two = blue[np.abs(blue[:, 0] - (74 + (PANEL[0] - 22 - 74) * 2 / 3)) < 2]
    assert at_two[:, 1].mean() == pytest.approx((46 + 52 + 46 + PANEL[1] - 48) / 2, abs=3)


def test_a_panel_without_values_says_so() -> None:
    plain = plot.draw([], "", "updates", columns=1)
    told = plot.draw([Panel("", (Line("", (), "#000000"),))], "", "updates", columns=1)
    assert plain.size == (PANEL[0], 46)
    grey = np.asarray(told.convert("L"))[46:]
    assert 0 < (grey < 128).sum() < 2000  # a few letters, no axes


def line(update: int, loss: float, **more: float | None) -> str:
    told = {"update": update, "epoch": 0, "loss": loss, "cer": 0.5, "rate": 1e-3, "per_hour": 9.0, "unit": "lines"}
    return json.dumps({**told, **more}) + "\n"


def evaluated(update: int, cer: float) -> str:
    return json.dumps({"epoch": 0, "update": update, "cer": cer, "wer": 2 * cer, "minutes": 1.0}) + "\n"


def test_a_resumed_run_replaces_what_it_repeats(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    lost = line(60, 7.0) + line(80, 6.0) + evaluated(80, 0.8) + line(100, 5.0)
    again = line(70, 6.5) + evaluated(80, 0.7) + line(90, 5.5)
    log.write_text(line(20, 9.0) + evaluated(30, 0.9) + line(40, 8.0) + lost + '{"left_out": "x"}\n' + again)
    history = curves.read(log)
    assert [(one["update"], one["loss"]) for one in history.updates] == [
        (20, 9),
        (40, 8),
        (60, 7),
        (70, 6.5),
        (90, 5.5),
    ]
    assert [(one["update"], one["cer"]) for one in history.evaluations] == [(30, 0.9), (80, 0.7)]


def test_a_line_that_was_cut_off_is_left_out(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    log.write_text(line(20, 9.0) + line(40, 8.0)[:30])
    assert [one["update"] for one in curves.read(log).updates] == [20]


def test_the_charts_hold_the_log_s_numbers(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    log.write_text(
        line(10, 8.0, waiting=0.25, padding=None) + line(20, 1.0, waiting=0.5, padding=0.1) + evaluated(20, 0.4)
    )
    loss, errors, rate, speed, blank, lost = curves.panels(curves.read(log))
    assert loss.logarithmic and loss.lines[0].points == ((10, 8.0), (20, 1.0))
    assert {one.name: one.points for one in errors.lines} == {
        "train CER, a glance": ((10, 50.0), (20, 50.0)),
        "dev WER": ((20, 80.0),),
        "dev CER": ((20, 40.0),),
    }
    assert errors.high == 80.0 and rate.lines[0].points[0] == (10, 1e-3) and speed.title == "Speed, lines an hour"
    assert blank.lines[0].points == ()
    assert [one.points for one in lost.lines] == [((10, 25.0), (20, 50.0)), ((20, 10.0),)]


def test_the_picture_is_written_whole_beside_the_log(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    log.write_text(line(10, 3.0) + evaluated(10, math.inf))  # dev without a word: infinite rates are left out
    path = curves.draw(log, "name")
    assert path == tmp_path / "curves.png"
    with Image.open(path) as picture:
        assert picture.size == (2 * PANEL[0], 46 + 3 * PANEL[1])
    assert sorted(one.name for one in tmp_path.iterdir()) == ["curves.png", "log.jsonl"]
