"""Manifests whose rows tell where their words stand, by bundles that hear built tones and read drawn lines."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
from conftest import TINY_SPEECH, draw_line, random_bundle, spell_wave
from PIL import Image
from test_alignment import hear_tones

from pipelines.cli import main
from pipelines.row_words import place_rows
from recog import checkpoint, manifest
from recog.augment import HandwritingAugment
from recog.augment.passage import Passage
from recog.data import Samples
from recog.errors import ConfigError
from recog.recognizer import Recognizer


@pytest.fixture
def listener(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(Recognizer, "looks", hear_tones)
    checkpoint.save(random_bundle(TINY_SPEECH, " abcde", "spoken"), tmp_path / "bundle")
    return tmp_path / "bundle"


def test_recordings_tell_the_seconds_of_their_words(
    listener: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    soundfile.write(tmp_path / "a.wav", spell_wave("dab c"), 8000)
    rows = [
        {"audio": "a.wav", "text": "Dab, c!", "speaker": "x"},
        {"audio": "a.wav", "text": "dab xyz"},
        {"audio": "a.wav", "text": "dab c " * 40},
        {"audio": "missing.wav", "text": "dab"},
    ]
    manifest.write(tmp_path / "m.jsonl", rows)
    (tmp_path / "out").mkdir()
    out = tmp_path / "out" / "m.jsonl"
    call = ["align", "--manifest", str(tmp_path / "m.jsonl"), "--out", str(out), "--bundle", str(listener)]
    assert main(call) == 0
    told = capsys.readouterr()
    assert "4 rows in" in told.out and "3 do not tell where their words stand" in told.out
    assert "cannot spell 'dab xyz' word by word" in told.err
    assert "frames at least" in told.err and "missing.wav" in told.err
    placed, *others = manifest.read(out)
    assert placed.path.samefile(tmp_path / "a.wav") and placed.fields["speaker"] == "x"
    first, second = placed.fields["words"]
    assert (first["text"], second["text"]) == ("Dab,", "c!")
    # Letter number n sounds from 0.04 + 0.12 n for 0.08 s.
    assert [first["start"], first["end"]] == pytest.approx([0.04, 0.36], abs=0.061)
    assert [second["start"], second["end"]] == pytest.approx([0.52, 0.60], abs=0.061)
    assert all("words" not in row.fields for row in others)


def test_lines_tell_the_pixels_of_their_words_and_training_cuts_there(
    trained_handwriting_bundle: Path, tmp_path: Path
) -> None:
    line = draw_line("a pal")
    big = line.resize((2 * line.width, 2 * line.height), Image.Resampling.LANCZOS)
    big.save(tmp_path / "a.png")
    manifest.write(tmp_path / "m.jsonl", [{"image": "a.png", "text": "a pal", "writer": "x"}])
    placing = place_rows(tmp_path / "m.jsonl", tmp_path / "placed.jsonl", trained_handwriting_bundle)
    assert (placing.rows, placing.without) == (1, ())
    (row,) = manifest.read(tmp_path / "placed.jsonl")
    first, second = row.fields["words"]
    ink = np.flatnonzero((np.asarray(draw_line("a")) < 128).any(axis=0))
    assert abs(first["box"][2] - 2 * ink[-1]) <= 16 and first["box"][2] <= second["box"][0] + 1
    assert (first["box"][1], first["box"][3]) == (0, big.height)
    bundle = checkpoint.load(trained_handwriting_bundle)
    samples = Samples(
        [row], bundle.alphabet, bundle.frontend, bundle.text_rule, HandwritingAugment(passage=Passage(split=1.0))
    )
    found = {bundle.alphabet.decode(samples.example(0, epoch, 1).target) for epoch in range(20)}
    assert found == {"a", "pal", "a pal"}


def test_rows_of_the_wrong_kind_and_half_a_call_are_refused(listener: Path, tmp_path: Path) -> None:
    manifest.write(tmp_path / "m.jsonl", [{"image": "a.png", "text": "a"}])
    with pytest.raises(ConfigError, match=r"row a\.png holds image, but bundle .* reads speech"):
        place_rows(tmp_path / "m.jsonl", tmp_path / "o.jsonl", listener)
    assert main(["align", "--manifest", str(tmp_path / "m.jsonl")]) != 0
    assert main(["align"]) != 0
