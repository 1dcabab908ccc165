import pytest

from pipelines.web import pace
from pipelines.web.pace import Pace, Way


def test_steps_are_expected_to_take_what_they_took_the_last_time(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(pace.time, "monotonic", lambda: now[0])
    steps = Pace({"make": 5.0, "read": 1.0, "draw": 2.0})
    walk = steps.walk(["make", "read", "draw"])
    assert walk.begin("make") == Way(0.0, 8.0)
    now[0] += 9.0
    # What is expected of this walk stays, so that its share never falls.
    assert walk.begin("read") == Way(5.0, 8.0)
    assert walk.begin("draw").left == 2.0
    now[0] += 0.5
    walk.end()
    assert steps.seconds == {"make": 9.0, "read": 0.0, "draw": 0.5}
    # Another walk knows better; a step may be left out, and what is not done again is not asked about.
    again = steps.walk(["read", "draw"])
    assert again.begin("draw") == Way(0.0, 0.5)
    again.end()
    assert steps.seconds["make"] == 9.0
