import numpy as np
import pytest
from conftest import draw_line
from PIL import Image

from recog import augment, image
from recog.augment import HandwritingAugment, line, paper
from recog.errors import ConfigError
from recog.image import HandwritingFrontend

PAPER = 240.0
BLANK = np.full((48, 400), PAPER, np.float32)


def generator(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


def written(text: str = "Written lines stay", height: int = 48) -> Image.Image:
    return image.fit_height(draw_line(text, size=30), HandwritingFrontend(height_px=height))


def ink(values: np.ndarray) -> np.ndarray:
    return np.asarray(PAPER - values.astype(np.float64))


@pytest.mark.parametrize("name", [name for name in line.CHANCES if name != "close"])
def test_each_change_repeats_with_its_seed_keeps_the_size_and_leaves_the_text_readable(name: str) -> None:
    picture, other = written(), written("something else")
    asked = HandwritingAugment(**{name: 1.0})  # type: ignore[arg-type]
    before = np.asarray(picture, np.float64)
    changed = 0
    for seed in range(12):
        first, second = (augment.vary_line(picture, asked, generator(seed), lambda: other) for _ in range(2))
        assert first.size == picture.size
        after = np.asarray(first, np.float64)
        assert np.array_equal(after, np.asarray(second))
        changed += not np.array_equal(before, after)
        # The writing is still the most of what is there; a crop moves it by up to two pixels.
        likeness = max(
            np.corrcoef(before.ravel(), np.roll(after, shift, axis=0).ravel())[0, 1] for shift in range(-3, 4)
        )
        assert likeness > 0.55, seed
    assert changed >= 8


def test_ruled_paper_has_straight_even_lines() -> None:
    squared = 0
    for seed in range(40):
        drawn = ink(paper.ruled(BLANK, generator(seed)))
        assert 0 < drawn.max() <= 0.4 * PAPER + 0.1
        full = (drawn > 1).all(axis=0)
        squared += bool(full.any())
        # 50 columns on, a line has moved by no more than 2 % of that: one row, and one more for its soft edge.
        for x in range(0, 350, 50):
            here, there = (np.flatnonzero(drawn[:, column] > 1) for column in (x, x + 50))
            if not full[x] and not full[x + 50]:
                assert all(min(abs(there - row), default=9) <= 2 for row in here if 3 < row < 44)
    assert 8 < squared < 25


def test_what_shows_through_is_the_other_side_mirrored_and_faint() -> None:
    other = Image.new("L", (400, 48), int(PAPER))
    other.paste(0, (10, 20, 100, 28))  # a bar at the left
    for seed in range(20):
        shown = ink(paper.bleed(BLANK, other, generator(seed)))
        assert shown.max() <= 0.3 * PAPER + 0.1
        assert shown.min() >= 0
    mirrored = ink(paper.bleed(BLANK, other, _Fixed(0.5)))  # type: ignore[arg-type]
    columns = np.flatnonzero(mirrored.max(axis=0) > 5)
    assert abs(columns.min() - 300) <= 3 and abs(columns.max() - 389) <= 3


class _Fixed:
    """A generator that always draws the middle."""

    def __init__(self, share: float) -> None:
        self.share = share

    def uniform(self, low: float, high: float) -> float:
        return low + (high - low) * self.share

    def integers(self, low: int, high: int) -> int:
        return low + int((high - low) * self.share)


def test_holes_are_narrower_than_a_letter_and_cover_little() -> None:
    black = np.zeros((48, 960), np.float32)
    black[:, ::2] = 240
    black[:, 1::16] = 0
    for seed in range(20):
        page = np.full((48, 960), 240, np.float32)
        page[20:28] = 0  # one long stroke
        gaps = np.flatnonzero(np.diff(np.pad(paper.erase(page, generator(seed))[24] > 60, 1).astype(int)))
        widths = gaps[1::2] - gaps[::2]
        assert all(width <= 2 * 0.16 * 48 for width in widths)  # two may touch
        assert widths.sum() < 0.1 * 960


def test_light_changes_slowly() -> None:
    spread = []
    for seed in range(20):
        lit = paper.light(BLANK, generator(seed))
        assert np.abs(np.diff(lit, axis=1)).max() < 3
        assert np.abs(np.diff(lit, axis=0)).max() < 3
        spread.append(float(np.ptp(lit)))
    assert max(spread) > 40


def test_remains_of_neighbours_stay_at_the_edges() -> None:
    other = written("gypsy quip")
    touched = 0
    for seed in range(20):
        left = ink(paper.neighbours(BLANK, other, generator(seed)))
        assert not left[7:41].any()  # a seventh of 48 is 6.9
        touched += bool(left[:7].max() > 40) + bool(left[41:].max() > 40)
    assert touched > 20


def test_a_crop_cuts_at_most_a_twelfth_off_either_edge() -> None:
    ramp = np.tile(np.arange(48, dtype=np.float32)[:, None], (1, 30))
    for seed in range(20):
        cut = paper.crop(ramp, generator(seed))
        assert cut.shape == ramp.shape
        assert cut[0, 0] <= 4.5 and cut[-1, 0] >= 42.5
        assert (np.diff(cut[:, 0]) >= 0).all()


def test_smaller_writing_keeps_its_shape_and_stays_inside() -> None:
    picture = written("smaller", 64)
    widths = []
    for seed in range(30):
        random = generator(seed)
        motion = line.draw_motion(HandwritingAugment(scale=0.4), random)
        smaller = augment.vary_line(picture, HandwritingAugment(scale=0.4), generator(seed))
        assert smaller.size == (motion.width(*picture.size), 64)
        assert motion.wide == motion.high
        widths.append(smaller.width / picture.width)
        left = ink(np.asarray(smaller)).sum() / ink(np.asarray(picture)).sum()
        assert left == pytest.approx(motion.wide * motion.high, rel=0.1)  # nothing was cut off
    assert 0.59 < min(widths) < 0.7
    assert 0.9 < max(widths) <= 1


def test_a_line_cut_close_is_a_strip_about_the_middle_of_its_ink() -> None:
    """Ink in all rows, each of another grey: what is left tells which rows they were, and where they went."""
    values = np.full((64, 90), PAPER, np.float32)
    values[:, 10:50] = PAPER - 100 - np.arange(64, dtype=np.float32)[:, None]
    rows, greys = np.arange(64) + 0.5, 84 + np.arange(64)  # as the middle is weighed: 16 less
    middle = (rows @ greys) / greys.sum()
    highs, offs = [], []
    for seed in range(200):
        left = ink(paper.close(values, generator(seed)))
        assert left.shape == (64, 90) and not left[:, :10].any() and not left[:, 50:].any()
        places = np.flatnonzero(left[:, 30])
        high, first = len(places), int(left[places[0], 30]) - 100
        assert left[places, 30].tolist() == [100 + row for row in range(first, first + high)]
        assert places.tolist() == list(range((64 - high) // 2, (64 - high) // 2 + high))
        highs.append(high)
        offs.append(first + high / 2 - middle)
    assert 13 <= min(highs) <= 15 and 36 <= max(highs) <= 38  # a fifth to six tenths of 64
    assert -9 <= min(offs) < -7 and 7 < max(offs) <= 9  # an eighth of 64, and half a row
    assert np.array_equal(paper.close(np.full((64, 60), PAPER, np.float32), generator(1)), np.full((64, 60), PAPER))


def test_a_stroke_grows_and_thins_but_does_not_vanish() -> None:
    # Writing of strokes two pixels wide: a whole step of thinning would leave nothing.
    thin = Image.new("L", (60, 48), int(PAPER))
    thin.paste(0, (20, 10, 22, 40))
    seen = set()
    for seed in range(20):
        after = ink(np.asarray(augment.vary_line(thin, HandwritingAugment(stroke=1), generator(seed))))
        seen.add(after.sum() > ink(np.asarray(thin)).sum())
        assert after.max() >= 0.25 * PAPER
    assert seen == {True, False}


def test_chances_outside_0_to_1_are_refused() -> None:
    for name in line.CHANCES:
        with pytest.raises(ConfigError, match=rf"augment\.{name} is 1\.5; a chance lies in 0\.\.1"):
            HandwritingAugment(**{name: 1.5})  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="0 <= scale"):
        HandwritingAugment(scale=0.95)
