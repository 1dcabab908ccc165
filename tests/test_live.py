from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from conftest import SPOKEN_TEXTS, TINY_SPEECH, spell_wave, tone_wave
from scipy import signal
from torch import Tensor

from pipelines.live import LiveText
from pipelines.speech import SpeechPipeline
from recog.errors import ConfigError
from recog.recognizer import DecodingOptions, Recognizer


@pytest.fixture
def listener(trained_speech_bundle: Path) -> LiveText:
    return LiveText(SpeechPipeline.load(trained_speech_bundle, DecodingOptions(beam=0)).recognizer)


def test_the_text_grows_with_the_sound_and_ends_as_that_of_the_whole(listener: LiveText) -> None:
    wave = spell_wave(SPOKEN_TEXTS[1], TINY_SPEECH.rate_hz)
    chunks = np.array_split(wave, 4)
    texts = [listener.hear(chunk, TINY_SPEECH.rate_hz) for chunk in chunks]
    assert texts[-1] == SPOKEN_TEXTS[1] and texts[0] != texts[-1]
    assert listener.hear(np.zeros(0, np.float32), TINY_SPEECH.rate_hz) == SPOKEN_TEXTS[1]


class Counting:
    """Reads sound as the number of its steps."""

    def __init__(self, recognizer: Recognizer) -> None:
        self.bundle = recognizer.bundle

    def recognise(self, features: Sequence[Tensor]) -> list[SimpleNamespace]:
        return [SimpleNamespace(text=str(len(matrix))) for matrix in features]


def test_long_sound_is_parted_where_it_is_quiet_and_settles(listener: LiveText) -> None:
    rate_hz, hop = TINY_SPEECH.rate_hz, round(TINY_SPEECH.hop_seconds * TINY_SPEECH.rate_hz)
    counting = LiveText(Counting(listener.recognizer))  # type: ignore[arg-type]
    loud = tone_wave(440, 1.0, rate_hz)
    quiet = np.concatenate([loud * 0.01 if 5 <= second < 6 else loud for second in range(11)])
    assert counting.hear(quiet[: 9 * rate_hz], rate_hz) == "901" and counting.settled == ""
    text = counting.hear(quiet[9 * rate_hz :], rate_hz)
    first, second = map(int, text.split())
    # Parted within the quiet second, with nothing lost: each part has one step more than hops.
    assert 500 < first < 600 and (first - 1) + (second - 1) == len(quiet) // hop
    assert counting.hear(loud[:hop], rate_hz) == f"{first} {second + 1}"


def test_silence_says_nothing_and_rates_do_not_change(listener: LiveText) -> None:
    assert LiveText(listener.recognizer).hear(np.zeros(8000, np.float32), 16000) == ""
    wave = signal.resample(short := spell_wave(SPOKEN_TEXTS[0], 8000), 2 * len(short))
    assert listener.hear(wave, 16000) == SPOKEN_TEXTS[0]
    with pytest.raises(ConfigError, match="sound came with 8000 samples a second; expected 16000"):
        listener.hear(wave, 8000)
