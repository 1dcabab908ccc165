import json
import math
import tarfile
from pathlib import Path

import numpy as np
import pytest
import soundfile
from conftest import dominant_hz, tone_wave

from recog import augment
from recog.audio import Waveform
from recog.augment import SpeechAugment, codecs, noises, rooms
from recog.augment.codecs import Codec
from recog.augment.noises import Noise
from recog.augment.recordings import collection
from recog.augment.rooms import Room, Shoebox
from recog.augment.sound import Gain, Speed, amplify
from recog.errors import ConfigError, InputError

RATE = 16000


def generator(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


def power(wave: Waveform) -> float:
    return float(np.mean(np.square(wave, dtype=np.float64)))


def voice() -> Waveform:
    return tone_wave(200, 0.5)


@pytest.mark.parametrize("percent", [90, 97, 100, 110])
def test_speed_moves_pitch_and_length_together(percent: int) -> None:
    wave = tone_wave(1000, 1.0)
    played = augment.play_at(wave, percent)
    assert len(played) == math.ceil(len(wave) * 100 / percent)
    assert dominant_hz(played, RATE) == pytest.approx(10 * percent, abs=2)
    assert power(played[800:-800]) == pytest.approx(power(wave), rel=0.02)


def test_what_speed_lifts_past_half_the_rate_does_not_fold_back() -> None:
    # 7950 Hz played at 110 % would be 8745 Hz, more than the rate can hold, and come back as 7255 Hz: 15 dB down at least.
    assert power(augment.play_at(tone_wave(7950, 1.0), 110)) < 10**-1.5 * power(tone_wave(7950, 1.0))


def test_speeds_are_drawn_within_their_reach_and_as_often_as_asked() -> None:
    drawn = [augment.draw_speed(Speed(0.5, 0.1), generator(seed)) for seed in range(400)]
    assert set(drawn) == set(range(90, 111))
    assert 180 < drawn.count(100) < 260  # half of them, and the 100s of the other half
    random = generator(0)
    assert augment.draw_speed(Speed(), random) == 100
    assert random.random() == generator(0).random()  # nothing was drawn


@pytest.mark.parametrize("snr_db", [-5.0, 0.0, 20.0])
def test_noise_lies_as_far_below_the_speech_as_it_says(snr_db: float) -> None:
    speech, noise = tone_wave(440, 1.0), generator(1).standard_normal(RATE, np.float32) * 7
    added = noises.mix(speech, noise, snr_db) - speech
    assert 10 * math.log10(power(speech) / power(added)) == pytest.approx(snr_db, abs=0.01)
    assert np.corrcoef(added, noise)[0, 1] > 0.9999


def test_silence_stays_silent() -> None:
    silence = np.zeros(800, np.float32)
    everything = SpeechAugment(room=Room(1), noise=Noise(1), gain=Gain(1), codec=Codec(1))
    for seed in range(4):
        assert not augment.vary_sound(silence, RATE, everything, generator(seed), lambda: silence).any()


def slope_of(noise: Waveform) -> float:
    """Change of power per doubling of the frequency, in decibels."""
    spectrum = np.abs(np.fft.rfft(noise, 2**15)) ** 2
    octaves = [spectrum[start : 2 * start].mean() for start in (64, 128, 256, 512, 1024, 2048, 4096)]
    return float(np.polyfit(range(len(octaves)), 10 * np.log10(octaves), 1)[0])


def test_pink_noise_falls_by_3_decibels_an_octave_and_white_noise_does_not() -> None:
    assert slope_of(noises.pink(2**15, generator(0))) == pytest.approx(-3.0, abs=0.4)
    white = noises.draw(2**15, RATE, Noise(1, kinds=("white",)), generator(0), voice)
    assert slope_of(white) == pytest.approx(0, abs=0.4)


def test_hum_has_the_lines_of_the_mains_only() -> None:
    for seed in range(5):
        spectrum = np.abs(np.fft.rfft(noises.hum(RATE, RATE, generator(seed)))) ** 2  # bins of 1 Hz
        lines = {int(hz) for hz in np.argsort(spectrum)[-3:]}
        assert all(hz % 50 == 0 for hz in lines) or all(hz % 60 == 0 for hz in lines)


def test_babble_is_made_of_other_voices_equally_loud() -> None:
    tones = iter(
        [tone_wave(hz, 0.3, amplitude=loud) for hz, loud in zip(range(300, 900, 100), [0.1, 0.9] * 3, strict=True)]
    )
    asked = []
    babble = noises.babble(RATE, generator(3), lambda: asked.append(1) or next(tones))  # type: ignore[func-returns-value]
    assert 3 <= len(asked) <= 6
    spectrum = np.abs(np.fft.rfft(babble))[[100 * (3 + number) for number in range(len(asked))]]
    assert spectrum.max() < 1.5 * spectrum.min()


# A room of 5 x 4 x 3 m, whose walls will give back half the pressure; speaker and microphone at one height, 2 m apart along x.
ROOM = Shoebox((5.0, 4.0, 3.0), (1.0, 2.0, 1.5), (3.0, 2.0, 1.5), 0.2)


def test_sound_and_its_first_echoes_come_when_and_as_loud_as_geometry_says() -> None:
    response = rooms.response_of(ROOM, 48000, 0.5)
    # Mirror images along x at -1 and 9 m: 4 and 6 m away. Along y at -2 and 6 m: sqrt(4 + 16). Along z: sqrt(4 + 9).
    for metres, walls, images in ((2.0, 0, 1), (math.sqrt(13), 1, 2), (4.0, 1, 1), (math.sqrt(20), 1, 2), (6.0, 1, 1)):
        sample = metres / rooms.SPEED_OF_SOUND * 48000
        arrived = response[math.floor(sample)] + response[math.floor(sample) + 1]  # between the two
        expected = images * 0.5**walls / (4 * math.pi * metres)
        assert arrived == pytest.approx(expected, rel=1e-4), metres
    assert not response[: math.floor(2.0 / rooms.SPEED_OF_SOUND * 48000)].any()  # nothing outruns the direct sound


def test_the_number_of_images_is_that_of_a_lattice() -> None:
    # Without loss and without distance each image would count 1: their number is the volume heard over the room's.
    offsets, walls = rooms._images(5.0, 1.0, 3.0, 100.0)
    expected = sorted(-3.0 + sign * 1.0 + 10.0 * turn for turn in range(-11, 12) for sign in (1, -1))
    assert sorted(offsets) == pytest.approx(expected)
    # Walls met on the way: the number of multiples of 5 m between microphone and image.
    for offset, met in zip(offsets, walls, strict=True):
        low, high = sorted((3.0, 3.0 + offset))
        assert met == sum(low < 5.0 * wall < high for wall in range(-40, 41))


@pytest.mark.parametrize("seconds", [0.15, 0.4])
def test_reverberation_is_read_off_a_decay_of_known_length(seconds: float) -> None:
    steps = np.arange(round(1.5 * seconds * RATE)) / RATE
    decaying = generator(0).standard_normal(len(steps)) * 10 ** (-3 * steps / seconds)  # 60 dB in so many seconds
    assert rooms.reverberation_of(decaying.astype(np.float32), RATE) == pytest.approx(seconds, rel=0.05)


@pytest.mark.parametrize("seconds", [0.2, 0.35])
def test_a_simulated_room_has_the_reverberation_asked_for(seconds: float) -> None:
    for seed in range(4):
        room = rooms.draw(generator(seed), seconds, seconds)
        assert rooms.reverberation_of(rooms.simulate(room, RATE), RATE) == pytest.approx(seconds, rel=0.12)


def test_a_room_leaves_words_where_they_were_and_as_loud_as_they_were() -> None:
    speech = np.zeros(RATE, np.float32)
    speech[4000:8000] = generator(0).standard_normal(4000, np.float32) * 0.1
    for seed in range(5):
        heard = rooms.reverberate(speech, RATE, Room(1), generator(seed))
        assert len(heard) == len(speech)
        assert power(heard) == pytest.approx(power(speech), rel=1e-3)
        assert np.abs(heard[:3990]).max() < 1e-4
        assert int(np.argmax(np.correlate(heard, speech, "same"))) == pytest.approx(RATE // 2, abs=2)


def test_the_telephone_lets_its_band_through_and_nothing_else() -> None:
    for hz, share in ((100, 0.0), (1000, 1.0), (3000, 1.0), (5000, 0.0)):
        heard = codecs.telephone(tone_wave(hz, 0.5), RATE)
        assert power(heard[1000:-1000]) / power(tone_wave(hz, 0.5)) == pytest.approx(share, abs=0.1), hz
    assert len(np.unique(codecs.telephone(tone_wave(1000, 1.0, 8000), 8000))) <= 255


@pytest.mark.parametrize("kind", ["opus", "mp3"])
def test_real_codecs_lose_quality_but_not_time(kind: str) -> None:
    noise = np.fft.rfft(generator(1).standard_normal(RATE))
    noise[:300], noise[2000:] = 0, 0  # the band of speech
    speech = (np.fft.irfft(noise) * 0.3).astype(np.float32)
    speech[:4000], speech[12000:] = 0, 0
    heard = codecs.round_trip(speech, RATE, kind, 16000)
    assert heard.shape == speech.shape
    assert not np.array_equal(heard, speech)
    lag = int(np.argmax(np.correlate(heard, speech, "full"))) - (len(speech) - 1)
    assert abs(lag) <= 16  # a millisecond


def test_gain_wanders_within_its_decibels() -> None:
    steady = np.full(10 * RATE, 0.1, np.float32)
    for seed in range(5):
        levels = 20 * np.log10(amplify(steady, RATE, Gain(1, -10, 6, 3), generator(seed)) / 0.1)
        assert levels.min() >= -13.01
        assert levels.max() <= 9.01
        assert np.abs(np.diff(levels)).max() < 0.001  # no clicks
    loud = augment.vary_sound(steady * 9, RATE, SpeechAugment(gain=Gain(1, 12, 12, 0)), generator(0), voice)
    assert loud.max() == 1.0


def test_nothing_asked_changes_nothing_and_draws_nothing() -> None:
    wave, random = tone_wave(), generator(5)
    assert augment.vary_sound(wave, RATE, SpeechAugment(), random, voice) is wave
    assert random.random() == generator(5).random()


def test_a_seed_repeats_a_sound_and_chances_are_what_they_say() -> None:
    wave = tone_wave(seconds=0.2)
    changing = SpeechAugment(room=Room(0.3), noise=Noise(0.3), gain=Gain(0.3), codec=Codec(0.3))
    changed = 0
    for seed in range(60):
        first, second = (augment.vary_sound(wave, RATE, changing, generator(seed), voice) for _ in range(2))
        assert np.array_equal(first, second)
        assert first.dtype == np.float32
        assert np.abs(first).max() <= 1
        changed += first is not wave
    assert 60 * 0.6 < changed < 60 * 0.9  # 1 - 0.7 ** 4 = 0.76


def test_recordings_come_from_manifests_folders_and_tars(tmp_path: Path) -> None:
    (tmp_path / "noise").mkdir()
    for name, hz in (("a", 500), ("b", 1000), ("c", 2000)):
        soundfile.write(tmp_path / "noise" / f"{name}.wav", tone_wave(hz, 0.2), RATE)
    rows = [("a", "noise", "train"), ("b", "room", "train"), ("c", "noise", "dev")]
    lines = [json.dumps({"audio": f"noise/{name}.wav", "kind": kind, "part": part}) for name, kind, part in rows]
    (tmp_path / "n.jsonl").write_text("\n".join(lines) + "\n")
    with tarfile.open(tmp_path / "n.tar", "w") as tar:
        tar.add(tmp_path / "noise", "noise")

    def tones(source: Path, kind: str = "", part: str = "") -> list[int]:
        found = collection(str(source), RATE, kind, part)
        return [round(dominant_hz(found.waveform(index), RATE)) for index in range(len(found))]

    assert tones(tmp_path / "noise") == [500, 1000, 2000]
    assert sorted(tones(tmp_path / "n.tar")) == sorted(tones(tmp_path / "n.tar" / "noise")) == [500, 1000, 2000]
    assert tones(tmp_path / "n.jsonl", "noise") == [500, 2000]
    assert tones(tmp_path / "n.jsonl", "noise", "train") == [500]
    assert tones(tmp_path / "n.jsonl", "room") == [1000]
    (tmp_path / "noise").rename(tmp_path / "away")  # then they are looked for in the tar beside
    collection.cache_clear()
    assert tones(tmp_path / "n.jsonl", "noise") == [500, 2000]
    given = Noise(1, 10, 10, str(tmp_path / "n.jsonl"), "dev")
    added = noises.add(tone_wave(300, 0.5), RATE, given, generator(0), voice) - tone_wave(300, 0.5)
    assert round(dominant_hz(added, RATE) / 20) == 100


def test_recordings_that_are_not_there_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="does not exist; name a manifest, a folder or a tar"):
        collection(str(tmp_path / "none"), RATE)
    with pytest.raises(ConfigError, match="holds no recordings"):
        collection(str(tmp_path), RATE)
    (tmp_path / "m.jsonl").write_text('{"audio": "gone.wav"}\n{"image": "x"}\n')
    with pytest.raises(ConfigError, match=r"line 2 of .* has no 'audio'"):
        collection(str(tmp_path / "m.jsonl"), RATE)
    (tmp_path / "n.jsonl").write_text('{"audio": "gone.wav"}\n')
    with pytest.raises(InputError, match=r"gone\.wav does not exist"):
        collection(str(tmp_path / "n.jsonl"), RATE).waveform(0)


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        (Speed, {"chance": 1.1}),
        (Speed, {"reach": 0.0}),
        (Gain, {"lowest_db": 3, "highest_db": 2}),
        (Noise, {"lowest_snr_db": 3, "highest_snr_db": 2}),
        (Noise, {"kinds": ("brown",)}),
        (Room, {"shortest_seconds": 0.01}),
        (Room, {"longest_seconds": 9.0}),
        (Codec, {"kinds": ()}),
        (Codec, {"lowest_kbit": 1.0}),
    ],
)
def test_settings_that_make_no_sense_are_refused(kind: type, settings: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match=r"^augment\."):
        kind(**settings)


def test_a_codec_refuses_a_rate_it_does_not_know() -> None:
    with pytest.raises(ConfigError, match="opus takes no 44100 Hz"):
        codecs.round_trip(tone_wave(rate_hz=44100), 44100, "opus", 16000)
