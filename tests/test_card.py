"""The card of a training says what was trained on what, with sums that can be checked by hand."""

from pathlib import Path

from conftest import TINY_SPEECH, random_bundle

from pipelines.card import training_card
from recog.evaluation import Scores
from recog.manifest import Row
from recog.metrics import Counts
from recog.trainer import Fitted


def row(source: str, speaker: str, seconds: float) -> Row:
    return Row("x.wav", Path("x.wav"), "audio", "a", seconds, {"source": source, "speaker": speaker})


def test_the_card_sums_hours_and_people_by_source() -> None:
    rows = [row("one", "a", 1800), row("one", "a", 1800), row("one", "b", 3600), row("two", "c", 360)]
    # 3 edits in 60 characters: 5 %; 2 in 10 words: 20 %
    best = Scores(4, Counts(1, 1, 1, 60), Counts(2, 0, 0, 10), (0.04, 0.06), (0.1, 0.3))
    bundle = random_bundle(TINY_SPEECH, " abcd", "spoken", seed=7)
    card = training_card(Fitted(bundle, best, 3, 120, 12.4), rows, rows, {"fit": {"epochs": 3}})
    assert "| one | 3 | 2.00 | 2 |" in card
    assert "| two | 1 | 0.10 | 1 |" in card
    assert "CER 5.00 % (95 % interval 4.00-6.00), WER 20.00 %" in card
    assert "Seed 7, 3 epochs, 120 updates, 12 minutes" in card
    assert "5 symbols" in card and "spoken (For speech" in card and "{'epochs': 3}" in card
