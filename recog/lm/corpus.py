"""Files of running text -> sentences that went through a text rule, for training a language model."""

import json
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from tqdm import tqdm

from recog import text
from recog.errors import LanguageModelError
from recog.lm.streams import reading

# A sentence ends at . ! ? or an ellipsis, with its closing quotes and brackets, where the next word has a capital.
_SENTENCE_END = re.compile(r"(?<=[.!?\u2026])[\"'\u2019\u201d)\]]*\s+(?=[\"'\u2018\u201c(\[]*[A-Z])")
# Not the end of a sentence: a title or an initial. "I." may well be one.
_ABBREVIATION = re.compile(r"\b(Capt|Col|Gen|Lt|Sergt|Rev|Hon|Prof|Messrs|Esq|Jr|Sr|[A-HJ-Z])\.(?=\s)")
# How titles are said; the same spelling as in LibriSpeech's transcripts (Panayotov et al. 2015).
_SAID = {"Mr": "Mister", "Mrs": "Missus", "Dr": "Doctor", "St": "Saint"}
_TITLE = re.compile(r"\b(Mr|Mrs|Dr|St)\b\.?(?=\s+[A-Z])")
# Signs that part words, but that the rule `spoken` would drop without a space.
_PARTING = str.maketrans(dict.fromkeys("–—…/_[]()*:;", " ") | {"\u00e6": "ae", "\u0153": "oe"})
# A sentence that holds one of these is said otherwise than it is written.
_NOT_SAID = re.compile(r"[0-9&$%\u00a3\u20ac@=+<>\\^~|{}#\u00b0\u00a7]")
# Words that do begin, or end, with an apostrophe; any other such apostrophe is a quotation mark.
_BEGINNINGS = frozenset(("'tis", "'twas", "'twere", "'twill", "'em", "'cause", "'til", "'bout", "'neath"))
_ENDINGS = frozenset(("o'", "an'", "th'", "ol'", "wi'"))
_LINES_BETWEEN_TELLING = 2000


class Corpus:
    """The sentences of some files, one after the other; iterating shows a bar for each file.

    Files are plain text, .gz or .xz, one paragraph or sentence a line, or manifests (.jsonl), whose "text" is taken.
    For the rule `spoken`, paragraphs are parted into sentences, titles are spelled as they are said, quotation marks are
    told from apostrophes, and sentences with figures or other signs that are not said as they are written are left
    out. For other rules a line stays a line; with `line_characters`, lines are broken between words at that length, as
    on a page, so that <s> and </s> come to mean the edges of a written line.
    """

    def __init__(self, paths: Sequence[str | Path], text_rule: str, line_characters: int = 0, part: str = "") -> None:
        self.paths = [Path(path) for path in paths]
        self.text_rule = text_rule
        self.line_characters = line_characters
        # Of manifests, only rows of this part; rows that have none are taken.
        self.part = part
        # Why sentences were left out of the last iteration, and how many.
        self.left_out: Counter[str] = Counter()

    def __iter__(self) -> Iterator[str]:
        self.left_out.clear()
        rule = text.rule(self.text_rule)
        for path in self.paths:
            for line in _lines(path, self.part):
                if self.text_rule == "spoken":
                    yield from self._said(line)
                elif self.line_characters:
                    yield from broken(rule(line), self.line_characters)
                else:
                    yield rule(line)

    def _said(self, paragraph: str) -> Iterator[str]:
        for sentence in sentences(paragraph):
            plain = sentence.translate(_PARTING)
            if not plain.isascii():
                # Accents go, as in "cafe", and "\u00bd" becomes figures; typographic quotes stay for the rule.
                plain = "".join(
                    sign for sign in unicodedata.normalize("NFKD", plain) if not unicodedata.combining(sign)
                )
            if _NOT_SAID.search(plain):
                self.left_out["figures or signs that are not said as they are written"] += 1
                continue
            if any(sign.isalpha() for sign in plain if not sign.isascii()):
                self.left_out["letters beyond a to z"] += 1
                continue
            yield unquoted(text.spoken(plain))


def _lines(path: Path, part: str) -> Iterator[str]:
    """The lines of a file without white space around them; empty ones are skipped."""
    with (
        reading(path) as source,
        tqdm(total=source.size, unit="B", unit_scale=True, desc=path.name, mininterval=0.5) as bar,
    ):
        for number, line in enumerate(source.stream, 1):
            if number % _LINES_BETWEEN_TELLING == 0:
                bar.update(source.raw.tell() - bar.n)
            try:
                read = (_text(line, part) if path.suffix == ".jsonl" else line.decode("utf-8")).strip()
            except UnicodeDecodeError as error:
                raise LanguageModelError(f"line {number} of {path} is not UTF-8; convert the file") from error
            except (ValueError, TypeError, KeyError, AttributeError) as error:
                raise LanguageModelError(f"line {number} of {path} is no JSON object with a text") from error
            if read:
                yield read
        bar.update(source.size - bar.n)


def _text(row: bytes, part: str) -> str:
    """The text of a manifest's row, nothing if it belongs to another part."""
    fields: dict[str, str] = json.loads(row)
    return fields["text"] if not part or fields.get("part", part) == part else ""


def sentences(paragraph: str) -> list[str]:
    """The sentences of an English paragraph: parted after . ! ? where a capital follows, but not after "Mr." or "J."."""
    said = _TITLE.sub(lambda found: _SAID[found[1]], paragraph)
    return _SENTENCE_END.split(_ABBREVIATION.sub(r"\1", said))


def unquoted(sentence: str) -> str:
    """A sentence after the rule `spoken`, without apostrophes that were single quotation marks.

    The one at the end of "dogs'" stays unless a quotation is open.
    """
    if "'" not in sentence:
        return sentence
    words, quoting = [], False
    for word in sentence.split():
        if word[0] == "'" and word not in _BEGINNINGS:
            word, quoting = word.lstrip("'"), True
        if word[-1:] == "'" and word not in _ENDINGS and (quoting or word[-2:-1] != "s"):
            word, quoting = word.rstrip("'"), False
        if word:
            words.append(word)
    return " ".join(words)


def broken(line: str, characters: int) -> Iterator[str]:
    """Breaks a line between words so that no piece is longer than this, single words aside."""
    start = 0
    while len(line) - start > characters:
        end = line.rfind(" ", start, start + characters + 1)
        if end <= start:
            end = line.find(" ", start + characters)
        if end < 0:
            break
        yield line[start:end]
        start = end + 1
    yield line[start:]
