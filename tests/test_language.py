"""decoder.json: weights, calibrations and timing in one file; older files without the latter two are read."""

import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from recog import language
from recog.ctc.calibration import Calibration
from recog.ctc.options import DecoderOptions
from recog.ctc.timing import Timing
from recog.errors import CheckpointError
from recog.language import Language

CALIBRATION = Calibration((1.0, 0.5, 0.0, -0.25, 0.125), -0.5, (-1.0, 2.0), (-0.5, 1.5))
TUNED = Language(None, {}, DecoderOptions(beam=7), {"greedy": CALIBRATION}, Timing(quiet=0.2))


def test_what_was_tuned_comes_back(tmp_path: Path) -> None:
    language.save(tmp_path, TUNED)
    assert language.load(tmp_path) == TUNED


def test_a_file_from_before_calibration_is_read(tmp_path: Path) -> None:
    (tmp_path / "decoder.json").write_text(json.dumps(asdict(DecoderOptions(alpha=0.25))), encoding="utf-8")
    assert language.load(tmp_path) == Language(None, {}, DecoderOptions(alpha=0.25))


def test_no_language_side_is_none(tmp_path: Path) -> None:
    assert language.load(tmp_path) is None


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[]", "holds a list"),
        ("{", "damaged"),
        ('{"confidences": {"psychic": {}}}', "unknown ways of decoding: psychic"),
        ('{"confidences": 3}', "damaged"),
        ('{"confidences": {"beam": {"weights": [1]}}}', "damaged"),
        ('{"timing": {"quiet": 7.0}}', "timing.quiet is 7.0"),
        ('{"timing": null}', "damaged"),
        ('{"beems": 3}', "unknown setting decoder.beems; did you mean 'beam'"),
    ],
)
def test_damaged_files_are_refused_in_a_sentence(tmp_path: Path, text: str, sentence: str) -> None:
    (tmp_path / "decoder.json").write_text(text, encoding="utf-8")
    with pytest.raises(CheckpointError, match=sentence):
        language.load(tmp_path)


def test_settings_replace_settings(tmp_path: Path) -> None:
    language.save_settings(tmp_path, TUNED)
    language.save_settings(tmp_path, replace(TUNED, confidences={}, timing=None))
    assert set(json.loads((tmp_path / "decoder.json").read_text(encoding="utf-8"))) == set(asdict(DecoderOptions()))
