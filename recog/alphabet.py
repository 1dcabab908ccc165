"""Symbols and their numbers. BLANK is 0 everywhere: one constant, never an argument."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from recog.errors import AlphabetError

BLANK = 0


@dataclass(frozen=True)
class Alphabet:
    """The symbols a recogniser can write. Symbol k (from 0) has number k + 1; number 0 is CTC's blank.

    Laws, checked at birth: at least one symbol, each one character long, none twice.
    """

    symbols: tuple[str, ...]

    def __post_init__(self) -> None:
        if not self.symbols:
            raise AlphabetError("an alphabet needs at least one symbol; this one is empty")
        for symbol, count in Counter(self.symbols).items():
            if len(symbol) != 1 or count > 1:
                raise AlphabetError(
                    f"alphabet: {symbol!r} must be a single character and occur once, it occurs {count} times"
                )

    @classmethod
    def from_texts(cls, texts: Iterable[str], min_count: int = 1) -> "Alphabet":
        """All characters seen at least `min_count` times, in code point order."""
        counts = Counter(character for text in texts for character in text)
        return cls(tuple(sorted(symbol for symbol, count in counts.items() if count >= min_count)))

    def __len__(self) -> int:
        """How many symbols there are, blank included."""
        return len(self.symbols) + 1

    def encode(self, text: str) -> list[int]:
        """Text -> numbers in 1..len-1; refuses a character that the alphabet lacks, naming it."""
        numbers = {symbol: number for number, symbol in enumerate(self.symbols, start=1)}
        missing = self.missing(text)
        if missing:
            named = ", ".join(f"U+{ord(character):04X} {character!r}" for character in missing)
            raise AlphabetError(
                f"text {text[:40]!r} holds {named}, which the alphabet lacks; add it or change the text rule"
            )
        return [numbers[character] for character in text]

    def missing(self, text: str) -> list[str]:
        """The characters of a text that the alphabet lacks, in code point order."""
        return sorted(set(text) - set(self.symbols))

    def decode(self, numbers: Sequence[int]) -> str:
        """Numbers in 1..len-1 -> text."""
        for number in numbers:
            if not 0 < number < len(self):
                raise AlphabetError(f"symbol number {number} is outside 1..{len(self) - 1} of this alphabet")
        return "".join(self.symbols[number - 1] for number in numbers)
