"""An end between two level pieces counts where lines above and below it end too; a rule of squared paper is none."""

import numpy as np
import pytest

from recog.layout.segmenter import Maps
from recog.layout.tracing import trace

LINES, PITCH, WIDTH = 7, 20, 240


def maps(ends: dict[int, list[int]]) -> Maps:
    """Seven level lines from column 10 to 230 of the map, and ends that are seen on line k at the columns ends[k]."""
    baseline = np.zeros((PITCH * (LINES + 1), WIDTH), np.float32)
    seen, flat = np.zeros_like(baseline), np.full_like(baseline, 12.0)
    for number in range(LINES):
        y = PITCH * (number + 1)
        baseline[y - 1 : y + 2, 10:230] = np.array([0.6, 0.9, 0.6])[:, None]
        for column in ends.get(number, []):
            seen[y - 9 : y + 3, column - 2 : column + 3] = 0.9
    return Maps(baseline, seen, flat, 0.4 * flat, np.array([1.0, 0, 0, 0], np.float32))


def spans(found: Maps) -> list[tuple[int, int, int]]:
    """Of each line the number, and where it begins and ends on the map."""
    lines = [(round(line.y[0] / 2 / PITCH) - 1, round(line.x[0] / 2), round(line.x[-1] / 2)) for line in trace(found)]
    return sorted(lines)


def test_ends_that_no_other_line_shares_part_nothing() -> None:
    # Rules of squared paper: one on each line, each elsewhere, and two on the last one.
    whole = [(number, 10, 230) for number in range(LINES)]
    assert spans(maps({number: [40 + 25 * number] for number in range(LINES)})) == whole
    assert spans(maps({3: [60, 150]})) == whole


def test_cells_that_stand_below_each_other_stay_apart() -> None:
    found = spans(maps({number: [120] for number in range(LINES)}))
    assert [number for number, _, _ in found] == [number for number in range(LINES) for _ in range(2)]
    for _, left, right in found:
        assert right <= 120 or left >= 120


@pytest.mark.parametrize(("rows", "parted"), [([2], 0), ([2, 3, 4], 3), ([0, 2, 4, 6], 4)])
def test_a_few_rows_of_cells_between_lines_of_text_stay_cells(rows: list[int], parted: int) -> None:
    # Of a lone row of two cells nothing tells that it is no line with a gap.
    assert len(trace(maps({number: [120] for number in rows}))) == LINES + parted


def test_a_leaning_column_stays_a_column() -> None:
    found = spans(maps({number: [110 + 2 * number] for number in range(LINES)}))
    assert len(found) == 2 * LINES


def test_an_end_far_from_other_lines_is_an_end() -> None:
    # A single line: nobody runs on past it.
    alone = maps({0: [120]})
    alone.baseline[PITCH + 10 :] = 0
    assert len(trace(alone)) == 2
