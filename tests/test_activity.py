import numpy as np
import pytest
import torch
from conftest import TINY_SPEECH, draw_line, tone_wave

from recog import audio, image
from recog.activity import ink, loudness
from recog.image import HandwritingFrontend


def test_loudness_of_a_tone_is_its_power_and_silence_lies_fifty_decibels_below() -> None:
    # A sine of amplitude 0.5 has the mean square 0.125: -9.03 dB.
    wave = np.concatenate([tone_wave(500.0, 1.0, 8000), np.zeros(8000, np.float32)])
    found = loudness(wave, TINY_SPEECH)
    assert found[5:95] == pytest.approx(np.full(90, 10 * np.log10(0.125)), abs=0.01)
    assert found[102:] == pytest.approx(np.full(len(found) - 102, 10 * np.log10(0.125) - 50), abs=0.01)


@pytest.mark.parametrize("samples", [1, 79, 80, 81, 8000])
def test_a_value_for_each_step_of_the_features(samples: int) -> None:
    wave = tone_wave(500.0, 1.0, 8000)[:samples]
    assert len(loudness(wave, TINY_SPEECH)) == len(audio.features(wave, TINY_SPEECH))


def test_ink_is_where_ink_is() -> None:
    columns = torch.zeros(3, 4)
    columns[1, 2] = 1.0
    columns[2] = torch.tensor([0.5, 0.1, 0.25, 1.0])  # a shade of paper is no ink
    assert ink(columns).tolist() == [0.0, 1.0, 1.5]
    frontend = HandwritingFrontend(height_px=24)
    line = image.fit_height(draw_line("ab ab"), frontend)
    dark = (np.asarray(line) < 110).any(axis=0)
    assert (ink(image.features(line, frontend))[dark] > 0).all()
