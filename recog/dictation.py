"""The written text of words that are still coming: what was told once stays as it is."""

from collections.abc import Sequence
from dataclasses import replace

from recog.marks import Marked, ends_sentence
from recog.restorer import AROUND, Piece, Restorer, pieces, sentences

# Words that are held back, because what follows a word says how it is written.
AHEAD = 12


class Dictation:
    """Takes spoken words as they come, and tells them as people write; without a restorer as they are, and at once.

    The text is nearly that of `Restorer.restore`, which knows all words before it says the first.
    """

    def __init__(self, restorer: Restorer | None) -> None:
        self._restorer = restorer
        self._words: list[str] = []
        # Words told, and the last of them with its marks.
        self._told = 0
        self._last: Marked | None = None

    def hear(self, words: Sequence[str]) -> list[Piece]:
        """The next words -> pieces of the text that follow on what was told; places count from the first word of all."""
        self._words += words
        return self._tell(AHEAD if self._restorer else 0)

    def end(self) -> list[Piece]:
        """No more words come: the pieces that were held back."""
        return self._tell(0)

    def open(self, more: Sequence[str] = ()) -> list[Piece]:
        """What is held back and `more` after it, as it would be written if that were all. Nothing is told by it."""
        return [found for found, _ in self._pieces([*self._words, *more], ends=False)]

    def _tell(self, held_back: int) -> list[Piece]:
        ready = len(self._words) - held_back
        if ready <= self._told:
            return []
        told = [one for one in self._pieces(self._words, ends=not held_back) if one[0].last <= ready]
        if told:
            self._told, self._last = told[-1][0].last, told[-1][1]
        return [found for found, _ in told]

    def _pieces(self, words: Sequence[str], ends: bool) -> list[tuple[Piece, Marked | None]]:
        """All pieces from the first word that was not told on, each with its last word."""
        told = self._told
        if self._restorer is None:
            return [(Piece(words[at], at, at + 1), None) for at in range(told, len(words))]
        # Words before it are there to be known about.
        first = max(0, told - AROUND)
        likeliest = self._restorer.likeliest(words[first:])[told - first :]
        marked = sentences(likeliest, begins=self._last is None or ends_sentence(self._last), ends=ends)
        return [
            (replace(one, first=one.first + told, last=one.last + told), marked[one.last - 1]) for one in pieces(marked)
        ]
