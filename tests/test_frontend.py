from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from conftest import TINY_HANDWRITING, TINY_SPEECH, draw_line, spell_wave

from recog import audio, frontend, image
from recog.errors import ConfigError


def test_pad_keeps_lengths_beside_the_data() -> None:
    sequences = [torch.full((length, 3), float(length)) for length in (2, 5, 1)]
    batch = frontend.pad(sequences)
    assert batch.lengths.tolist() == [2, 5, 1]
    assert batch.x.shape == (3, 5, 3)
    for row, sequence in zip(batch.x, sequences, strict=True):
        assert torch.equal(row[: len(sequence)], sequence)
        assert row[len(sequence) :].abs().sum() == 0


def test_a_recording_becomes_its_features_from_path_and_bytes(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, spell_wave("abc"), 8000)
    expected = audio.features(audio.read(path, 8000), TINY_SPEECH)
    assert torch.equal(frontend.extract(path, TINY_SPEECH), expected)
    assert torch.equal(frontend.extract(path.read_bytes(), TINY_SPEECH), expected)
    assert torch.equal(frontend.features(frontend.decode(path, TINY_SPEECH), TINY_SPEECH), expected)
    assert frontend.media(TINY_SPEECH) == "audio"


def test_a_line_becomes_its_features_from_path_and_bytes(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    draw_line("abc").save(path)
    expected = image.features(image.fit_height(draw_line("abc"), TINY_HANDWRITING), TINY_HANDWRITING)
    assert torch.equal(frontend.extract(path, TINY_HANDWRITING), expected)
    assert torch.equal(frontend.extract(path.read_bytes(), TINY_HANDWRITING), expected)
    assert expected.shape[1] == TINY_HANDWRITING.features == 24
    assert frontend.media(TINY_HANDWRITING) == "image"


def test_the_wrong_kind_of_sample_is_refused() -> None:
    with pytest.raises(ConfigError, match="a ndarray came to a HandwritingFrontend"):
        frontend.features(np.zeros(100, np.float32), TINY_HANDWRITING)
    with pytest.raises(ConfigError, match="a Image came to a SpeechFrontend"):
        frontend.features(draw_line("abc"), TINY_SPEECH)
