"""Figures that outlive an interruption, and curves as SVG: read back, they are what was put in."""

import json
import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np
import pytest

from recog.errors import InputError
from recog.plot import Line, Panel
from recog.tasks import chart, lags
from recog.tasks.journal import Journal
from recog.tasks.learning import Learner, chosen, passes
from recog.tasks.network import Shape


def test_an_interrupted_experiment_goes_on_where_it_was(tmp_path: Path) -> None:
    path, computed = tmp_path / "figures.jsonl", []

    def square(seed: int) -> list[int | None]:
        if seed == 3 and len(computed) < 4:
            computed.append(-1)
            raise KeyboardInterrupt
        computed.append(seed)
        return [seed * seed, None]

    with pytest.raises(KeyboardInterrupt):
        Journal(path).figures("squares", 5, square)
    with path.open("a", encoding="utf-8") as file:
        file.write('{"what": "squares", "se')  # the machine went down in the middle of a line
    found = Journal(path).figures("squares", 5, square)
    assert found.values == [[0, None], [1, None], [4, None], [9, None], [16, None]]
    assert computed == [0, 1, 2, -1, 3, 4]
    entries = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert [(entry["what"], entry["seed"]) for entry in entries] == [("squares", seed) for seed in range(5)]
    assert found.minutes == pytest.approx(sum(entry["seconds"] for entry in entries) / 60, abs=1e-4)
    # Another name is another figure; fewer seeds are a part of what is known.
    assert Journal(path).figures("cubes", 2, lambda seed: seed**3).values == [0, 1]
    assert Journal(path).figures("squares", 2, square).values == [[0, None], [1, None]]
    assert computed == [0, 1, 2, -1, 3, 4]


def test_a_file_that_is_no_journal_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text("what,ours\nadding,3\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"line 1 of .*table\.csv is no figure of an experiment"):
        Journal(path)
    assert path.read_text(encoding="utf-8") == "what,ours\nadding,3\n"


def test_points_stand_where_their_values_say() -> None:
    # Marks at 1, 2, 5, ... 1000: on a logarithmic axis 10 and 100 part the height in three.
    points = ((0.0, 1.0), (1.0, 10.0), (2.0, 100.0), (4.0, 1000.0))
    panel = Panel("n <= 10", (Line("a & b", points, "#112233"),), logarithmic=True)
    root = ElementTree.fromstring(chart.svg(panel, "counting", "seed"))
    (curve,) = root.iter("{http://www.w3.org/2000/svg}polyline")
    places = [tuple(map(float, place.split(","))) for place in curve.attrib["points"].split()]
    (left, bottom), (right, top) = places[0], places[-1]
    expected = [(0, 0), (1 / 4, 1 / 3), (2 / 4, 2 / 3), (1, 1)]
    got = [((x - left) / (right - left), (y - bottom) / (top - bottom)) for x, y in places]
    np.testing.assert_allclose(got, expected, atol=0.001)
    assert 0 <= top < bottom <= chart.HEIGHT and 0 <= left < right <= chart.WIDTH
    words = [text.text for text in root.iter("{http://www.w3.org/2000/svg}text")]
    assert {"counting: n <= 10", "a & b", "seed", "1", "10", "100", "1000"} <= set(words)


def test_a_panel_without_values_and_one_without_height_are_drawn(tmp_path: Path) -> None:
    empty = chart.svg(Panel("none", ()), "nothing", "steps")
    assert not re.search("nan|inf", empty) and ElementTree.fromstring(empty) is not None
    flat = Panel("all the same", (Line("", ((0.0, 5.0), (1.0, 5.0)), "#000000"),))
    chart.save(flat, "flat", "steps", tmp_path / "flat.svg")
    written = (tmp_path / "flat.svg").read_text(encoding="utf-8")
    assert not re.search("nan|inf", written)
    assert ElementTree.fromstring(written).attrib["width"] == str(chart.WIDTH)
    assert [file.name for file in tmp_path.iterdir()] == ["flat.svg"]


def test_a_judge_who_wants_all_right_reads_all_unless_the_first_are_wrong() -> None:
    lessons = lags.distracted(np.random.default_rng(0), 40, 20, 3)
    learner, read = Learner(Shape(7, 2, 2), 0), []

    def judged(wrong_at: int) -> bool:
        read.clear()

        def judge(answers: np.ndarray, part: object) -> bool:
            read.append(len(answers))
            return len(read) != wrong_at

        return passes(learner, lessons, judge)

    assert judged(wrong_at=0) and read == [16, 40]
    assert not judged(wrong_at=1) and read == [16]
    assert not judged(wrong_at=2) and read == [16, 40]
    # What is judged first is the beginning of the whole.
    seen = []
    passes(learner, lessons, lambda answers, part: not seen.append((chosen(answers, part), part.inputs)))
    np.testing.assert_array_equal(seen[0][1], lessons.inputs[:16, : seen[0][1].shape[1]])
