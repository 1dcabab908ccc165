from dataclasses import replace
from pathlib import Path

import pytest
from conftest import SPOKEN_TEXTS, TINY_HANDWRITING, TINY_SPEECH, random_bundle, spell_wave, write_rows

from recog import checkpoint, evaluation, manifest
from recog.evaluation import Evaluation, Pair
from recog.manifest import Row
from recog.metrics import Counts
from recog.recognizer import DecodingOptions, Recognizer


def pair(reference: str, hypothesis: str, failure: str = "", **fields: object) -> Pair:
    return Pair(Row(reference, Path(reference), "audio", reference, None, fields), hypothesis, failure)


PAIRS = (
    pair("Hello, world!", "hello word", speaker="s1", source="a"),  # 1 of 11 characters, 1 of 2 words
    pair("one two", "one two three", speaker="s1", source="b"),  # 6 of 7, 1 of 2
    pair("gone", "", "the file is gone", speaker="s2", source="b"),  # 4 of 4, 1 of 1
    pair("...", "noise", speaker="s2", source="b"),  # no reference under the rule: not counted
)


def test_scores_are_sums_divided_once() -> None:
    scores = Evaluation(PAIRS, "spoken", 1.0, 0.0).scores()
    assert scores.rows == 3
    assert scores.characters == Counts(0, 5, 6, 22)
    assert scores.characters.rate == pytest.approx(11 / 22)
    assert scores.words == Counts(1, 1, 1, 5)
    assert scores.cer_interval[0] <= 11 / 22 <= scores.cer_interval[1]
    assert scores.wer_interval[0] <= 3 / 5 <= scores.wer_interval[1]


def test_the_rule_decides_what_counts() -> None:
    assert Evaluation(PAIRS[:1], "strict", 1.0, 0.0).scores().characters.edits == 4  # H, comma, l, !
    assert Evaluation(PAIRS[:1], "spoken", 1.0, 0.0).scores().characters.edits == 1


def test_groups_are_evaluations_of_their_own() -> None:
    timed = tuple(replace(one, audio_seconds=seconds) for one, seconds in zip(PAIRS, (1, 2, 0, 1), strict=True))
    groups = Evaluation(timed, "spoken", 8.0, 4.0).groups("source")
    assert list(groups) == ["a", "b"]
    assert groups["b"].scores().characters == Counts(0, 4, 6, 11)
    assert [(group.seconds, group.audio_seconds) for group in groups.values()] == [(2.0, 1), (6.0, 3)]
    by_rows = Evaluation(PAIRS, "spoken", 8.0, 0.0).groups("source")
    assert [group.seconds for group in by_rows.values()] == [2.0, 6.0]
    assert list(Evaluation(PAIRS, "spoken", 8.0, 0.0).groups("mood")) == ["None"]


def test_the_worst_rows_have_most_edits() -> None:
    worst = Evaluation(PAIRS[:3], "spoken", 1.0, 0.0).worst(2)
    assert [(one.row.id, rate) for one, rate in worst] == [("one two", 6 / 7), ("gone", 1.0)]


def test_intervals_draw_speakers_then_writers_then_rows() -> None:
    right, wrong = pair("a", "a"), pair("a", "b")
    by_speaker = [
        replace(one, row=replace(one.row, fields={"speaker": name}))
        for one, name in ((right, "x"), (wrong, "y"))
        for _ in range(20)
    ]
    by_writer = [replace(one, row=replace(one.row, fields={"writer": one.row.fields["speaker"]})) for one in by_speaker]
    by_row = [replace(one, row=replace(one.row, id=str(number), fields={})) for number, one in enumerate(by_speaker)]
    one_voice = [replace(one, row=replace(one.row, fields={"speaker": "x"})) for one in by_speaker]
    assert evaluation.score(by_speaker, "raw").cer_interval == (0, 1)
    assert evaluation.score(by_writer, "raw").cer_interval == (0, 1)
    for narrow in (by_row, one_voice):
        low, high = evaluation.score(narrow, "raw").cer_interval
        assert 0.3 < low < 0.5 < high < 0.7


def test_nothing_to_score_scores_nothing() -> None:
    scores = evaluation.score([pair("...", "x")], "spoken")
    assert (scores.rows, scores.characters, scores.cer_interval) == (0, Counts(), (0.0, 0.0))


def test_a_manifest_is_recognised_row_by_row(trained_speech_bundle: Path, tmp_path: Path) -> None:
    rows = manifest.read(write_rows(tmp_path, TINY_SPEECH, SPOKEN_TEXTS))
    rows.insert(2, replace(rows[0], id="gone", path=tmp_path / "gone.wav"))
    (tmp_path / "letter.wav").write_text("Dear all")
    rows.append(replace(rows[0], id="letter", path=tmp_path / "letter.wav"))
    done: list[int] = []
    recognizer = Recognizer(checkpoint.load(trained_speech_bundle), DecodingOptions(beam=0))
    found = evaluation.evaluate(recognizer, rows, chunk=3, progress=done.append)
    assert [one.row for one in found.pairs] == rows
    assert [one.hypothesis for one in found.pairs] == [*SPOKEN_TEXTS[:2], "", *SPOKEN_TEXTS[2:], ""]
    assert [(one.row.id, bool(one.failure)) for one in found.failures] == [("gone", True), ("letter", True)]
    assert "gone.wav does not exist" in found.failures[0].failure
    assert done == [3, 3, 3, 1]
    assert found.seconds > 0
    seconds = sum(len(spell_wave(text)) for text in SPOKEN_TEXTS) / 8000
    assert found.audio_seconds == pytest.approx(seconds, abs=0.01 * len(rows))
    # The failed rows count as empty: 4 + 4 of the characters.
    assert found.scores().characters == Counts(0, 8, 0, sum(map(len, SPOKEN_TEXTS)) + 8)


def test_handwriting_has_no_seconds_of_sound(tmp_path: Path) -> None:
    rows = manifest.read(write_rows(tmp_path, TINY_HANDWRITING, ["ab", "a"]))
    found = evaluation.evaluate(Recognizer(random_bundle(TINY_HANDWRITING, "ab", "strict")), rows)
    assert found.audio_seconds == 0
    assert not found.failures


def test_lines_of_a_page_are_read_together() -> None:
    def row(page: str | None, source: str = "a", duration: float | None = None) -> Row:
        fields = {"source": source} | ({"page": page} if page else {})
        return Row("x", Path("x"), "image", "x", duration, fields)

    rows = [row("1"), row("2"), row("1"), row("1", "b"), row(None), row("2"), row(None)]
    # By hand: pages 1 (0, 2), 2 (1, 5), another source's 1 (3), rows of no page, each for itself.
    assert evaluation.portions(rows, 3) == [[0, 2], [1, 5, 3], [4, 6]]
    assert evaluation.portions(rows, 2) == [[0, 2], [1, 5], [3, 4], [6]]
    assert evaluation.portions(rows, 1) == [[0], [2], [1], [5], [3], [4], [6]]
    # Without pages: similar lengths together.
    assert evaluation.portions([row(None, duration=length) for length in (3.0, 1.0, 2.0)], 2) == [[1, 2], [0]]
    assert row("1").document == ("a", "1") and row(None).document is None
