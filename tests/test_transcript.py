"""Words keep their order and confidence, and stand where there is something to hear or see."""

import numpy as np

from pipelines.transcript import PlacedWord, words_of
from recog.ctc.hypothesis import Hypothesis, Span, Word
from recog.ctc.timing import Timing
from recog.recognizer import Recognition


def test_words_are_placed_in_steps_of_the_features() -> None:
    # Two steps a frame. Something is going on in steps 4..16 and 20..30; spikes at frames 3, 7 and 12.
    activity = np.zeros(40)
    activity[4:16] = activity[20:30] = 1.0
    spans = (Span(3, 4, 0.9), Span(7, 8, 0.8), Span(9, 10, 1.0), Span(12, 13, 0.70001))
    words = (Word("ab", 0, 2, 0.123456), Word("c", 3, 4, 0.7))
    recognition = Recognition("ab c", Hypothesis((2, 3, 1, 4), spans, 0.0, words))
    assert list(words_of(recognition, activity, 2, Timing())) == [
        PlacedWord("ab", 4, 16, 0.1235),
        PlacedWord("c", 20, 30, 0.7),
    ]


def test_no_words_no_places() -> None:
    assert list(words_of(Recognition("", Hypothesis((), (), 0.0)), np.zeros(3), 1, Timing())) == []
