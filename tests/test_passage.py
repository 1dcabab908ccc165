from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from conftest import TINY_HANDWRITING, TINY_SPEECH, dominant_hz, draw_line, tone_wave, write_rows
from PIL import Image

from recog import manifest, phones
from recog.alphabet import Alphabet
from recog.augment import HandwritingAugment, SpeechAugment, passage
from recog.augment.passage import Partners, Passage, Placed, Run
from recog.data import Samples
from recog.errors import ConfigError, ManifestError

WORDS = [Placed("a", 0.1, 0.4), Placed("b", 0.6, 1.0), Placed("c", 1.2, 1.5), Placed("d", 1.5, 2.0)]
ABCD = Alphabet(tuple(" abcd"))


def generator(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_runs_hold_neighbouring_words_and_are_cut_in_the_gaps() -> None:
    runs = {run.text: run for run in (passage.draw_run(WORDS, generator(seed)) for seed in range(200))}
    assert set(runs) == {"a b", "b c", "c d", "a b c", "b c d", "a b c d"}
    assert runs["b c"] == Run("b c", 0.5, 1.5)  # middle of 0.4 and 0.6; of 1.5 and 1.5
    assert runs["a b"] == Run("a b", 0.0, 1.1)
    assert runs["c d"] == Run("c d", 1.1, float("inf"))
    assert passage.share(WORDS, runs["b c"]) == pytest.approx((1.5 - 0.5) / 2.0)


def test_halves_keep_the_beginning_of_one_row_and_the_end_of_another() -> None:
    other = [Placed("e", 0.0, 1.0, "EH"), Placed("f", 2.0, 3.0, "EH F")]
    found = {passage.draw_halves(WORDS, other, generator(seed)) for seed in range(100)}
    # One to three of four words, then what is left of two: never all of a row, never none.
    end = Run("f", 1.5, float("inf"), "EH F")
    assert found == {(Run("a", 0.0, 0.5), end), (Run("a b", 0.0, 1.1), end), (Run("a b c", 0.0, 1.5), end)}
    assert passage.draw_halves(other, WORDS, generator(0)) == (Run("e", 0.0, 1.5, "EH"), Run("c d", 1.1, float("inf")))


def test_sound_and_lines_are_cut_where_the_run_says() -> None:
    assert passage.cut_sound(np.arange(20, dtype=np.float32), Run("b", 0.5, 1.1), 10).tolist() == [5, 6, 7, 8, 9, 10]
    assert len(passage.cut_sound(np.zeros(20, np.float32), Run("d", 1.5, float("inf")), 10)) == 5
    assert len(passage.cut_sound(np.zeros(20, np.float32), Run("d", 9.0, 9.1), 10)) == 1
    columns = Image.fromarray(np.tile(np.arange(40, dtype=np.uint8), (4, 1)))
    assert np.asarray(passage.cut_line(columns, Run("b", 10, 60), 0.5))[0].tolist() == list(range(5, 30))
    assert passage.cut_line(columns, Run("b", 200, 300), 0.5).width == 1


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("a", "must be a list"),
        ([1], "must be a list of objects"),
        ([{"text": "a", "start": 1}], "must be a list of objects"),
        ([{"text": "a", "start": 1, "end": 1}], "must be a list of objects"),
        ([{"start": 1, "end": 2}], "must be a list of objects"),
        ([{"text": "a", "box": [1, 2, 3]}], "must be a list of objects"),
        ([{"text": "a", "start": True, "end": 2}], "must be a list of objects"),
        ([{"text": "a", "start": 2, "end": 3}, {"text": "b", "start": 1, "end": 2}], "not in reading order"),
        ([{"text": "a", "start": 1, "end": 2, "phones": ["AH"]}], "'phones' of a word is"),
    ],
)
def test_words_of_another_form_are_refused(words: Any, sentence: str) -> None:
    with pytest.raises(ManifestError, match=f"^row x: .*{sentence}"):
        passage.placed_words(words, "row x")


def test_words_are_read_in_both_forms_of_transcripts() -> None:
    spoken = [{"text": "a", "start": 0.5, "end": 1, "confidence": 0.9}]
    placed = [{"text": "a", "box": [5, 0, 10, 48], "confidence": 0.9}]
    assert passage.placed_words(spoken, "") == [Placed("a", 0.5, 1.0)]
    assert passage.placed_words(placed, "") == [Placed("a", 5.0, 10.0)]


def test_partners_are_of_one_owner_and_fit() -> None:
    owners = ["x", "x", "x", "y", None, None, "y"]
    lengths = [10, 40, 85, 30, 10, 10, 20]
    partners = Partners(owners, lengths)
    # 95 % of the longest, 85, is 80.75.
    assert {partners.draw(0, generator(seed)) for seed in range(30)} == {None, 1}  # 10 + 40; with itself: none
    assert {partners.draw(1, generator(seed)) for seed in range(30)} == {None, 0}  # 40 + 10 (and itself)
    assert partners.draw(2, generator(0)) is None
    assert partners.draw(4, generator(0)) is None
    assert {partners.draw(3, generator(seed)) for seed in range(30)} == {None, 6}


def speech_rows(folder: Path) -> list[manifest.Row]:
    """Rows of one tone each, told apart by their pitch, of two speakers; the last one is long."""
    rows = []
    for number, (text, hz, seconds) in enumerate(
        [("a", 400, 0.3), ("b", 800, 0.4), ("c", 1600, 0.5), ("d", 3000, 1.5)]
    ):
        soundfile.write(folder / f"{number}.wav", tone_wave(hz, seconds, 8000), 8000)
        rows.append(
            {"audio": f"{number}.wav", "text": text, "duration": seconds, "speaker": "x" if number != 2 else "y"}
        )
    manifest.write(folder / "m.jsonl", rows)
    return manifest.read(folder / "m.jsonl")


def test_joined_rows_of_a_speaker_hold_both_sounds_and_both_texts(tmp_path: Path) -> None:
    samples = Samples(speech_rows(tmp_path), ABCD, TINY_SPEECH, "spoken", SpeechAugment(passage=Passage(join=1.0)))
    joined = [samples.example(0, epoch, 1) for epoch in range(12)]
    texts = {ABCD.decode(example.target) for example in joined}
    assert texts == {"a", "a b"}  # c is another speaker's, d too long
    for epoch, example in enumerate(joined):
        drawn = samples.draw(0, epoch, 1)
        assert abs(len(example.features) - drawn.length) <= 31  # the pause of up to 0.3 s
        assert (len(drawn.pieces) == 1) == (ABCD.decode(example.target) == "a")
    both = next(example for example in joined if len(example.target) == 3).features
    assert both[5:25].mean(0).argmax() < both[-25:-5].mean(0).argmax()  # the low tone, then the high one
    assert {ABCD.decode(samples.example(2, epoch, 1).target) for epoch in range(5)} == {"c"}


def test_joined_lines_stand_side_by_side_on_one_paper() -> None:
    left, right = draw_line("ab", paper=240), draw_line("cd", paper=200)
    joined = np.asarray(passage.join_line(left, right, generator(0)), int)
    height = joined.shape[0]
    gap = joined.shape[1] - left.width - right.width
    assert 0.2 * height - 1 <= gap <= 0.5 * height + 1
    assert np.array_equal(joined[:, : left.width], np.asarray(left))
    assert np.array_equal(joined[:, -right.width :], np.minimum(np.asarray(right, int) + 40, 255))
    assert (joined[:, left.width : left.width + gap] == 240).all()


def test_rows_are_cut_at_their_words(tmp_path: Path) -> None:
    tones = [tone_wave(hz, 0.4, 8000) for hz in (400, 900, 2000)]
    soundfile.write(tmp_path / "a.wav", np.concatenate(tones), 8000)
    words = [{"text": text, "start": 0.4 * k, "end": 0.4 * k + 0.4} for k, text in enumerate(["a", "b", "C"])]
    manifest.write(tmp_path / "m.jsonl", [{"audio": "a.wav", "text": "a, b c.", "duration": 1.2, "words": words}])
    (row,) = manifest.read(tmp_path / "m.jsonl")
    samples = Samples([row], ABCD, TINY_SPEECH, "spoken", SpeechAugment(passage=Passage(split=1.0)))
    found = {}
    for epoch in range(30):
        example = samples.example(0, epoch, 1)
        text = ABCD.decode(example.target)
        assert len(example.features) == pytest.approx(1 + 40 * len(text.split()), abs=1)
        assert len(example.features) == pytest.approx(samples.draw(0, epoch, 1).length, abs=2)
        drawn = samples.draw(0, epoch, 1)
        (piece,) = drawn.pieces
        assert piece.run is not None
        found[text] = passage.cut_sound(samples.store.decoded(0), piece.run, 8000)  # type: ignore[arg-type]
    assert set(found) == {"a b", "b c", "a b c"}
    assert round(dominant_hz(found["b c"][:3000], 8000) / 100) == 9
    wrong = replace(row, text="a b d")
    with pytest.raises(ManifestError, match=r"row a\.wav: its words say 'a b c', its text 'a b d'"):
        Samples([wrong], ABCD, TINY_SPEECH, "spoken", SpeechAugment(passage=Passage(split=1.0)))
    Samples([wrong], ABCD, TINY_SPEECH, "spoken")  # nobody asks for its words


def words_of(texts: str, seconds: float) -> list[dict[str, Any]]:
    return [
        {"text": text, "start": seconds * k, "end": seconds * (k + 1), "phones": "AA" if text in "ab" else "IY Z"}
        for k, text in enumerate(texts)
    ]


def worded_rows(folder: Path) -> list[manifest.Row]:
    """Rows of half a second a word, a tone for each, that tell where their words stand; the third is another speaker's."""
    pitches = {"a": 400, "b": 700, "c": 1100, "d": 2000}
    rows = []
    for number, (texts, speaker, said) in enumerate(
        [("abab", "x", "AA AA AA AA"), ("cdcd", "x", "IY Z IY Z IY Z IY Z"), ("ab", "y", "AA AA"), ("c", "x", "IY Z")]
    ):
        soundfile.write(
            folder / f"{number}.wav", np.concatenate([tone_wave(pitches[one], 0.5, 8000) for one in texts]), 8000
        )
        rows.append(
            {
                "audio": f"{number}.wav",
                "text": " ".join(texts),
                "speaker": speaker,
                "duration": 0.5 * len(texts),
                "phones": said,
                "words": words_of(texts, 0.5),
            }
        )
    manifest.write(folder / "m.jsonl", rows)
    return manifest.read(folder / "m.jsonl")


def test_mixed_rows_hold_words_sounds_and_phones_of_two(tmp_path: Path) -> None:
    rows = worded_rows(tmp_path)
    samples = Samples(rows, ABCD, TINY_SPEECH, "spoken", SpeechAugment(passage=Passage(mix=1.0)))
    texts = set()
    for epoch in range(40):
        example, drawn = samples.example(0, epoch, 1), samples.draw(0, epoch, 1)
        text = ABCD.decode(example.target)
        texts.add(text)
        if len(drawn.pieces) == 1:  # it was itself drawn
            assert text == "a b a b"
            continue
        assert [piece.index for piece in drawn.pieces] == [0, 1]  # 2 is another speaker's, 3 has but one word
        assert abs(len(example.features) - drawn.length) <= 31  # the pause of up to 0.3 s
        assert example.phones is not None
        said = [{"a": "AA", "b": "AA", "c": "IY Z", "d": "IY Z"}[one] for one in text.split()]
        assert "".join(phones.CMU[number - 1] for number in example.phones) == phones.spelled(" ".join(said).split())
        low, high = example.features[5:40].mean(0).argmax(), example.features[-40:-5].mean(0).argmax()
        assert low < high
    assert texts == {"a b a b", "a d c d", "a b c d", "a b a d"}
    assert {ABCD.decode(samples.example(2, epoch, 1).target) for epoch in range(5)} == {"a b"}
    assert {ABCD.decode(samples.example(3, epoch, 1).target) for epoch in range(5)} == {"c"}


def test_a_mosaic_is_pieced_together_from_rows_of_one_speaker_until_it_is_as_long(tmp_path: Path) -> None:
    samples = Samples(worded_rows(tmp_path), ABCD, TINY_SPEECH, "spoken", SpeechAugment(passage=Passage(mosaic=1.0)))
    texts = set()
    for epoch in range(60):
        example, drawn = samples.example(0, epoch, 1), samples.draw(0, epoch, 1)
        words = ABCD.decode(example.target).split()
        texts.add(" ".join(words))
        assert drawn.pieces[0].index == 0 and {piece.index for piece in drawn.pieces} <= {0, 1}
        assert all(piece.run is not None and 1 <= len(piece.run.text.split()) <= 3 for piece in drawn.pieces)
        # Four words of 50 frames, of which 85 % are 170: three are too few, and three and three more than enough.
        assert 4 <= len(words) <= 6 and drawn.length == pytest.approx(50 * len(words), abs=2)
        assert (
            0 <= len(example.features) - drawn.length <= 31 * (len(drawn.pieces) - 1) + 2
        )  # a pause before each but the first
        assert example.phones is not None
        said = [{"a": "AA", "b": "AA", "c": "IY Z", "d": "IY Z"}[one] for one in words]
        assert "".join(phones.CMU[number - 1] for number in example.phones) == phones.spelled(" ".join(said).split())
    assert len(texts) > 30
    # With nobody else's words, its own; one word cannot be cut.
    assert {word for epoch in range(9) for word in ABCD.decode(samples.example(2, epoch, 1).target).split()} == {
        "a",
        "b",
    }
    assert ABCD.decode(samples.example(3, 0, 1).target).split()[0] == "c"


def test_a_mosaic_of_lines_stands_side_by_side(tmp_path: Path) -> None:
    page = Image.new("L", (200, 48), 240)
    words = [{"text": "a", "box": [0, 0, 60, 48]}, {"text": "b", "box": [120, 0, 200, 48]}]
    page.save(tmp_path / "a.png")
    manifest.write(tmp_path / "m.jsonl", [{"image": "a.png", "text": "a b", "words": words}])
    rows = manifest.read(tmp_path / "m.jsonl")
    made = HandwritingAugment(passage=Passage(mosaic=1.0))
    samples = Samples(rows, ABCD, TINY_HANDWRITING, "spoken", made)
    for epoch in range(20):
        example, drawn = samples.example(0, epoch, 1), samples.draw(0, epoch, 1)
        # "a" and "b" are 45 and 55 columns of 24 rows, a gap 5 to 12 of them.
        widths = sum({"a": 45, "b": 55}[word] for word in ABCD.decode(example.target).split())
        assert widths == drawn.length >= 85
        parts = len(drawn.pieces) - 1
        assert widths + 4 * parts <= len(example.features) <= widths + 12 * parts


def test_pieces_that_say_nothing_leave_no_space_behind(tmp_path: Path) -> None:
    page = Image.new("L", (200, 48), 240)
    page.save(tmp_path / "a.png")
    words = [{"text": one, "box": [66 * n, 0, 66 * n + 60, 48]} for n, one in enumerate(["a", "-", "b"])]
    manifest.write(tmp_path / "m.jsonl", [{"image": "a.png", "text": "a - b", "words": words}])
    made = HandwritingAugment(passage=Passage(mosaic=1.0))
    samples = Samples(manifest.read(tmp_path / "m.jsonl"), ABCD, TINY_HANDWRITING, "spoken", made)
    drawn = [samples.draw(0, epoch, 1) for epoch in range(60)]
    assert any(piece.run is not None and piece.run.text == "-" for one in drawn for piece in one.pieces)
    for epoch in range(60):
        said = ABCD.decode(samples.example(0, epoch, 1).target)
        assert said == " ".join(said.split())


def test_lines_are_cut_at_boxes_given_in_pixels_of_the_picture(tmp_path: Path) -> None:
    page = Image.new("L", (200, 48), 240)  # twice the height of the frontend
    page.paste(0, (10, 10, 60, 40))
    page.paste(120, (120, 10, 190, 40))
    page.save(tmp_path / "a.png")
    words = [{"text": "a", "box": [10, 10, 60, 40]}, {"text": "b", "box": [120, 10, 190, 40]}]
    manifest.write(tmp_path / "m.jsonl", [{"image": "a.png", "text": "a b", "words": words}])
    samples = Samples(
        manifest.read(tmp_path / "m.jsonl"),
        ABCD,
        TINY_HANDWRITING,
        "spoken",
        HandwritingAugment(passage=Passage(split=1)),
    )
    widths = {
        ABCD.decode(example.target): len(example.features) for example in (samples.example(0, e, 1) for e in range(20))
    }
    assert widths == {"a": 45, "b": 55, "a b": 100}  # cut at 90, the middle between 60 and 120; half the size


def test_joining_needs_a_space_to_write(tmp_path: Path) -> None:
    rows = manifest.read(write_rows(tmp_path, TINY_SPEECH, ["ab"]))
    with pytest.raises(ConfigError, match="the alphabet has none"):
        Samples(rows, Alphabet(tuple("ab")), TINY_SPEECH, "spoken", SpeechAugment(passage=Passage(join=0.1)))
    with pytest.raises(ConfigError, match="join, split, mix and mosaic are chances"):
        Passage(join=2.0)
