"""Words are parted at spaces and keep the frames of their characters."""

import pytest

from pipelines.transcript import words_of
from recog.ctc.hypothesis import Hypothesis, Span
from recog.recognizer import Recognition


def recognition(text: str) -> Recognition:
    spans = tuple(Span(3 * number, 3 * number + 2, 0.5 + 0.01 * number) for number in range(len(text)))
    return Recognition(text, Hypothesis(tuple(range(1, len(text) + 1)), spans, 0.0))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # character k stands in frames 3 k .. 3 k + 2
        ("ab c", [("ab", 0, 5, 0.50), ("c", 9, 11, 0.53)]),
        (" ab ", [("ab", 3, 8, 0.51)]),
        ("a  b", [("a", 0, 2, 0.50), ("b", 9, 11, 0.53)]),
        ("", []),
        (" ", []),
    ],
)
def test_words(text: str, expected: list[tuple[str, int, int, float]]) -> None:
    found = [(word.text, word.start, word.end, word.confidence) for word in words_of(recognition(text))]
    assert found == expected
