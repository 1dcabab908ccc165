"""Lines brought to one size of letters: built pictures whose places after the change are plain arithmetic."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import TINY_HANDWRITING, WRITTEN_TEXTS, draw_line
from PIL import Image

from recog import checkpoint, image, letter_size, manifest
from recog.alphabet import Alphabet
from recog.augment import HandwritingAugment
from recog.augment.passage import Passage
from recog.data import Samples
from recog.errors import ConfigError
from recog.recognizer import DecodingOptions, Recognizer


@pytest.mark.parametrize(
    ("columns", "letters", "scale"),
    [
        (200, 10, 1.0),  # 20 a letter, as wanted; three more of the wanted size are always counted
        (175, 10, 1.0),  # (8.75 + 3) / 13 = 0.90 and (11.75 + 3) / 13 = 1.13 of it are near enough
        (235, 10, 1.0),
        (160, 10, 13 / 11),  # (8 + 3) / 13
        (280, 10, 13 / 17),  # (14 + 3) / 13
        (20, 10, 1.6),  # 13 / 4, bounded
        (900, 10, 13 / 48),  # (45 + 3) / 13: what is left of a line cut too close
        (2000, 10, 0.15),  # 13 / 103, bounded
        (60, 1, 4 / 6),  # a letter of three times its size may be a wide one
        (50, 0, 1.0),
    ],
)
def test_what_a_line_is_scaled_by(columns: int, letters: int, scale: float) -> None:
    assert letter_size.zoom(columns, letters, 20.0) == pytest.approx(scale)
    assert letter_size.zoom(columns, letters, 0.0) == 1.0


def block(top: int, bottom: int) -> torch.Tensor:
    """60 columns of 64 rows, ink from column 10 to 50."""
    features = torch.zeros(60, 64)
    features[10:50, top:bottom] = 1.0
    return features


@pytest.mark.parametrize(
    ("top", "bottom", "scale", "seen_top", "seen_bottom"),
    [
        (20, 28, 1.5, 26, 38),  # about its middle, row 24, which comes to row 32
        (0, 4, 1.5, 0, 6),  # at the edge there is nothing beyond to see
        (60, 64, 1.5, 58, 64),
        (20, 28, 0.5, 26, 30),  # smaller, about the middle of the line: 32 - 12 / 2 and 32 - 4 / 2
    ],
)
def test_a_line_is_seen_about_its_ink(top: int, bottom: int, scale: float, seen_top: int, seen_bottom: int) -> None:
    seen = letter_size.zoomed(block(top, bottom), scale).numpy()
    assert seen.shape == (round(60 * scale), 64)
    rows, columns = seen.sum(0) / (40 * scale), seen.sum(1) / (seen_bottom - seen_top)
    inside = np.zeros(64)
    inside[seen_top:seen_bottom] = 1
    assert np.abs(rows - inside).max() < 0.6 and np.abs(rows - inside).sum() < 2.1  # no more than soft edges
    assert (columns @ np.arange(len(columns))) / columns.sum() == pytest.approx(30 * scale - 0.5, abs=0.3)


def test_a_picture_and_its_features_are_scaled_alike() -> None:
    line = Image.fromarray((220 - 180 * block(24, 34).numpy().T).astype(np.uint8))
    frontend = image.HandwritingFrontend(64)
    for scale in (1.4, 0.6):
        drawn = image.features(letter_size.redrawn(line, scale), frontend)
        seen = letter_size.zoomed(image.features(line, frontend), scale)
        assert torch.allclose(drawn, seen, atol=0.12)


def test_lines_are_read_at_the_wanted_size_and_placed_at_their_own(trained_handwriting_bundle: Path) -> None:
    """The slow twin: the first glance by itself, lines scaled by hand, read by a recogniser that scales nothing."""
    bundle = checkpoint.load(trained_handwriting_bundle)
    lines = [
        image.features(image.fit_height(draw_line(text), TINY_HANDWRITING), TINY_HANDWRITING)
        for text in (*WRITTEN_TEXTS, "pop-up pop-up")
    ]
    plain = Recognizer(bundle, DecodingOptions(beam=0))
    assert plain.fitted(lines) == (lines, [1.0] * len(lines))
    glances = [len(found.text) for found in plain.recognise(lines)]
    frontend = replace(TINY_HANDWRITING, letter_columns=5.0)
    fitting = Recognizer(replace(bundle, frontend=frontend), DecodingOptions(beam=0))
    expected = [letter_size.zoom(len(line), letters, 5.0) for line, letters in zip(lines, glances, strict=True)]
    assert fitting.fitted(lines)[1] == expected and {scale == 1 for scale in expected} == {True, False}
    scaled = [
        line if scale == 1 else letter_size.zoomed(line, scale) for line, scale in zip(lines, expected, strict=True)
    ]
    found, twin = fitting.recognise(lines), plain.recognise(scaled)
    assert [one.text for one in found] == [one.text for one in twin]
    for one, other, scale in zip(found, twin, expected, strict=True):
        own = [(span.start, span.end) for span in one.hypothesis.spans]
        assert own == [(int(span.start / scale), math.ceil(span.end / scale)) for span in other.hypothesis.spans]


def test_training_sees_letters_of_one_size(tmp_path: Path) -> None:
    frontend = replace(TINY_HANDWRITING, height_px=64, letter_columns=20.0)
    rows = []
    for number, width in enumerate((80, 160, 320)):  # eight letters: 10, 20 and 40 columns each
        picture = Image.fromarray((220 - 180 * block(24, 34).numpy().T).astype(np.uint8)).resize((width, 64))
        picture.save(tmp_path / f"{number}.png")
        words = [
            {"text": "abab", "box": [0, 0, width // 2 - 2, 64]},
            {"text": "aba", "box": [width // 2 + 2, 0, width, 64]},
        ]
        rows.append({"image": f"{number}.png", "text": "abab aba", "writer": "w", "words": words})
    manifest.write(tmp_path / "rows.jsonl", rows)
    alphabet = Alphabet(tuple(" ab"))
    samples = Samples(manifest.read(tmp_path / "rows.jsonl"), alphabet, frontend, "strict")
    # Eight letters, and three of the wanted size: 80 * 11 / (4 + 3), 160, 320 * 11 / (16 + 3).
    assert samples.lengths == [126, 160, 185]
    assert [len(samples.example(item, 0, 1).features) for item in range(3)] == [126, 160, 185]
    plain = Samples(manifest.read(tmp_path / "rows.jsonl"), alphabet, replace(frontend, letter_columns=0.0), "strict")
    assert plain.lengths == [80, 160, 320]
    # Half of a line is half of it at its new size.
    halved = HandwritingAugment(passage=Passage(split=1.0))
    cut = Samples(manifest.read(tmp_path / "rows.jsonl"), alphabet, frontend, "strict", halved)
    seen = [cut.example(item, epoch, 1) for item in range(3) for epoch in range(8)]
    one_word = [len(example.features) for example in seen if len(example.target) < 8]
    assert one_word and all(60 <= length <= 105 for length in one_word)
    with pytest.raises(ConfigError, match="letter_columns"):
        image.HandwritingFrontend(64, letter_columns=2.0)
