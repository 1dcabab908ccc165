"""Numbers in words -> in figures: "eighteen ninety two" -> 1892, "three hundred and five" -> 305, "twenty first" -> 21st.

A number of one word stays a word ("two of them", "twenty men"), as in good prose; so does what is no number.
"""

from collections.abc import Sequence
from dataclasses import dataclass

UNITS = {
    **{
        word: value
        for value, word in enumerate(["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"])
    },
    **{
        word: value
        for value, word in enumerate(
            [
                "ten",
                "eleven",
                "twelve",
                "thirteen",
                "fourteen",
                "fifteen",
                "sixteen",
                "seventeen",
                "eighteen",
                "nineteen",
            ],
            10,
        )
    },
}
TENS = {
    word: 10 * value
    for value, word in enumerate(["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"], 2)
}
SCALES = {"hundred": 100, "thousand": 1000, "million": 10**6}
ORDINALS = {
    **dict(
        zip(
            ["first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth"],
            range(1, 10),
            strict=True,
        )
    ),
    **dict(
        zip(
            [
                "tenth",
                "eleventh",
                "twelfth",
                "thirteenth",
                "fourteenth",
                "fifteenth",
                "sixteenth",
                "seventeenth",
                "eighteenth",
                "nineteenth",
            ],
            range(10, 20),
            strict=True,
        )
    ),
}
_SUFFIXES = {1: "st", 2: "nd", 3: "rd"}


@dataclass(frozen=True)
class Figure:
    """Words first..last (last not included) and the figure that stands for them."""

    first: int
    last: int
    text: str


def figures(words: Sequence[str]) -> list[Figure]:
    """The numbers among spoken words (lower case) that are better written in figures, in order."""
    found, place = [], 0
    while place < len(words):
        one = _number(words, place)
        if one is not None and one.last - one.first > 1:
            found.append(one)
            place = one.last
        else:
            place += 1
    return found


def _number(words: Sequence[str], first: int) -> Figure | None:
    """The longest number that begins at a word; None where none does."""
    year = _year(words, first)
    if year is not None:
        return year
    total, part, place, ordinal = 0, 0, first, False
    # What may come next: the smallest scale so far, and whether tens or units are already said in this part.
    scale, room = 10**9, 100
    while place < len(words) and not ordinal:
        word = words[place]
        if (
            word == "and"
            and place > first
            and place + 1 < len(words)
            and _begins_small(words[place + 1])
            and room == 100
        ):
            if words[place - 1] not in SCALES:
                break
            place += 1
            continue
        if word in UNITS and ((room == 10 and 0 < UNITS[word] < 10) or room == 100):
            part, room = part + UNITS[word], 1
        elif word in TENS and room == 100:
            part, room = part + TENS[word], 10
        elif word in ORDINALS and place > first and ((room == 10 and ORDINALS[word] < 10) or room == 100):
            part, ordinal = part + ORDINALS[word], True
        elif word == "hundred" and 0 < part < 100 and room in (1, 10):
            part, room = part * 100, 100
        elif word in SCALES and 0 < part < 1000 and SCALES[word] < scale:
            scale = SCALES[word]
            total, part, room = total + part * scale, 0, 100
        else:
            break
        place += 1
    if place == first:
        return None
    if words[place - 1] == "and":
        place -= 1
    value = total + part
    text = f"{value:,}" if value >= 10000 else str(value)
    return Figure(first, place, text + (_suffix(value) if ordinal else ""))


def _begins_small(word: str) -> bool:
    return word in UNITS or word in TENS or word in ORDINALS


def _suffix(value: int) -> str:
    return "th" if value % 100 in (11, 12, 13) else _SUFFIXES.get(value % 10, "th")


def _year(words: Sequence[str], first: int) -> Figure | None:
    """ "eighteen ninety two", "nineteen oh five", "seventeen sixty": two numbers of two figures in a row."""
    century = UNITS.get(words[first], TENS.get(words[first], 0))
    if not 11 <= century <= 20 or first + 1 >= len(words):
        return None
    second, last = words[first + 1], first + 2
    if second in ("oh", "o") and last < len(words) and 0 < UNITS.get(words[last], 0) < 10:
        return Figure(first, last + 1, f"{century}0{UNITS[words[last]]}")
    value = TENS.get(second, UNITS.get(second, 0))
    if value < 10:
        return None
    if second in TENS and last < len(words) and 0 < UNITS.get(words[last], 0) < 10:
        value, last = value + UNITS[words[last]], last + 1
    return Figure(first, last, f"{century}{value:02d}")
