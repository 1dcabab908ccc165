import threading
import time
from dataclasses import replace

import pytest

from pipelines.web.work import Sessions, Step, StoppedError, Work, bar, remaining


def test_work_tells_how_far_it_is_and_what_came_of_it() -> None:
    def count(work: Work[int]) -> int:
        for number in range(1, 4):
            work.tell(number, 3, "counting", number)
        return 7

    work = Work(count)
    steps = [step for step, _ in work.run()]
    assert steps == [Step(1, 3, "counting", 1)]  # the others came faster than the eye follows
    assert work.result == 7 and work.seconds < 5


def test_work_that_is_left_or_stopped_ends() -> None:
    ended = threading.Event()

    def forever(work: Work[None]) -> None:
        try:
            while True:
                work.tell(about="on and on")
                time.sleep(0.001)
        finally:
            ended.set()

    steps = Work(forever).run()
    next(steps)
    steps.close()
    assert ended.wait(5)

    sessions = Sessions()
    work = sessions.begin("mine", Work(forever))
    sessions.stop("another's")
    with pytest.raises(StoppedError):
        for _ in work.run():
            sessions.stop("mine")
    assert work.stopped


def test_who_stops_work_does_not_wait_for_what_it_is_at() -> None:
    going, begun = threading.Event(), threading.Event()

    def long(_: Work[None]) -> None:
        begun.set()
        going.wait(60)

    work = Work(long)
    threading.Thread(target=lambda: (begun.wait(60), work.stop())).start()
    with pytest.raises(StoppedError):
        list(work.run())
    assert not going.is_set()  # it had not ended
    going.set()


def test_what_is_made_ready_tells_how_long_unless_it_is_ready() -> None:
    for seconds, said in ((0.0, "<span>Getting ready</span>"), (8.0, "<span>Getting ready: 0 %</span>")):
        work: Work[None] = Work(lambda work, seconds=seconds: work.tell_ready("Getting ready", seconds))
        assert [said in bar(replace(step, at=None), 0.0) for step, _ in work.run()] == [True]


def test_what_work_raises_is_raised() -> None:
    def fail(_: Work[None]) -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        list(Work(fail).run())


def test_the_second_work_of_a_session_stops_the_first() -> None:
    sessions = Sessions()
    works = [sessions.begin("mine", Work(lambda _: None)) for _ in range(2)]
    assert [work.stopped for work in works] == [True, False]
    # The first one's end does not end the second.
    with pytest.raises(StoppedError):
        list(works[0].run())
    assert sessions.busy("mine") and not sessions.busy("another's")
    list(works[1].run())
    assert not sessions.busy("mine") and not sessions._works


@pytest.mark.parametrize(
    ("step", "seconds", "said"),
    [
        (Step(about="<a>"), 9.0, "<span>&lt;a&gt;</span>"),
        (Step(1, 4, "a"), 0.5, "<span>a: 25 %</span>"),
        # A quarter took 5 s, so three quarters take 15.
        (Step(1, 4, "a"), 5.0, "<span>a: 25 %, about 15 seconds left</span>"),
        (Step(9, 4, "a"), 5.0, "<span>a: 100 %, about a second left</span>"),
        (Step(0, 4, "a"), 5.0, "<span>a: 0 %</span>"),
        # Told at 4 s, when a quarter had taken 4: of the 12 that were left 5 have passed.
        (Step(1, 4, "a", at=4.0), 9.0, "<span>a: 25 %, about 7 seconds left</span>"),
        (Step(1, 4, "a", at=4.0), 99.0, "<span>a: 25 %, about a second left</span>"),
        # Of what was expected to take 6 seconds 2 have passed; what takes longer than expected never looks done.
        (Step(0, 4, "a", left=6.0, at=1.0), 3.0, "<span>a: 33 %, about 4 seconds left</span>"),
        (Step(2, 4, "a", left=6.0, at=1.0), 4.0, "<span>a: 75 %, about 3 seconds left</span>"),
        (Step(0, 4, "a", left=6.0, at=1.0), 8.0, "<span>a: 95 %, about a second left</span>"),
        (Step(0, 4, "a", left=6.0, at=1.0), 99.0, "<span>a: 95 %, longer than expected</span>"),
    ],
)
def test_the_bar_says_the_share_and_what_is_left(step: Step, seconds: float, said: str) -> None:
    assert said in bar(step, seconds)


@pytest.mark.parametrize(("seconds", "said"), [(1, "a second"), (19, "19 seconds"), (63, "65 seconds"), (150, "2 min")])
def test_what_is_left_is_told_as_exactly_as_it_is_known(seconds: float, said: str) -> None:
    assert remaining(seconds).startswith(f"about {said}")
