"""How old writing is spelt out: signs of the pen and of the transcriber -> the letters they stand for.

*Diplomatic* text has what stands on the page. *Normalised* text is easier to read and to search; it guesses no words:

    long s, with a stroke               s, ser: ſaid, ẜvice -> said, service
    ^ and letters above the line        the letters on the line: M^r, Mʳ, 2^e, m^(lle) -> Mr, Mr, 2e, mlle
    tilde or stroke over a vowel        the n that it stands for, m before b, m, p: generalemẽt -> generalement
    tilde over other letters            left out, since it stands for another each time: q̃ -> q
    ¬ = ⸗ at the end of a line          -: habi¬ -> habi-
    ⁊ ꝑ ꝓ ꝙ                             et per pro que
    printed ligatures (ﬁ ﬂ ﬅ ...)       their letters; œ and æ are letters of their own and stay
    curly quotes, long dashes           ' " -
    ⎀ ‸ ⋎ and strokes through letters   left out: they say where something was added or deleted

The rules are for English and French of the 16th to the 20th century. ã and õ of Portuguese, ñ of Spanish are letters:
ñ stays, for the others use diplomatic text.
"""

import re
import unicodedata
from collections.abc import Sequence

DIPLOMATIC, NORMALISED = "diplomatic", "normalised"
SPELLINGS = (DIPLOMATIC, NORMALISED)
_SIGNS = {
    **{"ſ": "s", "ẜ": "ser", "⁊": "et", "ꝑ": "per", "Ꝑ": "Per", "ꝓ": "pro", "Ꝓ": "Pro", "ꝙ": "que", "Ꝙ": "Que"},
    **{"ﬀ": "ff", "ﬁ": "fi", "ﬂ": "fl", "ﬃ": "ffi", "ﬄ": "ffl", "ﬅ": "st", "ﬆ": "st"},
    **{"‘": "'", "’": "'", "“": '"', "”": '"', "–": "-", "—": "-", "─": "-"},
    **{"⎀": "", "‸": "", "⋎": ""},
}
_TABLE = str.maketrans(_SIGNS)
# Strokes through letters: what is deleted on the page.
_STROKES = re.compile("[\u0335-\u0338]")
_LETTERS_ABOVE = {
    chr(code): unicodedata.name(chr(code)).removeprefix("COMBINING LATIN SMALL LETTER ").lower()
    for code in range(0x363, 0x370)
}
_RAISED = re.compile(r"\^(?:\(([^()\s]*)\)|(?=\w))")
# A vowel, its accents, then a tilde, macron or overline; and whether a lip sound follows.
_NASAL = re.compile("([aeiouAEIOU])([\u0300-\u0302\u0308]*)[\u0303\u0304\u0305\u033e](?=([bmpBMP])?)")
_OTHER_TILDE = re.compile("(?<![nN])[\u0303\u033e]|(?<=[nN])\u033e")
_LINE_END = re.compile("[¬=⸗]$")


def normalised(text: str) -> str:
    """Lines of diplomatic text -> lines as one would write them now; white space collapsed within a line."""
    return "\n".join(" ".join(filter(None, normalised_words(line.split()))) for line in text.split("\n"))


def normalised_words(words: Sequence[str]) -> list[str]:
    """The words of one line, one for one; "" for a word of nothing but signs that are left out."""
    written = [_word(word) for word in words]
    if written and len(written[-1]) > 1:
        written[-1] = _LINE_END.sub("-", written[-1])
    return written


def _word(word: str) -> str:
    word = _RAISED.sub(lambda found: found[1] or "", word)
    word = "".join(_raised(character) for character in unicodedata.normalize("NFD", word))
    word = _NASAL.sub(lambda found: found[1] + found[2] + ("m" if found[3] else "n"), word)
    word = _STROKES.sub("", _OTHER_TILDE.sub("", word)).translate(_TABLE)
    return unicodedata.normalize("NFC", word)


def _raised(character: str) -> str:
    """A letter written small and high becomes a letter; figures stay: m² is no m2."""
    if character in _LETTERS_ABOVE:
        return _LETTERS_ABOVE[character]
    below = unicodedata.normalize("NFKD", character)
    high = unicodedata.decomposition(character).startswith("<super>") and below.isalpha()
    return below if high and character not in "ªº" else character
