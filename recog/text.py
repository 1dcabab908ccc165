"""Named text rules: what counts as the same text, in training and in scoring. Each is a function str -> str."""

import re
import unicodedata
from collections.abc import Callable

from recog import phones, spelling
from recog.errors import ConfigError

_TYPOGRAPHIC_VARIANTS = str.maketrans(
    {"\u2018": "'", "\u2019": "'", "\u201c": '"', "\u201d": '"', "\u2013": "-", "\u2014": "-", "\u00ac": "-"}
)


def raw(text: str) -> str:
    """The text as it stands."""
    return text


def strict(text: str) -> str:
    """For handwriting: NFC, white space collapsed and stripped, quotes and dashes unified; everything else counts.

    ' for U+2018 and U+2019, " for U+201C and U+201D, - for U+2013, U+2014 and U+00AC.
    Case, accents, punctuation, long s and ^ count.
    """
    return " ".join(unicodedata.normalize("NFC", text).translate(_TYPOGRAPHIC_VARIANTS).split())


def spoken(text: str) -> str:
    """For speech: lower case, ' for U+2019, hyphens to spaces, nothing but a-z, ' and single spaces left.

    Figures must have been spelled out before; they are dropped here like any other sign.
    """
    text = text.lower().replace("\u2019", "'").replace("-", " ")
    return " ".join(re.sub(r"[^a-z' ]", "", text).split())


def normalised(text: str) -> str:
    """For old handwriting: long s, letters above the line, strokes for n and m, hyphens at line ends spelt out.

    Every rule stands in recog.spelling.
    """
    return spelling.normalised(text)


def phones_61(text: str) -> str:
    """For TIMIT's 61 phones: each name becomes one letter (recog.phones), anything else is dropped."""
    return phones.letters(text, 61)


def phones_48(text: str) -> str:
    """For TIMIT's phones folded to the 48 of Lee & Hon (1989): each name becomes one letter, anything else is dropped."""
    return phones.letters(text, 48)


def phones_39(text: str) -> str:
    """For TIMIT's phones folded to the 39 that errors are counted in (Lee & Hon 1989): each name becomes one letter."""
    return phones.letters(text, 39)


RULES: dict[str, Callable[[str], str]] = {
    "raw": raw,
    "strict": strict,
    "spoken": spoken,
    "phones-61": phones_61,
    "phones-48": phones_48,
    "phones-39": phones_39,
    "normalised": normalised,
}


def rule(name: str) -> Callable[[str], str]:
    """The rule of this name."""
    if name not in RULES:
        raise ConfigError(f"text rule {name!r} is unknown; choose one of {', '.join(RULES)}")
    return RULES[name]


def definition(name: str) -> str:
    """The first line of a rule's description, printed beside every figure that was counted with it."""
    return f"{name} ({(rule(name).__doc__ or '').splitlines()[0].rstrip('.')})"
