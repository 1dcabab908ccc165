"""The phones of TIMIT and of CMUdict: their names, the foldings of TIMIT's, and one letter for each, so that texts can spell them.

An alphabet's symbols are single characters: spans, boxes, edit distances and language models all count them. A phone
is therefore one letter inside recog, and its name only outside: a manifest says "h# sh iy", the text rules phones-61,
phones-48 and phones-39 (recog.text) turn that into letters, and `named` turns letters back. CER is then the phone
error rate. Letters are IPA where IPA has one, else alike, and none is ASCII, so that neither names nor words are in doubt.

Foldings after Lee & Hon (1989), table 3: 61 -> 48 for training, and 48 -> 39 for counting errors, where
{sil, cl, vcl, epi}, {el, l}, {en, n}, {sh, zh}, {ao, aa}, {ih, ix} and {ah, ax} are one each. The glottal stop q is dropped.
"""

from collections.abc import Sequence

from recog.errors import ManifestError

# Name -> letter, of the 61 phones in the corpus and of the three that folding to 48 adds.
LETTERS = {
    **{"iy": "ī", "ih": "ɪ", "eh": "ɛ", "ey": "ē", "ae": "æ", "aa": "ɑ", "aw": "å", "ay": "ā", "ah": "ʌ", "ao": "ɔ"},
    **{"oy": "œ", "ow": "ō", "uh": "ʊ", "uw": "ū", "ux": "ʉ", "er": "ɝ", "ax": "ə", "ix": "ɨ", "axr": "ɚ", "ax-h": "ɘ"},
    **{"b": "ɓ", "d": "ɗ", "g": "ɠ", "p": "ƥ", "t": "ƭ", "k": "ƙ", "dx": "ɾ", "q": "ʔ", "jh": "ʤ", "ch": "ʧ"},
    **{"bcl": "ʙ", "dcl": "ᴅ", "gcl": "ɢ", "pcl": "ᴘ", "tcl": "ᴛ", "kcl": "ᴋ"},
    **{"s": "ʂ", "sh": "ʃ", "z": "ʐ", "zh": "ʒ", "f": "ƒ", "th": "θ", "v": "ʋ", "dh": "ð"},
    **{"m": "ɱ", "n": "ɲ", "ng": "ŋ", "em": "ᴍ", "en": "ɴ", "eng": "Ŋ", "nx": "ɳ"},
    **{"l": "ɭ", "r": "ɹ", "w": "ʍ", "y": "ʝ", "hh": "ħ", "hv": "ɦ", "el": "ʟ"},
    **{"pau": "‖", "epi": "¦", "h#": "⎵"},
    **{"cl": "ᴄ", "vcl": "ᴠ", "sil": "␣"},
}
NAMES = {letter: name for name, letter in LETTERS.items()}

# The 39 phones of CMUdict, in the order of their names, as letters: what a network's phone head says.
CMU = tuple(
    LETTERS[name]
    for name in (
        *(
            "aa",
            "ae",
            "ah",
            "ao",
            "aw",
            "ay",
            "b",
            "ch",
            "d",
            "dh",
            "eh",
            "er",
            "ey",
            "f",
            "g",
            "hh",
            "ih",
            "iy",
            "jh",
            "k",
        ),
        *("l", "m", "n", "ng", "ow", "oy", "p", "r", "s", "sh", "t", "th", "uh", "uw", "v", "w", "y", "z", "zh"),
    )
)

# Their names as CMUdict writes them.
CMU_NAMES = tuple(next(name for name, letter in LETTERS.items() if letter == one).upper() for one in CMU)

# What changes on the way from 61 to 48; "": dropped.
TO_48 = {
    **dict.fromkeys(("pcl", "tcl", "kcl"), "cl"),
    **dict.fromkeys(("bcl", "dcl", "gcl"), "vcl"),
    **dict.fromkeys(("h#", "pau"), "sil"),
    **{"ux": "uw", "axr": "er", "ax-h": "ax", "em": "m", "nx": "n", "eng": "ng", "hv": "hh", "q": ""},
}
# What changes on the way from 48 to 39.
TO_39 = {
    **dict.fromkeys(("cl", "vcl", "epi"), "sil"),
    **{"el": "l", "en": "n", "zh": "sh", "ao": "aa", "ix": "ih", "ax": "ah"},
}


def fold(name: str, count: int) -> str:
    """A phone's name in the set of 61, 48 or 39; "" where it is dropped. Names of a smaller set stay as they are."""
    if count <= 48:
        name = TO_48.get(name, name)
    return TO_39.get(name, name) if count <= 39 else name


def letters(text: str, count: int) -> str:
    """Names parted by white space, or letters, or both -> letters of the set of 61, 48 or 39 and nothing else.

    What is neither is dropped. Letters come out as they went in, except for folding.
    """
    found = []
    for word in text.split():
        names = [word] if word in LETTERS else [NAMES[letter] for letter in word if letter in NAMES]
        found += [fold(name, count) for name in names]
    return "".join(LETTERS[name] for name in found if name)


def spelled(names: Sequence[str]) -> str:
    """Names of CMUdict's phones, stressed or not, in either case -> their letters; refuses any other name."""
    found = [LETTERS.get(name.rstrip("012").lower(), "") for name in names]
    for name, letter in zip(names, found, strict=True):
        if letter not in CMU:
            raise ManifestError(
                f"{name!r} is no phone of CMUdict; expected names such as AH, K or ZH, parted by spaces"
            )
    return "".join(found)


def named(text: str) -> str:
    """Letters -> the names, with spaces between; characters that are no phone's letter are dropped."""
    return " ".join(NAMES[letter] for letter in text if letter in NAMES)
