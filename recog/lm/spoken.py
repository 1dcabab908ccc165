"""How words are said, as flat arrays: loaded in milliseconds where the lines of a dictionary take a second.

`recog.lm.pronunciation` reads and writes the dictionaries that people edit; a bundle holds this form.
"""

import itertools
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recog.errors import LanguageModelError

# A phone's place is one byte.
_MOST_PHONES = 256


@dataclass(frozen=True, eq=False)
class Spoken(Mapping[str, tuple[tuple[str, ...], ...]]):
    """W words with m ways of saying them, n phones in all; a mapping from each word to its ways, in order."""

    words: tuple[str, ...]
    # The symbols that ways are written in.
    phones: tuple[str, ...]
    # (W,) ways of each word, at least 1.
    ways: NDArray[np.int64]
    # (m,) phones of each way, at least 1.
    lengths: NDArray[np.int64]
    # (n,) the places in `phones`, way after way.
    said: NDArray[np.uint8]

    @classmethod
    def of(cls, pronunciations: Mapping[str, Iterable[Sequence[str]]]) -> "Spoken":
        """A dictionary as arrays. Refuses words and ways that are empty or hold a line break, and over 256 phones."""
        listed = {word: [tuple(way) for way in ways] for word, ways in pronunciations.items()}
        every = list(itertools.chain.from_iterable(listed.values()))
        phones = tuple(sorted(set(itertools.chain.from_iterable(every))))
        wrong = next(
            (word for word, ways in listed.items() if not word or "\n" in word or not ways or () in ways), None
        )
        if wrong is not None or len(phones) > _MOST_PHONES or any(not one or "\n" in one for one in phones):
            raise LanguageModelError(
                f"the word {wrong!r} has the ways {listed[wrong]}; expected words and phones without line breaks, none empty"
                if wrong is not None
                else f"{len(phones)} phones came, such as {phones[0]!r}; expected at most {_MOST_PHONES}, without line breaks"
            )
        place = {phone: number for number, phone in enumerate(phones)}
        return cls(
            tuple(listed),
            phones,
            np.array([len(ways) for ways in listed.values()], np.int64),
            np.array([len(way) for way in every], np.int64),
            np.array([place[phone] for way in every for phone in way], np.uint8),
        )

    def __getitem__(self, word: str) -> tuple[tuple[str, ...], ...]:
        number = self._numbers[word]
        first, last = self._first[number], self._first[number + 1]
        return tuple(
            tuple(self.phones[place] for place in self.said[self._start[way] : self._start[way + 1]])
            for way in range(first, last)
        )

    def __iter__(self) -> Iterator[str]:
        return iter(self.words)

    def __len__(self) -> int:
        return len(self.words)

    @cached_property
    def _numbers(self) -> dict[str, int]:
        return {word: number for number, word in enumerate(self.words)}

    @cached_property
    def _first(self) -> NDArray[np.int64]:
        """(W + 1,) where each word's ways begin."""
        return np.concatenate(([0], np.cumsum(self.ways)))

    @cached_property
    def _start(self) -> NDArray[np.int64]:
        """(m + 1,) where each way's phones begin."""
        return np.concatenate(([0], np.cumsum(self.lengths)))


def save(path: str | Path, spoken: Spoken) -> None:
    """Writes the arrays beside their place, and moves them there when they are whole; `load` gives them back."""
    path = Path(path)
    partial = path.with_name(f"{path.name}.partial")
    with partial.open("wb") as file:
        np.savez_compressed(
            file,
            words=_bytes(spoken.words),
            phones=_bytes(spoken.phones),
            ways=spoken.ways.astype(np.uint16),
            lengths=spoken.lengths.astype(np.uint16),
            said=spoken.said,
        )
    partial.replace(path)


def load(path: str | Path) -> Spoken:
    """Reads what `save` wrote; refuses what is damaged or does not fit together."""
    try:
        with Path(path).open("rb") as file, np.load(file, allow_pickle=False) as found:
            spoken = Spoken(
                _lines(found["words"]),
                _lines(found["phones"]),
                found["ways"].astype(np.int64),
                found["lengths"].astype(np.int64),
                found["said"].astype(np.uint8),
            )
    # A text's bytes that are no UTF-8 are a ValueError too; a file that is no archive is one that would need pickle.
    except (OSError, EOFError, KeyError, ValueError, AttributeError, zipfile.BadZipFile, zlib.error) as error:
        raise LanguageModelError(
            f"{path} cannot be read ({error}); fetch the bundle or put the lexicon in again"
        ) from error
    fits = (
        len(spoken.words) == len(spoken.ways) > 0
        and len(set(spoken.words)) == len(spoken.words)
        and int(spoken.ways.sum()) == len(spoken.lengths)
        and int(spoken.lengths.sum()) == len(spoken.said)
        and int(spoken.ways.min()) > 0
        and int(spoken.lengths.min()) > 0
        and int(spoken.said.max()) < len(spoken.phones)
    )
    if not fits:
        raise LanguageModelError(
            f"{path} holds {len(spoken.words)} words, {len(spoken.lengths)} ways and {len(spoken.said)} phones that do not "
            "fit together; fetch the bundle or put the lexicon in again"
        )
    return spoken


def _bytes(texts: Sequence[str]) -> NDArray[np.uint8]:
    return np.frombuffer("\n".join(texts).encode(), np.uint8)


def _lines(packed: NDArray[np.uint8]) -> tuple[str, ...]:
    return tuple(packed.tobytes().decode().split("\n"))
