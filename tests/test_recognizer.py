from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import SPOKEN_TEXTS, TINY_HANDWRITING, TINY_SPEECH, WRITTEN_TEXTS, draw_line, random_bundle, spell_wave

from recog import audio, checkpoint, image
from recog.ctc.greedy import greedy
from recog.errors import ConfigError, InputError
from recog.recognizer import DecodingOptions, Recognizer


def spoken(text: str) -> torch.Tensor:
    return audio.features(spell_wave(text), TINY_SPEECH)


@pytest.mark.parametrize("beam", [0, 8])
def test_trained_bundles_read_what_they_have_learnt(
    beam: int, trained_speech_bundle: Path, trained_handwriting_bundle: Path
) -> None:
    options = DecodingOptions(beam=beam)
    speech = Recognizer(checkpoint.load(trained_speech_bundle), options)
    assert [found.text for found in speech.recognise([spoken(text) for text in SPOKEN_TEXTS])] == list(SPOKEN_TEXTS)
    handwriting = Recognizer(checkpoint.load(trained_handwriting_bundle), options)
    lines = [
        image.features(image.fit_height(draw_line(text), TINY_HANDWRITING), TINY_HANDWRITING) for text in WRITTEN_TEXTS
    ]
    assert [found.text for found in handwriting.recognise(lines)] == list(WRITTEN_TEXTS)


@pytest.mark.parametrize("beam", [0, 8])
def test_a_span_for_each_character_in_order(beam: int, trained_speech_bundle: Path) -> None:
    recognizer = Recognizer(checkpoint.load(trained_speech_bundle), DecodingOptions(beam=beam))
    assert recognizer.step_size == pytest.approx(0.02)  # 10 ms hops, shortened twice
    for text in SPOKEN_TEXTS:
        (found,) = recognizer.recognise([spoken(text)])
        edges = [edge for span in found.hypothesis.spans for edge in (span.start, span.end)]
        assert len(edges) == 2 * len(text)
        assert edges == sorted(edges)
        assert edges[0] >= 0
        assert edges[-1] * recognizer.step_size <= len(spell_wave(text)) / 8000 + 0.03
        assert all(0.5 < span.confidence <= 1 + 1e-6 for span in found.hypothesis.spans)


def test_company_and_order_change_nothing() -> None:
    recognizer = Recognizer(random_bundle(TINY_SPEECH, " abcd", "spoken"), DecodingOptions(batch_frames=100))
    samples = [torch.randn(length, 16) for length in (60, 3, 31, 1, 45, 8, 90, 200)]
    alone = [recognizer.recognise([sample])[0] for sample in samples]
    together = recognizer.recognise(samples)
    assert [found.text for found in together] == [found.text for found in alone]
    assert [found.text for found in recognizer.recognise(samples[::-1])] == [found.text for found in alone][::-1]
    for one, other in zip(together, alone, strict=True):
        assert one.hypothesis.score == pytest.approx(other.hypothesis.score, abs=1e-3)


def test_log_probs_are_the_networks_without_padding() -> None:
    bundle = random_bundle(TINY_SPEECH, " abcd", "spoken")
    recognizer = Recognizer(bundle, DecodingOptions(beam=0))
    samples = [torch.randn(length, 16) for length in (21, 4)]
    found = dict(recognizer.log_probs(samples))
    for index, sample in enumerate(samples):
        with torch.no_grad():
            expected = bundle.network(sample[None], torch.tensor([len(sample)])).log_probs[0].numpy()
        assert found[index].shape == expected.shape
        assert np.abs(found[index] - expected).max() < 1e-5
        (recognition,) = recognizer.recognise([sample])
        assert recognition.text == bundle.alphabet.decode(greedy(expected).labels)


def test_a_network_left_in_training_is_used_without_dropout() -> None:
    bundle = random_bundle(TINY_SPEECH, " abcd", "spoken")
    bundle.network.dropout.p = 0.9
    bundle.network.train()
    sample = torch.randn(20, 16)
    one, other = (dict(Recognizer(bundle, DecodingOptions()).log_probs([sample]))[0] for _ in range(2))
    assert np.array_equal(one, other)


def test_no_samples_give_no_recognitions() -> None:
    assert Recognizer(random_bundle(TINY_SPEECH, "ab", "spoken")).recognise([]) == []


@pytest.mark.parametrize("shape", [(5, 17), (5,), (0, 16), (1, 5, 16)])
def test_features_of_another_shape_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match=r"came; expected \(T, 16\)"):
        Recognizer(random_bundle(TINY_SPEECH, "ab", "spoken")).recognise([torch.zeros(shape)])


@pytest.mark.parametrize("settings", [{"beam": -1}, {"batch_frames": 0}, {"device": "tpu"}])
def test_wrong_options_are_refused(settings: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match=r"^decoding: "):
        DecodingOptions(**settings)  # type: ignore[arg-type]


def test_a_missing_gpu_is_refused_with_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ConfigError, match="finds no GPU here; use 'auto' or 'cpu'"):
        Recognizer(random_bundle(TINY_SPEECH, "ab", "spoken"), DecodingOptions(device="cuda"))
    assert Recognizer(random_bundle(TINY_SPEECH, "ab", "spoken"), DecodingOptions(device="auto")).device.type == "cpu"


def test_step_size_of_handwriting_is_columns() -> None:
    assert Recognizer(random_bundle(TINY_HANDWRITING, "ab", "strict")).step_size == 2
