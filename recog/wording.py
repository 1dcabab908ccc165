"""A text as it is written, and the symbols a recogniser spells it with: each written word keeps its spelling and knows
its labels.

What the text rule or the alphabet drops (points, figures, foreign letters) has no label. A word left without any label
is *unspelled*: a dash or a row of points is silent, but "1860" or "№ 7" is read aloud in words nobody wrote.
"""

import re
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from recog import text as text_rules
from recog.alphabet import Alphabet

# A long dash ends a word even where no space follows.
_WORD = re.compile(r"[^\s—–]+[—–]*|[—–]+")
_CHARACTER = re.compile("(?s).[\u0300-\u036f\u200d\ufe0f]*")


@dataclass(frozen=True)
class WrittenCharacter:
    """A character as written (with its combining marks), and the places first..last of its labels in the whole text."""

    text: str
    first: int
    last: int


@dataclass(frozen=True)
class WrittenWord:
    """A word as written at characters start.. of its text, and the places first..last of its labels (last excluded)."""

    text: str
    start: int
    first: int
    last: int
    # Those of its characters that have labels.
    characters: tuple[WrittenCharacter, ...]

    @property
    def spelled(self) -> bool:
        """Whether it has any label."""
        return self.first < self.last

    @property
    def read_aloud(self) -> bool:
        """Whether a voice would say it: it holds a letter, a figure or a sign such as £, not punctuation alone."""
        return any(unicodedata.category(character)[0] in "LNS" for character in self.text)


@dataclass(frozen=True)
class Wording:
    """A text in words with labels. Where white space stands in the text, a space's label does, if the alphabet has one."""

    text: str
    words: tuple[WrittenWord, ...]
    # Label numbers of all words in order.
    labels: tuple[int, ...]

    @property
    def unspelled(self) -> tuple[WrittenWord, ...]:
        """The words that a voice would say, but that have no label."""
        return tuple(word for word in self.words if word.read_aloud and not word.spelled)

    def text_of(self, first: int, last: int) -> str:
        """Words first..last as written, last excluded, white space collapsed."""
        end = self.words[last - 1].start + len(self.words[last - 1].text)
        return " ".join(self.text[self.words[first].start : end].split())


def wording(text: str, rule: str, alphabet: Alphabet) -> Wording:
    """A text -> its words and labels by the text rule of this name and an alphabet; nothing is refused."""
    apply, numbers = text_rules.rule(rule), {symbol: number for number, symbol in enumerate(alphabet.symbols, start=1)}
    words: list[WrittenWord] = []
    labels: list[int] = []
    start = end = 0  # of the last word with labels
    before = ""  # its spelling
    for match in _WORD.finditer(text):
        spelling = "".join(symbol for symbol in apply(match.group()) if symbol in numbers)
        if spelling:
            apart = any(character.isspace() for character in text[end : match.start()])
            # A sign between them, which is part of one of the words, may be a space by the rule.
            both = "".join(symbol for symbol in apply(text[start : match.end()]) if symbol in numbers)
            if labels and " " in numbers and (apart or both == f"{before} {spelling}"):
                labels.append(numbers[" "])
            start, end, before = match.start(), match.end(), spelling
        first = len(labels)
        labels.extend(numbers[symbol] for symbol in spelling)
        characters = tuple(_characters(match.group(), spelling, apply, first))
        words.append(WrittenWord(match.group(), match.start(), first, len(labels), characters))
    return Wording(text, tuple(words), tuple(labels))


def _characters(word: str, spelling: str, apply: Callable[[str], str], first: int) -> Iterator[WrittenCharacter]:
    """The characters of a word with labels; the symbols themselves where the rule is not one of single characters."""
    place, found = 0, []
    for character in _CHARACTER.findall(unicodedata.normalize("NFC", word)):
        image = "".join(symbol for symbol in apply(character) if symbol in spelling)
        while image and spelling[place : place + 1] == " ":  # a hyphen's, which a rule made a space
            place += 1
        if image and spelling.startswith(image, place):
            found.append(WrittenCharacter(character, first + place, first + place + len(image)))
            place += len(image)
    if spelling[place:].strip():
        found = [WrittenCharacter(symbol, first + at, first + at + 1) for at, symbol in enumerate(spelling)]
    yield from found
