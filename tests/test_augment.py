from dataclasses import replace

import numpy as np
import pytest
import torch
from conftest import draw_line, tone_wave
from PIL import Image

from recog import audio, augment
from recog.audio import SpeechFrontend
from recog.augment import HandwritingAugment, Masking, SpeechAugment
from recog.errors import ConfigError

STRONG = HandwritingAugment(slant=0.3, rotation=2, stretch=0.2, elastic=3, stroke=0.5, blur=0.5)


def generator(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.mark.parametrize("seed", range(40))
def test_an_empty_line_stays_paper_to_its_edges(seed: int) -> None:
    # The elastic mesh once drew black edges where its corners left the picture.
    width = int(generator(seed).integers(1, 300))
    varied = augment.vary_line(Image.new("L", (width, 48), 240), STRONG, generator(seed))
    assert varied.height == 48
    assert set(np.unique(np.asarray(varied))) <= {239, 240}


def test_nothing_asked_changes_nothing() -> None:
    line = draw_line("unchanged")
    assert np.array_equal(np.asarray(augment.vary_line(line, HandwritingAugment(), generator(0))), np.asarray(line))


def test_a_seed_repeats_a_line_and_another_does_not() -> None:
    line, noisy = draw_line("seeded"), HandwritingAugment(slant=0.2, elastic=2, noise=1.0)
    pictures = [np.asarray(augment.vary_line(line, noisy, generator(seed))) for seed in (3, 3, 4)]
    assert np.array_equal(pictures[0], pictures[1])
    assert not np.array_equal(pictures[0], pictures[2])


@pytest.mark.parametrize("seed", range(10))
def test_the_ink_stays_on_the_line(seed: int) -> None:
    line = draw_line("All of it stays", margin=10)
    moving = HandwritingAugment(slant=0.3, rotation=1, elastic=2)
    before = (240.0 - np.asarray(line)).sum()
    after = (240.0 - np.asarray(augment.vary_line(line, moving, generator(seed)))).sum()
    assert after == pytest.approx(before, rel=0.1)


def columns_of(bar: Image.Image) -> np.ndarray:
    """The middle of a dark bar in each row."""
    ink = 255.0 - np.asarray(bar)
    return (ink * np.arange(bar.width)).sum(axis=1) / ink.sum(axis=1)


def test_slant_is_the_shear_it_says() -> None:
    bar = Image.new("L", (60, 41), 255)
    bar.paste(0, (28, 0, 33, 41))
    shears = []
    for seed in range(20):
        columns = columns_of(augment.vary_line(bar, HandwritingAugment(slant=0.3), generator(seed)))
        slope, start = np.polyfit(np.arange(41), columns, 1)
        assert np.abs(columns - (start + slope * np.arange(41))).max() < 0.6  # a straight bar stays straight
        shears.append(slope)
    assert max(np.abs(shears)) <= 0.31
    assert min(shears) < -0.15
    assert max(shears) > 0.15


def test_stretch_is_the_width_it_says() -> None:
    widths = [
        augment.vary_line(draw_line("w" * 9), HandwritingAugment(stretch=0.2), generator(seed)).width
        for seed in range(30)
    ]
    whole = draw_line("w" * 9).width
    assert 0.79 * whole <= min(widths) < 0.9 * whole
    assert 1.1 * whole < max(widths) <= 1.21 * whole


def test_noise_has_the_level_it_says() -> None:
    page = Image.new("L", (400, 48), 128)
    spread = [
        float(np.std(np.asarray(augment.vary_line(page, HandwritingAugment(noise=1, noise_level=10), generator(seed)))))
        for seed in range(20)
    ]
    assert 5 < max(spread) < 10.5


def test_voices_vary_in_steps_within_their_reach() -> None:
    frontend = SpeechFrontend()
    voices = [augment.vary_voice(frontend, SpeechAugment(tempo=0.1, warp=0.05), generator(seed)) for seed in range(200)]
    tempos = sorted({round(voice.hop_seconds / frontend.hop_seconds, 6) for voice in voices})
    assert tempos == pytest.approx([1 + step / 100 for step in range(-10, 11)])
    assert sorted({voice.warp for voice in voices}) == pytest.approx([1 + step / 100 for step in range(-5, 6)])
    assert augment.vary_voice(frontend, SpeechAugment(), generator(0)) == frontend


def test_a_longer_tract_and_a_slower_tempo_move_a_tone_as_they_should() -> None:
    wave = tone_wave(1000, 1.0)
    plain = SpeechFrontend()
    peak = audio.log_mel(wave, plain).mean(0).argmax()
    warped = audio.log_mel(wave, replace(plain, warp=1.2)).mean(0)
    scaled_down = audio.log_mel(tone_wave(1000 / 1.2, 1.0), plain).mean(0)
    # Bands 1.2 times higher see 1000 Hz where plain bands see 833 Hz.
    assert abs(int(warped.argmax()) - int(scaled_down.argmax())) <= 1
    assert warped.argmax() < peak
    assert len(audio.log_mel(wave, replace(plain, hop_seconds=0.02))) == 51


def zero_runs(line: torch.Tensor) -> list[tuple[int, int]]:
    """Start and end of the stretches of zeros in a vector."""
    zero = torch.cat([torch.tensor([False]), line == 0, torch.tensor([False])]).int().diff()
    return list(zip((zero == 1).nonzero().flatten().tolist(), (zero == -1).nonzero().flatten().tolist(), strict=True))


@pytest.mark.parametrize("seed", range(20))
def test_masks_have_the_number_and_width_they_say(seed: int) -> None:
    x = torch.ones(200, 40)
    masking = Masking(feature_masks=2, feature_width=5, time_every=50, time_width=7)
    masked = augment.mask(x.clone(), masking, 0, generator(seed))
    steps, features = (masked == 0).all(dim=1), (masked == 0).all(dim=0)
    assert steps.sum() <= 4 * 7  # 200 / 50 masks
    assert features.sum() <= 2 * 5
    assert torch.equal(masked == 0, steps[:, None] | features[None, :])  # only whole rows and columns
    assert len(zero_runs(masked[:, int((~features).nonzero()[0])])) <= 4


def test_masks_reach_their_whole_width_and_wait_for_their_epoch() -> None:
    masking = Masking(time_every=50, time_width=7, from_epoch=2)
    x = torch.ones(100, 4)
    assert torch.equal(augment.mask(x.clone(), masking, 1, generator(0)), x)
    widths = {
        end - start
        for seed in range(100)
        for start, end in zero_runs(augment.mask(x[:50].clone(), masking, 2, generator(seed))[:, 0])
    }
    assert widths == set(range(1, 8))


def test_samples_shorter_than_a_mask_survive() -> None:
    masking = Masking(feature_masks=1, feature_width=9, time_every=1, time_width=30)
    for steps in (1, 2, 5):
        masked = augment.mask(torch.ones(steps, 3), masking, 0, generator(steps))
        assert masked.shape == (steps, 3)
        assert set(masked.flatten().tolist()) <= {0.0, 1.0}


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        (Masking, {"time_width": -1}),
        (SpeechAugment, {"tempo": 1.0}),
        (SpeechAugment, {"warp": -0.1}),
        (HandwritingAugment, {"stretch": 1.0}),
        (HandwritingAugment, {"rotation": 90}),
        (HandwritingAugment, {"blur": 1.5}),
        (HandwritingAugment, {"elastic": -1}),
    ],
)
def test_settings_that_make_no_sense_are_refused(kind: type, settings: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="augment"):
        kind(**settings)
