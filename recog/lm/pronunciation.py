"""Pronouncing dictionaries: files -> words with one or several phone sequences.

CMUdict's form, `word PH O1 N E0 S # comment`, with further ways of saying a word as `word(2)`, or plain lines
`word<tab>P H O N E S`, where the word may hold spaces and further ways are further lines; packed (.gz, .xz) or not.
"""

import re
import sys
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from recog.errors import LanguageModelError
from recog.lm.streams import reading, writing

# Ways of saying each word, in the order of the file.
Pronunciations = dict[str, tuple[tuple[str, ...], ...]]

# "read(2)": another way of saying "read". A word may itself be a bracket.
_VARIANT = re.compile(r"(.+)\([0-9]+\)")
# A vowel's stress: 0 none, 1 primary, 2 secondary.
_STRESSED = re.compile(r"([^\W\d]+)[012]")
_COMMENT = re.compile(r"(?:^|\s)#")
_COMMENT_LINES = (";;;", "##")


def read(path: str | Path, stress: bool = False, phones: Container[str] | None = None) -> Pronunciations:
    """The dictionary of a file; ways that are the same after stress is dropped are one.

    `stress` keeps the digits of vowels ("AH0"); otherwise they go ("AH"). With `phones`, any other phone is refused. So
    are, with the line's number: text that is not UTF-8, a word without phones, phones without a word.
    """
    found: Pronunciations = {}
    # Each phone as it is written -> as it is kept, one string for a million occurrences.
    kept: dict[str, str] = {}
    with reading(path) as source:
        for number, raw in enumerate(source.stream, 1):
            try:
                line = raw.decode("utf-8")
            except UnicodeDecodeError as error:
                raise LanguageModelError(f"line {number} of {path} is not UTF-8; convert the file") from error
            line = line.lstrip("\ufeff") if number == 1 else line
            if not line.strip() or line.startswith(_COMMENT_LINES):
                continue
            word, way = _parted(line)
            if not word or not way:
                raise LanguageModelError(
                    f"line {number} of {path} is {line.strip()[:60]!r}; expected a word and its phones, parted by spaces, "
                    "or by a tab after the word"
                )
            if not kept.keys() >= set(way):
                for phone in way:
                    kept[phone] = sys.intern(phone if stress else unstressed(phone))
                    if phones is not None and kept[phone] not in phones:
                        raise LanguageModelError(
                            f"line {number} of {path} says {word!r} with {kept[phone]!r}, which is not among the "
                            "phones asked for; correct it, or read with or without stress"
                        )
            way = tuple(map(kept.__getitem__, way))
            ways = found.get(word, ())
            if way not in ways:
                found[word] = (*ways, way)
    if not found:
        raise LanguageModelError(f"{path} holds no word; expected lines such as 'whale W EY1 L'")
    return found


def _parted(line: str) -> tuple[str, tuple[str, ...]]:
    """Word, without the number of its variant, and phones of a line, without its comment."""
    word, tab, rest = line.partition("\t")
    if not tab:
        word, _, rest = line.strip().partition(" ")
    word = word.strip()
    variant = _VARIANT.fullmatch(word) if word.endswith(")") else None
    # A comment begins with a # that stands alone: "#" might be a word.
    phones = _COMMENT.split(rest, maxsplit=1)[0] if "#" in rest else rest
    return variant[1] if variant else word, tuple(phones.split())


def unstressed(phone: str) -> str:
    """A phone without the digit of its stress: "AH0" is "AH"; what has no such digit stays."""
    stressed = _STRESSED.fullmatch(phone)
    return stressed[1] if stressed else phone


def phones_of(pronunciations: Mapping[str, Iterable[Sequence[str]]]) -> tuple[str, ...]:
    """All phones of a dictionary, sorted: the symbols of a network that hears them."""
    return tuple(sorted({phone for ways in pronunciations.values() for way in ways for phone in way}))


def entries(pronunciations: Mapping[str, Iterable[Sequence[str]]]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Every word with every way of saying it, one pair each."""
    for word, ways in pronunciations.items():
        for way in ways:
            yield word, tuple(way)


def write(path: str | Path, pronunciations: Mapping[str, Iterable[Sequence[str]]]) -> None:
    """Writes the plain form, a line for each way, packed if the name ends in .gz or .xz; `read` gives it back."""
    for word, way in entries(pronunciations):
        if not way or word != " ".join(word.split()) or not word or any(p != "".join(p.split()) or not p for p in way):
            raise LanguageModelError(
                f"the word {word!r} with the phones {way} cannot be written as a line; words have no tab or line break, "
                "phones no space"
            )
    with writing(path) as stream:
        for word, way in entries(pronunciations):
            stream.write(f"{word}\t{' '.join(way)}\n".encode())
