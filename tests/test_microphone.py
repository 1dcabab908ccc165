import base64
import itertools
from pathlib import Path

import numpy as np
import pytest
from conftest import SPOKEN_TEXTS, TINY_SPEECH, spell_wave
from oracles import ByWord

pytest.importorskip("gradio", reason="the page needs gradio: pip install 'recog[app]'")

from pipelines.speech import SpeechPipeline
from pipelines.web.limits import Limits
from pipelines.web.microphone import MOST, Microphone, Microphones
from recog import audio
from recog.errors import InputError

RATE_HZ = TINY_SPEECH.rate_hz


@pytest.fixture
def microphones(trained_speech_bundle: Path, tmp_path: Path) -> Microphones:
    pipeline = SpeechPipeline.load(trained_speech_bundle)
    return Microphones(lambda: Microphone(pipeline, tmp_path, Limits(minutes=0.05)))


def sent(token: str, samples: np.ndarray, rate_hz: int = RATE_HZ) -> dict[str, object]:
    content = np.round(samples * 32767).astype("<i2").tobytes()
    return {"token": token, "rate": rate_hz, "sound": base64.b64encode(content).decode()}


def test_what_is_said_is_read_and_kept(microphones: Microphones) -> None:
    token = microphones.hear([{}])["token"]
    wave = spell_wave(SPOKEN_TEXTS[0], RATE_HZ)
    microphones.hear([sent(token, wave[:2000])])
    assert microphones.hear([sent(token, wave[2000:])]) == {"settled": "", "open": SPOKEN_TEXTS[0], "more": ""}
    path = microphones.take(token).close()
    assert np.abs(audio.read(path, RATE_HZ) - wave).max() < 1e-4
    with pytest.raises(InputError, match="does not know this microphone any more"):
        microphones.take(token)


def test_what_is_said_is_written_as_it_will_be_in_the_end(trained_speech_bundle: Path, tmp_path: Path) -> None:
    pipeline = SpeechPipeline.load(trained_speech_bundle)
    pipeline.restorer = ByWord()
    microphones = Microphones(lambda: Microphone(pipeline, tmp_path, Limits()))
    token = microphones.open()
    said = np.concatenate([np.zeros(RATE_HZ // 2, np.float32), *[spell_wave(text, RATE_HZ) for text in SPOKEN_TEXTS]])
    told = [microphones.hear([sent(token, said)]) for _ in range(8)]
    # What has settled begins with a capital, once, and only grows; what is open goes on after it.
    settled = [one["settled"] for one in told]
    assert settled[0] == "" and told[0]["open"][0].isupper()
    assert all(later.startswith(earlier) for earlier, later in itertools.pairwise(settled))
    assert settled[-1][0].isupper() and settled[-1][1:].islower() and told[-1]["open"].islower()


def test_what_is_over_the_limit_is_not_kept(microphones: Microphones) -> None:
    token = microphones.open()
    told = microphones.hear([sent(token, np.zeros(4 * RATE_HZ, np.float32))])
    assert told["more"] == "The limit of 0.05 minutes is reached."
    assert len(audio.read(microphones.take(token).close(), RATE_HZ)) == 3 * RATE_HZ


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"token": "guessed"}, "does not know this microphone"),
        ({"token": ["x"]}, "does not know this microphone"),
        ({"rate": 0}, "8000 to 192000 samples a second"),
        ({"rate": "x"}, "8000 to 192000 samples a second"),
        ({"sound": 5}, "no sound in 16 bits"),
        ({"sound": "**"}, "no base64"),
        ({"sound": "AA=="}, "half a sample"),
        ({"sound": "A" * 1_400_000}, "more than a minute at once"),
    ],
)
def test_what_no_browser_sends_is_told_in_a_sentence(
    microphones: Microphones, change: dict[str, object], sentence: str
) -> None:
    data = sent(microphones.open(), np.zeros(10, np.float32)) | change
    assert sentence in microphones.hear([data])["more"]


def test_silence_is_no_recording_and_the_oldest_make_room(microphones: Microphones) -> None:
    tokens = [microphones.open() for _ in range(MOST + 1)]
    with pytest.raises(InputError, match="does not know"):
        microphones.take(tokens[0])
    with pytest.raises(InputError, match="nothing came from the microphone"):
        microphones.take(tokens[1]).close()
