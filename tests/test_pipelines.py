"""Recordings and pictures to text through trained tiny bundles: the text, the times, the boxes, the refusals."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
from conftest import SPOKEN_TEXTS, TINY_SPEECH, WRITTEN_TEXTS, draw_line, spell_wave
from PIL import Image

from pipelines import HandwritingPipeline, SpeechPipeline
from pipelines.transcription import default_bundle, transcribe
from recog.ctc.hypothesis import Hypothesis, Span, Word
from recog.errors import CheckpointError, ConfigError, InputError
from recog.layout import lines
from recog.layout.cut import LinePicture
from recog.recognizer import DecodingOptions, Recognition

GREEDY = DecodingOptions(beam=0)


@pytest.fixture(scope="module", params=[0, 8], ids=["greedy", "beam"])
def speaker(request: pytest.FixtureRequest, trained_speech_bundle: Path) -> SpeechPipeline:
    return SpeechPipeline.load(trained_speech_bundle, DecodingOptions(beam=request.param))


@pytest.fixture(scope="module", params=[0, 8], ids=["greedy", "beam"])
def reader(request: pytest.FixtureRequest, trained_handwriting_bundle: Path) -> HandwritingPipeline:
    return HandwritingPipeline.load(trained_handwriting_bundle, DecodingOptions(beam=request.param))


def test_a_page_tells_how_far_it_is_and_reads_the_same(
    reader: HandwritingPipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    cuts = [LinePicture.whole(draw_line(text)) for text in (WRITTEN_TEXTS * 3)[:23]]
    monkeypatch.setattr(lines, "find_lines", lambda page, **_: cuts)
    page, shares = Image.new("L", (300, 600), 240), list[float]()
    assert reader(page, shares.append) == reader(page)
    # Lines are found in a quarter of the time; then 10 and 10 of 23 are read, and the last three.
    assert shares == pytest.approx([0.25, 0.25 + 0.75 * 10 / 23, 0.25 + 0.75 * 20 / 23])
    cuts.clear()
    assert reader(page, shares.append).text == "" and len(shares) == 3


def test_a_recording_to_text_from_path_and_bytes(speaker: SpeechPipeline, tmp_path: Path) -> None:
    path = tmp_path / "said.wav"
    for text in SPOKEN_TEXTS:
        soundfile.write(path, spell_wave(text, TINY_SPEECH.rate_hz), TINY_SPEECH.rate_hz)
        assert speaker(path).text == text
        assert speaker(path.read_bytes()) == speaker(path)


def test_word_times_are_where_the_sound_begins_and_ends(
    speaker: SpeechPipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Tones in 0.04..0.24 s ("ab") and 0.40..0.48 s ("c"); the network spikes within them, in frames of 0.02 s.
    spans = (Span(5, 6, 0.9), Span(9, 10, 0.8), Span(15, 16, 1.0), Span(22, 23, 0.7))
    words = (Word("ab", 0, 2, 0.8), Word("c", 3, 4, 0.7))
    known = Recognition("ab c", Hypothesis((2, 3, 1, 4), spans, 0.0, words))
    monkeypatch.setattr(speaker.recognizer, "read", lambda matrices: [known for _ in matrices])
    path = tmp_path / "said.wav"
    soundfile.write(path, spell_wave("ab c", TINY_SPEECH.rate_hz), TINY_SPEECH.rate_hz)  # 0.52 s
    found = speaker(path).words
    assert [(word.text, word.confidence) for word in found] == [("ab", 0.8), ("c", 0.7)]
    assert [time for word in found for time in (word.start, word.end)] == pytest.approx(
        [0.04, 0.24, 0.4, 0.48], abs=0.021
    )


def test_silence_gives_an_empty_transcript(speaker: SpeechPipeline, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "silent.wav", np.zeros(16000, np.float32), 8000)
    transcript = speaker(tmp_path / "silent.wav")
    assert (transcript.text, transcript.words, transcript.duration) == ("", (), 2.0)


def test_a_line_to_text(reader: HandwritingPipeline, tmp_path: Path) -> None:
    for text in WRITTEN_TEXTS:
        draw_line(text).save(tmp_path / "line.png")
        transcript = reader(tmp_path / "line.png")
        assert transcript.text == text
        assert reader((tmp_path / "line.png").read_bytes()) == transcript


def test_word_boxes_lie_over_the_words(reader: HandwritingPipeline, tmp_path: Path) -> None:
    line = draw_line("a pal")
    line.save(tmp_path / "line.png")
    first, second = reader(tmp_path / "line.png").words
    # Columns of ink, parted at the widest gap.
    columns = np.flatnonzero((np.asarray(line) < 128).any(axis=0))
    gap = int(np.argmax(np.diff(columns)))
    assert (first.text, second.text) == ("a", "pal")
    assert first.box[0] <= columns[gap] and first.box[2] <= columns[gap + 1] + 8
    assert columns[gap] < second.box[2] and second.box[0] >= columns[gap] - 8
    assert (first.box[1], first.box[3]) == (0, line.height)


def test_a_page_gives_its_lines_in_order(reader: HandwritingPipeline, tmp_path: Path) -> None:
    page = Image.new("L", (260, 60 * 6), 240)
    for number, text in enumerate(WRITTEN_TEXTS[:4]):
        page.paste(draw_line(text, size=36), (30, 60 * number + 50))
    page.save(tmp_path / "page.jpg", quality=95)
    transcript = reader(tmp_path / "page.jpg")
    assert len(transcript.lines) == 4
    assert transcript.text == "\n".join(line.text for line in transcript.lines)
    tops = [line.box[1] for line in transcript.lines]
    assert tops == sorted(tops)
    for line in transcript.lines:
        for word in line.words:
            assert line.box[0] - 1 <= word.box[0] < word.box[2] <= line.box[2] + 1


def test_an_empty_page_gives_an_empty_transcript(reader: HandwritingPipeline, tmp_path: Path) -> None:
    Image.new("L", (400, 500), 250).save(tmp_path / "page.png")
    transcript = reader(tmp_path / "page.png")
    assert (transcript.text, transcript.lines, transcript.width, transcript.height) == ("", (), 400, 500)


def test_the_wrong_kind_of_bundle_is_refused(trained_speech_bundle: Path, trained_handwriting_bundle: Path) -> None:
    with pytest.raises(ConfigError, match="needs a speech bundle"):
        SpeechPipeline.load(trained_handwriting_bundle)
    with pytest.raises(ConfigError, match="needs a handwriting bundle"):
        HandwritingPipeline.load(trained_speech_bundle)


def test_a_bad_file_costs_only_itself(trained_speech_bundle: Path, tmp_path: Path) -> None:
    good, bad = tmp_path / "good.wav", tmp_path / "bad.wav"
    soundfile.write(good, spell_wave("abcd"), 8000)
    bad.write_text("this is no sound\n")
    outcomes = list(transcribe([bad, good, tmp_path / "none.wav"], trained_speech_bundle, GREEDY))
    assert [outcome.transcript is None for outcome in outcomes] == [True, False, True]
    assert "bad.wav" in outcomes[0].failure and "none.wav does not exist" in outcomes[2].failure
    assert outcomes[1].transcript is not None and outcomes[1].transcript.text == "abcd"


def test_a_missing_bundle_ends_the_run_at_once(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="is not a bundle"):
        list(transcribe([tmp_path / "x.wav"], tmp_path / "nothing"))


@pytest.mark.parametrize(
    ("name", "bundle"),
    [("a.JPG", "handwriting-latin"), ("a.webp", "handwriting-latin"), ("a.mp4", "speech-en"), ("a", "speech-en")],
)
def test_the_bundle_follows_the_suffix(name: str, bundle: str) -> None:
    assert default_bundle(Path(name)) == bundle


@pytest.mark.parametrize("size", [(1, 1), (10_000, 3), (3, 10_000), (1, 10_000)])
def test_odd_pictures_are_read_or_refused_in_a_sentence(
    reader: HandwritingPipeline, tmp_path: Path, size: tuple[int, int]
) -> None:
    values = np.random.default_rng(0).integers(0, 255, size[::-1], dtype=np.uint8)
    Image.fromarray(values).save(tmp_path / "odd.png")
    try:
        transcript = reader(tmp_path / "odd.png")
    except InputError as error:
        assert "limit" in str(error)
    else:
        assert (transcript.width, transcript.height) == size
