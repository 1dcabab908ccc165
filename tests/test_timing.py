"""Borders of words: built grounds with known answers, and laws that hold for any ground."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recog.ctc.timing import DEFAULTS, Extent, Timing, place_words
from recog.errors import ConfigError

STEPS = 4


def ground(length: int, *sounds: tuple[int, int]) -> np.ndarray:
    """Activity of 1 within the sounds, 0 elsewhere."""
    activity = np.zeros(length)
    for start, end in sounds:
        activity[start:end] = 1.0
    return activity


@pytest.mark.parametrize("seed", range(5))
def test_words_between_pauses_are_found_from_a_spike_within_each(seed: int) -> None:
    random = np.random.default_rng(seed)
    truth, frames, at = [], [], int(random.integers(10, 30))
    for _ in range(6):
        length = int(random.integers(20, 60))
        spike = (at + int(random.integers(6, length - 10))) // STEPS
        truth.append(Extent(at, at + length))
        frames.append((spike, spike + 1))
        at += length + int(random.integers(20, 40))
    activity = ground(at, *((int(word.start), int(word.end)) for word in truth))
    assert place_words(frames, activity, STEPS, Timing()) == truth


def test_words_that_touch_meet_where_it_is_quietest() -> None:
    # Sound from 8 to 80 that never pauses, half as loud in step 42; spikes at frames 4..8 and 12..18.
    activity = ground(100, (8, 80))
    activity[42] = 0.5
    assert place_words([(4, 8), (12, 18)], activity, STEPS, Timing()) == [Extent(8, 42), Extent(42, 80)]


def test_a_short_silence_is_no_pause() -> None:
    # 5 quiet steps are 1.25 frames: they belong to the word before, unless pauses may be that short.
    activity = ground(100, (8, 40), (45, 80))
    frames = [(4, 8), (12, 18)]
    assert place_words(frames, activity, STEPS, Timing(pause=2.0)) == [Extent(8, 45), Extent(45, 80)]
    assert place_words(frames, activity, STEPS, Timing(pause=1.25)) == [Extent(8, 40), Extent(45, 80)]


def test_a_noise_amid_a_long_pause_belongs_to_no_word() -> None:
    # Words at 8..40 and 360..400, 80 frames apart, and a slammed door at 200..240 between.
    activity = ground(420, (8, 40), (200, 240), (360, 400))
    assert place_words([(4, 8), (92, 95)], activity, STEPS, Timing()) == [Extent(8, 40), Extent(360, 400)]


def test_where_nothing_is_quiet_words_keep_their_expected_lengths() -> None:
    # Constant activity: frame 10 less onset 1.5, frame 12 plus release 2; between the words the nearest step to
    # the middle of 12 and 17, which is later than 17 - onset 3.
    found = place_words([(10, 12), (17, 19)], np.ones(200), STEPS, Timing(onset=1.5, release=2.0))
    assert found == [Extent(34, 62), Extent(62, 84)]


def test_a_border_may_lie_within_the_frames_of_a_letter_but_never_past_its_half() -> None:
    # The next word's first letter holds frames 10..14 (steps 40..56); its sound begins in step 43, or not before 60.
    assert place_words([(2, 4), (10, 14)], ground(80, (4, 24), (43, 70)), STEPS, Timing(forth=1.0))[1].start == 43
    late = place_words([(2, 4), (10, 14)], ground(80, (4, 24), (60, 70)), STEPS, Timing(forth=9.0))[1]
    assert late.start == 47  # floor of 40 + 0.45 * 16


@settings(max_examples=50)
@given(st.data())
def test_words_keep_their_order_and_stay_inside(data: st.DataObject) -> None:
    steps = data.draw(st.integers(1, 4))
    gaps = data.draw(st.lists(st.tuples(st.integers(0, 40), st.integers(1, 9)), min_size=1, max_size=6))
    frames, at = [], 0
    for gap, length in gaps:
        frames.append((at + gap, at + gap + length))
        at += gap + length
    # The last frame may reach past the features by less than its length.
    length = at * steps - data.draw(st.integers(0, steps - 1))
    seed = data.draw(st.integers(0, 99))
    activity = np.random.default_rng(seed).choice([0.0, 0.1, 1.0], length)
    timing = Timing(
        quiet=data.draw(st.sampled_from([0.0, 0.15, 1.0])),
        pause=data.draw(st.sampled_from([0.0, 2.0])),
        back=data.draw(st.sampled_from([0.0, 1.0, 9.0])),
        forth=data.draw(st.sampled_from([0.0, 1.0, 9.0])),
        onset=data.draw(st.sampled_from([0.0, 3.0, 99.0])),
    )
    found = place_words(frames, activity, steps, timing)
    edges = [edge for word in found for edge in (word.start, word.end)]
    assert edges == sorted(edges)
    assert edges[0] >= 0
    assert edges[-1] <= length
    # Every word holds the middle of its letters' frames, as far as there are features.
    for word, (first, last) in zip(found, frames, strict=True):
        assert word.start <= (first + last) / 2 * steps
        assert word.end >= min((first + last) / 2 * steps - steps, length - steps)
    assert all(one.end <= two.start for one, two in itertools.pairwise(found))


def test_no_words() -> None:
    assert place_words([], np.zeros(0), STEPS, Timing()) == []


def test_defaults_for_each_kind() -> None:
    assert set(DEFAULTS) == {"speech", "handwriting"}


@pytest.mark.parametrize("wrong", [{"quiet": 1.5}, {"quiet": -0.1}, {"pause": -1.0}, {"onset": float("inf")}])
def test_impossible_settings_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=f"timing.{next(iter(wrong))} is"):
        Timing(**wrong)
