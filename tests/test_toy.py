"""Generated samples: each letter is what it should be, and a seed gives the same ones."""

import io

import numpy as np
import pytest
from PIL import Image

from recog import image
from recog.corpora import scribble, tones, toy


@pytest.mark.parametrize("letter", tones.LETTERS)
def test_a_letter_is_the_chord_of_its_key(letter: str) -> None:
    random = np.random.default_rng(3)
    heard = tones.whistle(letter, tones.Voice(pitch=1.0, letter_seconds=0.2, noise=0.0), random).astype(float)
    power = np.abs(np.fft.rfft(heard)) ** 2
    hz = np.fft.rfftfreq(heard.size, 1 / tones.RATE_HZ)
    peaks = [hz[np.where(side, power, 0).argmax()] for side in (hz < 900, hz >= 900)]
    row, column = divmod(tones.LETTERS.index(letter), 4)
    # Each letter wavers by up to 4 %; the bins are 3 Hz wide.
    assert peaks[0] == pytest.approx(tones.LOW_HZ[row], rel=0.04, abs=4)
    assert peaks[1] == pytest.approx(tones.HIGH_HZ[column], rel=0.04, abs=4)


def test_a_whistle_is_as_long_as_its_letters() -> None:
    random = np.random.default_rng(3)
    heard = tones.whistle("de la", tones.Voice(1.0, 0.1, 0.0), random)
    assert 0.2 + 5 * 0.08 <= heard.size / tones.RATE_HZ <= 0.2 + 5 * 0.12
    edge = round(0.1 * tones.RATE_HZ)
    assert not heard[:edge].any() and not heard[-edge:].any() and heard[edge:-edge].any()


def test_a_drawn_line_has_ink_inside_and_paper_around() -> None:
    for seed in range(20):
        line = np.asarray(scribble.draw_line("puba tehuke", np.random.default_rng(seed)), dtype=float)
        paper = np.median(line)
        assert paper >= 190 and (line < paper - 60).mean() > 0.02
        # No letter is cut off at the border: the outermost columns and rows are paper, up to the noise.
        border = np.concatenate([line[0], line[-1], line[:, 0], line[:, -1]])
        assert border.min() > paper - 70


def test_toys_are_the_same_for_a_seed_and_others_for_another() -> None:
    first, second, other = ([drawn for _, drawn in zip(range(5), toy.speech(seed), strict=False)] for seed in (1, 1, 2))
    assert first == second
    assert all(mine.content != theirs.content for mine, theirs in zip(first, other, strict=True))
    one, two = (next(iter(toy.handwriting(seed))) for seed in (7, 7))
    assert one == two
    assert image.read(one.content).height == Image.open(io.BytesIO(one.content)).height


def test_toy_texts_are_all_different_and_spelt_in_syllables() -> None:
    texts = toy.texts(tones.LETTERS, seed=1)
    assert len(set(texts)) == len(texts) == toy.TRAIN_ROWS + toy.DEV_ROWS
    words = [word for text in texts for word in text.split(" ")]
    assert all(1 <= len(text.split(" ")) <= 3 for text in texts)
    assert all(set(word[::2]) <= set("dklmnrst") and set(word[1::2]) <= set("aeio") for word in words)
    assert set("".join(words)) == set(tones.LETTERS)
