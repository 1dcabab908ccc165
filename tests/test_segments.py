"""Long recordings: who speaks when, where they are cut, and what is heard twice put together."""

import importlib.util
import itertools

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from recog import voice
from recog.audio import Waveform
from recog.errors import ConfigError
from recog.segments import Cutting, Segment, segments
from recog.stitching import seam, stitch, word_border
from recog.voice import LoudnessDetector, detector

RATE_HZ = 1000
CUTTING = Cutting(longest=6.0, pause=0.2, overlap=2.0, rest=3.0, margin=0.5)


class Known:
    """Speech is what is above zero: the truth of waveforms built below."""

    window = 32

    def __call__(self, samples: Waveform) -> NDArray[np.bool_]:
        return samples.reshape(-1, self.window).max(axis=1) > 0.1


def built(*parts: tuple[float, float]) -> Waveform:
    """(seconds, amplitude) after each other."""
    return np.concatenate([np.full(round(seconds * RATE_HZ), amplitude, np.float32) for seconds, amplitude in parts])


def cut(waveform: Waveform, cutting: Cutting = CUTTING, block: int = 700, grid: int = 20) -> list[Segment]:
    blocks = [waveform[start : start + block] for start in range(0, len(waveform), block)]
    return list(segments(blocks, RATE_HZ, grid, Known, cutting))


def check_cover(found: list[Segment], waveform: Waveform) -> None:
    """They show all of the recording, begin where they should, and are no longer than asked."""
    assert found[0].start == 0
    assert found[-1].stop == len(waveform)
    for segment in found:
        assert np.array_equal(segment.waveform, waveform[segment.start : segment.stop])
        assert segment.start % 20 == 0
        assert 0 < segment.waveform.size <= 6 * RATE_HZ
    for one, two in itertools.pairwise(found):
        assert one.goes_on == two.overlaps
        assert one.stop - two.start == (2 * RATE_HZ if two.overlaps else 0)
    assert not found[0].overlaps and not found[-1].goes_on


def test_a_short_recording_stays_whole_and_is_not_judged() -> None:
    wave = built((6.0, 0.5))

    def never() -> Known:
        raise AssertionError

    (found,) = segments([wave[:100], wave[100:]], RATE_HZ, 20, never, CUTTING)
    assert (found.start, found.spoken, found.overlaps) == (0, True, False)
    assert np.array_equal(found.waveform, wave)


def test_cuts_lie_in_the_longest_pause_of_each_second_half() -> None:
    wave = built((3.5, 1), (0.3, 0), (1.0, 1), (0.7, 0), (4.0, 1), (0.5, 0), (3.0, 1))
    found = cut(wave)
    check_cover(found, wave)
    # Pauses 3.5..3.8 and 4.8..5.5 in the half 3..6; from about 5 on, 9.5..10 in 8..11; then the rest.
    assert [segment.spoken for segment in found] == [True] * 3
    assert 4.8 <= found[0].stop / RATE_HZ <= 5.5
    assert 9.5 <= found[1].stop / RATE_HZ <= 10.0


def test_where_nobody_pauses_segments_overlap() -> None:
    wave = built((13.0, 1))
    found = cut(wave)
    check_cover(found, wave)
    assert [(segment.start / RATE_HZ, segment.overlaps) for segment in found] == [(0, False), (4, True), (8, True)]


def test_a_long_rest_is_not_listened_to() -> None:
    # 4 s of quiet before, 12 s within, 5 s after; half a second of it is heard at each side.
    wave = built((4.0, 0), (2.0, 1), (12.0, 0), (2.0, 1), (5.0, 0))
    found = cut(wave)
    check_cover(found, wave)
    heard = [(segment.start / RATE_HZ, segment.stop / RATE_HZ) for segment in found if segment.spoken]
    assert np.allclose(heard, [(3.5, 6.5), (17.5, 20.5)], atol=0.05)
    everything = cut(wave, Cutting(longest=6.0, pause=0.2, overlap=2.0, rest=None))
    check_cover(everything, wave)
    assert all(segment.spoken for segment in everything)


def test_a_click_does_not_end_a_rest() -> None:
    wave = built((2.0, 1), (4.0, 0), (0.03, 1), (4.0, 0), (2.0, 1))
    assert [spoken for spoken, _ in itertools.groupby(cut(wave), lambda one: one.spoken)] == [True, False, True]


@pytest.mark.parametrize("seed", range(4))
def test_segments_cover_and_do_not_depend_on_blocks(seed: int) -> None:
    random = np.random.default_rng(seed)
    parts = [(float(random.exponential(2.0)), float(random.integers(2))) for _ in range(30)]
    wave = built(*parts, (0.017, 1))
    found = cut(wave)
    check_cover(found, wave)
    for block in (1, 997, len(wave)):
        again = cut(wave, block=block)
        assert [(one.start, one.stop, one.spoken) for one in again] == [
            (one.start, one.stop, one.spoken) for one in found
        ]
    # Nothing said is left out: what is not listened to is silent.
    assert not any(segment.waveform.any() for segment in found if not segment.spoken)


def test_wrong_lengths_are_refused() -> None:
    with pytest.raises(ConfigError, match="below half of longest"):
        Cutting(longest=6.0, overlap=3.0)
    with pytest.raises(ConfigError, match="rest above twice the margin"):
        Cutting(rest=0.9)


def bursts(rate_hz: int, noise: float, level: float) -> tuple[Waveform, NDArray[np.bool_]]:
    """A second of hum every other second in noise, and in which windows it sounds."""
    random, count = np.random.default_rng(0), 20 * rate_hz
    wave = random.normal(0, noise, count)
    sounds = np.arange(count) // rate_hz % 2 == 1
    wave[sounds] += random.normal(0, level, int(sounds.sum()))
    window = round(0.032 * rate_hz)
    return wave.astype(np.float32)[: count // window * window], sounds[: count // window * window : window]


@pytest.mark.parametrize(("noise", "level"), [(0.0, 0.2), (0.01, 0.2), (0.03, 0.2), (0.001, 0.003)])
def test_loudness_finds_speech_in_noise(noise: float, level: float) -> None:
    wave, sounds = bursts(8000, noise, level)
    judged = LoudnessDetector(8000)(wave)
    assert np.mean(judged[100:] == sounds[100:]) > 0.95  # windows on an edge may go either way
    assert judged[sounds].mean() > 0.95


def test_loudness_takes_even_sound_for_speech_and_silence_for_none() -> None:
    steady = np.random.default_rng(0).normal(0, 0.1, 256 * 200).astype(np.float32)
    assert LoudnessDetector(8000)(steady).all()
    assert not LoudnessDetector(8000)(np.zeros(256 * 200, np.float32)).any()


@pytest.mark.parametrize("name", ["loudness", "silero"])
def test_a_detector_judges_in_parts_as_in_one(name: str) -> None:
    if name == "silero" and importlib.util.find_spec("silero_vad") is None:
        with pytest.raises(ConfigError, match=r"pip install 'recog\[voice\]'"):
            detector(name, 8000)
        return
    wave, _ = bursts(8000, 0.01, 0.2)
    wave = wave[: 256 * 150]
    whole, parts, threads = detector(name, 8000)(wave), detector(name, 8000), torch.get_num_threads()
    again = np.concatenate([parts(wave[:256]), parts(wave[256 : 256 * 40]), parts(wave[256 * 40 :])])
    assert np.array_equal(whole, again)
    assert torch.get_num_threads() == threads
    if name == "silero":
        assert not whole.any()  # bursts of noise are loud, and no voice


def test_detectors_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(voice, "_installed", lambda: False)
    assert isinstance(detector("auto", 16000), LoudnessDetector)
    with pytest.raises(ConfigError, match=r"pip install 'recog\[voice\]'"):
        detector("silero", 16000)
    with pytest.raises(ConfigError, match="hears 8000 or 16000 Hz, the bundle 22050"):
        detector("silero", 22050)
    with pytest.raises(ConfigError, match="choose 'auto', 'silero' or 'loudness'"):
        detector("ears", 16000)


def spikes(frames: int, at: dict[int, int], symbols: int = 4) -> NDArray[np.float32]:
    """Log-probabilities of blank, and of a symbol at some frames."""
    probabilities = np.full((frames, symbols), 0.01)
    labels = [at.get(frame, 0) for frame in range(frames)]
    probabilities[np.arange(frames), labels] = 1 - 0.01 * (symbols - 1)
    return np.log(probabilities).astype(np.float32)


def read(log_probs: NDArray[np.float32]) -> list[int]:
    return [label for label, _ in itertools.groupby(log_probs.argmax(axis=1).tolist()) if label]


def test_a_seam_loses_and_doubles_nothing() -> None:
    whole = spikes(60, {5: 1, 20: 2, 27: 1, 29: 2, 31: 3, 50: 1})
    # The second window hears its letters a frame later; the first one goes wrong at its end, the second at its start.
    left, right = whole[:40].copy(), spikes(40, {1: 3, 8: 1, 10: 2, 12: 3, 31: 1})
    left[37] = spikes(1, {0: 3})[0]
    assert read(whole) == read(stitch(left, right, 20)) == [1, 2, 1, 2, 3, 1]
    assert len(stitch(left, right, 20)) == 60
    assert 25 <= seam(left, right, 20) < 35


def test_a_seam_between_equal_windows_changes_nothing() -> None:
    whole = spikes(100, {frame: 1 + frame % 3 for frame in range(0, 100, 5)})
    assert np.array_equal(stitch(whole[:60], whole[40:], 40), whole)
    assert np.array_equal(stitch(whole[:41], whole[40:], 40), whole)  # a single common frame


def test_a_text_is_parted_after_a_space_or_in_the_calm() -> None:
    said = spikes(40, {10: 3, 14: 1, 15: 2, 20: 3, 35: 1})
    assert word_border(said, 12, 40, space=3) == 21
    assert word_border(said, 12, 40, space=None) in range(23, 33)
