"""Several looks at one line: shearing against a loop, the least doubt by hand, and a recogniser that uses them."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from conftest import TINY_HANDWRITING, TINY_SPEECH, random_bundle

from recog import views
from recog.ctc.options import DecoderOptions
from recog.errors import ConfigError
from recog.language import Language
from recog.recognizer import DecodingOptions, Recognizer


def slow(x: torch.Tensor, slope: float) -> torch.Tensor:
    """Straight from the definition, a value at a time."""
    steps, rows = x.shape
    found = torch.zeros_like(x)
    for step in range(steps):
        for row in range(rows):
            place = min(max(step + slope * (row - (rows - 1) / 2), 0.0), steps - 1.0)
            left = int(place)
            right = min(left + 1, steps - 1)
            found[step, row] = x[left, row] * (left + 1 - place) + x[right, row] * (place - left)
    return found


@pytest.mark.parametrize("slope", [-0.4, -0.15, 0.0, 0.25, 1.0])
@pytest.mark.parametrize("shape", [(30, 8), (2, 5), (1, 4)])
def test_shearing_is_the_slow_one(slope: float, shape: tuple[int, int]) -> None:
    x = torch.rand(shape, generator=torch.Generator().manual_seed(1))
    assert torch.allclose(views.sheared(x, slope), slow(x, slope), atol=1e-5)


def test_a_leaning_stroke_is_set_upright() -> None:
    # Leans to the right: half a column further for each row upwards (row 0 is the top).
    x = torch.zeros(20, 9)
    for row in range(9):
        x[8 + (8 - row) // 2, row] = 1.0
    upright = views.sheared(x, -0.5)
    assert (upright.argmax(dim=0) - upright.argmax(dim=0)[4]).abs().max() <= 1
    assert (x.argmax(dim=0) - x.argmax(dim=0)[4]).abs().max() == 2


def test_the_least_doubt_counts() -> None:
    doubtful, sure = np.log([[0.5, 0.5], [0.9, 0.1]]), np.log([[0.8, 0.2], [0.2, 0.8]])
    assert views.sureness(doubtful) == pytest.approx((np.log(0.5) + np.log(0.9)) / 2)  # -0.399
    assert views.sureness(sure) == pytest.approx(np.log(0.8))  # -0.223
    later = sure.copy()
    assert views.surest([doubtful, sure, later]) is sure


def test_a_recogniser_looks_at_each_line_and_gives_the_surest_look() -> None:
    plain = random_bundle(TINY_HANDWRITING, "abc", "strict")
    slopes = (0.0, -0.3, 0.6)
    several = Recognizer(replace(plain, frontend=replace(TINY_HANDWRITING, slopes=slopes)), DecodingOptions(beam=0))
    one = Recognizer(plain, DecodingOptions(beam=0))
    lines = [torch.rand(steps, 24, generator=torch.Generator().manual_seed(steps)) for steps in (90, 40, 61, 40, 77)]
    looks = [dict(one.log_probs([views.sheared(line, slope) for line in lines])) for slope in slopes]
    expected = [max(range(3), key=lambda look, n=number: looks[look][n].max(1).mean()) for number in range(len(lines))]
    found, every = dict(several.log_probs(lines)), dict(several.looks(lines))
    assert len(set(expected)) > 1
    for number, look in enumerate(expected):
        assert np.allclose(found[number], looks[look][number], atol=1e-4)
        assert np.allclose(every[number], [one[number] for one in looks], atol=1e-4)


def test_a_look_later_has_the_frames_of_the_others() -> None:
    plain = random_bundle(TINY_SPEECH, "abc", "spoken")
    later = Recognizer(replace(plain, frontend=replace(TINY_SPEECH, shifts=(0, 1, 3))), DecodingOptions(beam=0))
    one = Recognizer(plain, DecodingOptions(beam=0))
    sounds = [
        torch.rand(steps, TINY_SPEECH.features, generator=torch.Generator().manual_seed(steps)) for steps in (41, 60)
    ]
    assert torch.equal(views.moved(sounds[0], 2)[:3], sounds[0][[0, 0, 0]])
    looks, first = dict(later.looks(sounds)), dict(one.log_probs(sounds))
    for number, sound in enumerate(sounds):
        frames = len(first[number])
        assert looks[number].shape[:2] == (3, frames)
        (third,) = dict(one.log_probs([torch.cat([sound[:1]] * 3 + [sound])])).values()
        assert np.allclose(looks[number][0], first[number], atol=1e-5)
        assert np.allclose(looks[number][2], third[:frames], atol=1e-5)
    # Sounds stand where they are in the first look.
    assert all(np.allclose(found, first[number], atol=1e-5) for number, found in later.log_probs(sounds))


def test_a_search_may_be_made_in_fewer_looks_than_greedy_decoding() -> None:
    plain = random_bundle(replace(TINY_SPEECH, shifts=(0, 1, 3)), "abc", "spoken")
    known = Language(None, {}, DecoderOptions(looks=2))
    bundle = replace(plain, language=known)
    sound = torch.rand(60, TINY_SPEECH.features, generator=torch.Generator().manual_seed(1))
    search, greedy = Recognizer(bundle, DecodingOptions()), Recognizer(bundle, DecodingOptions(beam=0))
    (two,), (three,) = dict(search.looks([sound])).values(), dict(greedy.looks([sound])).values()
    assert len(two) == 2 and len(three) == 3 and np.allclose(two, three[:2], atol=1e-5)
    # What was heard in all looks is read in two of them, too.
    assert search.read([three])[0].text == search.read([two])[0].text
    every = Recognizer(replace(bundle, language=replace(known, options=DecoderOptions())), DecodingOptions())
    assert len(dict(every.looks([sound]))[0]) == 3


def test_shifts_are_few_steps() -> None:
    for wrong in ((), (-1,), (101,)):
        with pytest.raises(ConfigError, match="shifts must be"):
            replace(TINY_SPEECH, shifts=wrong)
        with pytest.raises(ConfigError, match="shifts must be"):
            replace(TINY_HANDWRITING, shifts=wrong)
    with pytest.raises(ConfigError, match="one for each slope"):
        replace(TINY_HANDWRITING, slopes=(0.0, 0.1, 0.2), shifts=(0, 1))
    looks = replace(TINY_HANDWRITING, slopes=(0.0, 0.1), shifts=(0, 2)).looks
    assert looks == (views.Look(), views.Look(0.1, 2))


def test_slopes_are_few_and_gentle() -> None:
    for wrong in ((), (3.0,), (float("nan"),)):
        with pytest.raises(ConfigError, match="slopes must be"):
            replace(TINY_HANDWRITING, slopes=wrong)
