"""One tuning sets weights, confidences and word times of a bundle, and leaves a bundle that uses them."""

import json
import shutil
from pathlib import Path

import pytest
import soundfile
from conftest import SPOKEN_TEXTS, TINY_HANDWRITING, TINY_SPEECH, WRITTEN_TEXTS, spell_wave, write_rows

from pipelines import SpeechPipeline
from pipelines.bundle_language import put_models
from pipelines.cli import main
from pipelines.language_model import save_language_model
from pipelines.tuning import drawn, tune
from recog import checkpoint
from recog.errors import ConfigError
from recog.lm.train import NgramConfig, train
from recog.manifest import Row
from recog.recognizer import DecodingOptions, Recognizer
from scripts.measure_confidence import main as measure_confidence


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Each text 9 times: 117 words."""
    return write_rows(tmp_path_factory.mktemp("rows"), TINY_SPEECH, SPOKEN_TEXTS * 9, speaker="x", part="tune")


@pytest.fixture
def bundle(trained_speech_bundle: Path, tmp_path: Path) -> Path:
    shutil.copytree(trained_speech_bundle, tmp_path / "bundle")
    return tmp_path / "bundle"


def test_all_is_tuned_in_one_go_and_used(
    bundle: Path, rows: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = tmp_path / "characters.lm"
    save_language_model(train(SPOKEN_TEXTS, NgramConfig(order=2, unit="character", text_rule="spoken")), model)
    arguments = ["tune", str(bundle), str(rows), "--beam", "8", "--characters", str(model), "--times", str(rows)]
    assert main(arguments) == 0
    told = capsys.readouterr().out
    assert "confidences calibrated: greedy, beam, language" in told
    assert "word times: median error" in told
    stored = json.loads((bundle / "decoder.json").read_text(encoding="utf-8"))
    assert stored["beam"] == 8
    assert set(stored["confidences"]) == {"greedy", "beam", "language"}
    assert set(stored["timing"]) == {"quiet", "pause", "back", "forth", "onset", "release"}
    for options in (DecodingOptions(), DecodingOptions(beam=0), DecodingOptions(language=False)):
        assert Recognizer(checkpoint.load(bundle), options).calibrated
    soundfile.write(tmp_path / "said.wav", spell_wave("dab c"), TINY_SPEECH.rate_hz)
    transcript = SpeechPipeline.load(bundle)(tmp_path / "said.wav")
    assert transcript.calibrated
    # All words it was tuned on are right.
    assert [(word.text, word.confidence > 0.9) for word in transcript.words] == [("dab", True), ("c", True)]


def test_a_bundle_without_language_models_is_calibrated_too(bundle: Path, rows: Path, tmp_path: Path) -> None:
    before = SpeechPipeline.load(bundle).recognizer
    assert not before.calibrated
    tuned = tune(bundle, rows, beam=8)
    assert (tuned.calibrated, tuned.raw, tuned.trials, tuned.timed) == (("greedy", "beam"), (), (), None)
    assert "word times as they were" in list(tuned.table())[-1]
    assert SpeechPipeline.load(bundle).recognizer.calibrated
    out, picture = tmp_path / "ways.json", tmp_path / "ways.png"
    assert measure_confidence([str(bundle), str(rows), "--json", str(out), "--plot", str(picture)]) == 0
    ways = json.loads(out.read_text(encoding="utf-8"))
    assert [(way["mode"], way["calibrated"], way["found"]["words"]) for way in ways] == [
        ("greedy", True, 117),
        ("beam", True, 117),
    ]
    assert all(way["found"]["error_width"] < 0.02 for way in ways)
    assert picture.read_bytes()[:4] == b"\x89PNG"


def test_too_few_words_leave_confidences_raw_and_say_so(bundle: Path, tmp_path: Path) -> None:
    few = write_rows(tmp_path / "few", TINY_SPEECH, SPOKEN_TEXTS, part="tune")
    tuned = tune(bundle, few, beam=8)
    assert (tuned.calibrated, tuned.raw) == ((), ("greedy", "beam"))
    assert any("too few words, left raw: greedy, beam" in line for line in tuned.table())
    assert not SpeechPipeline.load(bundle).recognizer.calibrated


def test_a_model_of_the_other_unit_is_refused(bundle: Path, tmp_path: Path) -> None:
    model = tmp_path / "x.lm"
    save_language_model(train(SPOKEN_TEXTS, NgramConfig(order=2, unit="character", text_rule="spoken")), model)
    with pytest.raises(ConfigError, match="is a character model; expected a word model"):
        put_models(bundle, model, None)


def test_written_words_have_no_times(random_handwriting_bundle: Path, rows: Path, tmp_path: Path) -> None:
    shutil.copytree(random_handwriting_bundle, tmp_path / "bundle")
    written = write_rows(tmp_path / "written", TINY_HANDWRITING, WRITTEN_TEXTS, part="tune")
    with pytest.raises(ConfigError, match="word times are tuned for speech only"):
        tune(tmp_path / "bundle", written, beam=8, times_path=rows)


def test_rows_are_drawn_by_whole_pages() -> None:
    def rows(pages: str) -> list[Row]:
        return [Row(str(place), Path("x"), "image", "", fields={"page": page}) for place, page in enumerate(pages)]

    names = rows("aaabbbcccddd")
    assert [row.id for row in drawn(names, 6)] == ["0", "1", "2", "9", "10", "11"]  # two pages of four
    assert drawn(names, 12) == names and drawn(names, 300) == names
    alone = [Row(str(place), Path("x"), "image", "") for place in range(9)]
    assert [row.id for row in drawn(alone, 3)] == ["0", "5", "8"]  # 1, 2 and 3 of every third
