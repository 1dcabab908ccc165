"""ARPA files: the text form of back-off models that KenLM, SRILM and IRSTLM write and read.

`\\data\\`, the number of n-grams of each order, then a section for each order: log10 probability, words, and log10
back-off weight (left out where it is 0, and in the highest order). Fields are parted by tabs or spaces.
"""

from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recog.errors import LanguageModelError
from recog.lm.lookup import Tables
from recog.lm.ngram import HIGHEST_ORDER, SPECIAL, NgramModel, Unit
from recog.lm.streams import reading, writing
from recog.lm.trie import Level, tables

_LN10 = float(np.log(10.0))
# What KenLM gives <unk> where a file has none, and what we give <s> and </s> there; log10.
_ABSENT = -100.0
# How files of character models write the space, the surest sign first.
_SPACES = ("<space>", "\u2581", "|")
_LINES_AT_ONCE = 100_000


@dataclass(frozen=True)
class _Section:
    """The n-grams of one order as the file lists them."""

    # (k, n) word ids, (k,) log10 probability and weight, (k,) line numbers.
    words: NDArray[np.int64]
    log_probs: NDArray[np.float64]
    back_offs: NDArray[np.float64]
    lines: NDArray[np.int64]


def read(path: str | Path, unit: Unit | None = None, text_rule: str = "raw") -> NgramModel:
    """The model of an ARPA file (.arpa, .arpa.gz, .arpa.xz); probabilities become natural logs in float32.

    Without `unit`, a file whose words all have one character is a character model; its space may be written <space>,
    U+2581 or |. A missing <unk> gets the log10 probability -100, as in KenLM. The text rule is the one that texts must
    go through before they are scored; the file does not say it. An n-gram whose end (all but its first word) is not in
    the file is accepted, as SRILM's pruning leaves such; one whose beginning is not there is refused, as are
    unknown words, wrong numbers of n-grams, and files that end early, each with the line's number.
    """
    with reading(path) as source:
        lines = enumerate(source.stream, 1)
        counts = _counts(lines, path)
        vocabulary: dict[bytes, int] = {word.encode(): place for place, word in enumerate(SPECIAL)}
        vocabulary[b"<UNK>"] = 0
        sections = [_section(lines, order, count, vocabulary, path) for order, count in enumerate(counts, 1)]
        _expect_header(lines, b"\\end\\", path)
    words = _names(vocabulary, path)
    levels = _levels(sections, len(words), path)
    if unit is None:
        unit = "character" if all(len(word) == 1 or word in _SPACES for word in words[3:]) else "word"
    if unit == "character" and " " not in words:
        space = next((sign for sign in _SPACES if sign in words), None)
        words = tuple(" " if word == space else word for word in words)
    return NgramModel(words, tables(levels), unit, text_rule)


def _counts(lines: Iterator[tuple[int, bytes]], path: str | Path) -> list[int]:
    """The counts after \\data\\, up to and with the header of the 1-grams."""
    for _, line in lines:
        if line.strip() == b"\\data\\":
            break
        if line[:5] in (b"iARPA", b"qARPA"):
            raise LanguageModelError(
                f"{path} is IRSTLM's own {line[:5].decode()}; write an ARPA file with its compile-lm"
            )
    else:
        raise LanguageModelError(f"{path} is not an ARPA file: no line \\data\\ in it")
    counts: list[int] = []
    for number, line in lines:
        line = line.strip()
        if line == b"\\1-grams:":
            break
        if not line:
            continue
        head, _, count = line.partition(b"=")
        if head.split() != [b"ngram", str(len(counts) + 1).encode()] or not count.strip().isdigit():
            raise LanguageModelError(
                f"line {number} of {path} is {_shown(line)}; expected 'ngram {len(counts) + 1}=COUNT'"
            )
        counts.append(int(count))
    else:
        raise LanguageModelError(f"{path} is cut off before \\1-grams:; fetch or write it again")
    if not 1 <= len(counts) <= HIGHEST_ORDER:
        raise LanguageModelError(f"{path} has order {len(counts)}; orders 1 to {HIGHEST_ORDER} can be read")
    return counts


def _expect_header(lines: Iterator[tuple[int, bytes]], header: bytes, path: str | Path) -> None:
    for number, line in lines:
        if line.strip() == header:
            return
        if line.strip():
            raise LanguageModelError(f"line {number} of {path} is {_shown(line)}; expected {header.decode()}")
    raise LanguageModelError(f"{path} is cut off before {header.decode()}; fetch or write it again")


def _section(
    lines: Iterator[tuple[int, bytes]], order: int, count: int, vocabulary: dict[bytes, int], path: str | Path
) -> _Section:
    """Reads `count` n-grams; 1-grams fill the vocabulary."""
    if order > 1:
        _expect_header(lines, b"\\%d-grams:" % order, path)
    words, log_probs, back_offs, numbers = array("q"), array("d"), array("d"), array("q")
    number = 0
    while len(numbers) < count:
        # The inner loop of the reader: one pass of plain bytes, errors looked into only when they happen.
        for number, line in lines:
            fields = line.split()
            try:
                log_probs.append(float(fields[0]))
                if order == 1:
                    words.append(vocabulary.setdefault(fields[1], len(vocabulary) - 1))
                else:
                    words.extend([vocabulary[word] for word in fields[1 : order + 1]])
                back_offs.append(float(fields[order + 1]) if len(fields) == order + 2 else 0.0)
            except (ValueError, IndexError, KeyError):
                if not fields:
                    continue
                raise _refusal(line, number, order, vocabulary, (count, len(numbers)), path) from None
            numbers.append(number)
            if not order < len(fields) < order + 3:
                raise _refusal(line, number, order, vocabulary, (count, len(numbers)), path)
            if len(numbers) == count:
                break
        else:
            raise LanguageModelError(
                f"{path} is cut off at line {number}, after {len(numbers)} of {count} {order}-grams; "
                "fetch or write it again"
            )
    section = _Section(
        np.frombuffer(words, np.int64).reshape(-1, order) if words else np.zeros((0, order), np.int64),
        np.frombuffer(log_probs, np.float64) if log_probs else np.zeros(0),
        np.frombuffer(back_offs, np.float64) if back_offs else np.zeros(0),
        np.frombuffer(numbers, np.int64) if numbers else np.zeros(0, np.int64),
    )
    # 0 is what lmplz gives <s>; anything above is no probability. NaN fails the comparison too.
    wrong = np.flatnonzero(~(section.log_probs <= 1e-6) | np.isnan(section.back_offs))
    if len(wrong):
        at = wrong[0]
        raise LanguageModelError(
            f"line {section.lines[at]} of {path} has log probability {section.log_probs[at]:g} and back-off weight "
            f"{section.back_offs[at]:g}; expected a log10 probability up to 0 and a number"
        )
    return section


def _refusal(
    line: bytes, number: int, order: int, vocabulary: dict[bytes, int], counts: tuple[int, int], path: str | Path
) -> LanguageModelError:
    """What is wrong with a line that is no n-gram of this order."""
    fields = line.split()
    if line.startswith(b"\\"):
        return LanguageModelError(
            f"line {number} of {path} is {_shown(line)}, but only {counts[1]} of the {counts[0]} {order}-grams "
            "announced in \\data\\ came before it; the counts or the section are wrong"
        )
    unknown = [word for word in fields[1 : order + 1] if order > 1 and word not in vocabulary]
    if unknown and order < len(fields) < order + 3:
        return LanguageModelError(f"line {number} of {path} has the word {_shown(unknown[0])}, which is not a 1-gram")
    return LanguageModelError(
        f"line {number} of {path} is {_shown(line)}; expected a log10 probability, {order} words, and at most a "
        "back-off weight"
    )


def _shown(line: bytes) -> str:
    text = line.strip().decode("utf-8", "replace")
    return repr(text if len(text) <= 60 else text[:57] + "...")


def _names(vocabulary: dict[bytes, int], path: str | Path) -> tuple[str, ...]:
    """The words by id; `<UNK>` shares the id of `<unk>`."""
    try:
        return tuple(word.decode("utf-8") for word in vocabulary if word != b"<UNK>")
    except UnicodeDecodeError as error:
        raise LanguageModelError(
            f"{path} has the 1-gram {error.object!r}, which is not UTF-8; convert the file"
        ) from error


def _levels(sections: list[_Section], vocabulary: int, path: str | Path) -> list[Level]:
    """Sorts each section by (beginning, last word) and checks that beginnings exist and nothing comes twice."""
    levels: list[Level] = []
    # Sorted keys of each order: place of the beginning x vocabulary + last word.
    keys: list[NDArray[np.int64]] = []
    for order, section in enumerate(sections, 1):
        if order == 1:
            section = _with_special(section, vocabulary)
        parents = section.words[:, 0] if order > 1 else np.zeros(len(section.words), np.int64)
        for middle in range(1, order - 1):
            key = parents * vocabulary + section.words[:, middle]
            parents = np.minimum(np.searchsorted(keys[middle], key), max(0, len(keys[middle]) - 1))
            lost = np.flatnonzero(keys[middle][parents] != key) if len(keys[middle]) else np.arange(len(key))
            if len(lost):
                raise LanguageModelError(
                    f"line {section.lines[lost[0]]} of {path}: the first {middle + 1} words of this {order}-gram are not "
                    f"among the {middle + 1}-grams; a back-off model must list them"
                )
        key = parents * vocabulary + section.words[:, -1]
        sorting = np.argsort(key, kind="stable")
        keys.append(key[sorting])
        twice = np.flatnonzero(np.diff(keys[-1]) == 0)
        if len(twice):
            raise LanguageModelError(
                f"line {section.lines[sorting[twice[0] + 1]]} of {path} lists a {order}-gram for the second time"
            )
        natural = [
            (np.maximum(x, _ABSENT)[sorting] * _LN10).astype(np.float32) for x in (section.log_probs, section.back_offs)
        ]
        levels.append(
            Level(
                parents[sorting], section.words[sorting, -1], natural[0], natural[1] if order < len(sections) else None
            )
        )
    return levels


def _with_special(section: _Section, vocabulary: int) -> _Section:
    """The 1-grams with those of <unk>, <s> and </s> that the file lacks."""
    absent = np.setdiff1d(np.arange(vocabulary), section.words[:, 0])
    return _Section(
        np.concatenate((section.words, absent[:, None])),
        np.concatenate((section.log_probs, np.full(len(absent), _ABSENT))),
        np.concatenate((section.back_offs, np.zeros(len(absent)))),
        np.concatenate((section.lines, np.zeros(len(absent), np.int64))),
    )


def write(model: NgramModel, path: str | Path) -> None:
    """Writes the model as an ARPA file, packed if the name ends in .gz or .xz; KenLM's tools read it.

    Numbers have 7 digits. The space of a character model is written <space>; any other white space in a word is refused.
    """
    words = [_SPACES[0] if word == " " and model.unit == "character" else word for word in model.words]
    spaced = next(
        (word for word in words if not word or len(word.encode().split()) != 1 or word != word.strip(" \t")), None
    )
    if spaced is not None:
        raise LanguageModelError(
            f"the word {spaced!r} holds white space, which an ARPA file cannot; map it by the text rule"
        )
    with writing(path) as stream:
        counts = "".join(f"ngram {order}={size}\n" for order, size in enumerate(model.sizes, 1))
        stream.write(f"\\data\\\n{counts}".encode())
        for order in range(1, model.order + 1):
            stream.write(f"\n\\{order}-grams:\n".encode())
            first, end = model.tables.bounds[order - 1 : order + 1]
            for start in range(first, end, _LINES_AT_ONCE):
                stream.write(_lines(model.tables, words, order, start, min(end, start + _LINES_AT_ONCE)).encode())
        stream.write(b"\n\\end\\\n")


def _lines(tables: Tables, words: list[str], order: int, start: int, end: int) -> str:
    """The n-grams of the nodes from `start` to `end` - 1, all of this order."""
    nodes = np.arange(start, end)
    log_probs = tables.log_prob_values[tables.log_prob_starts[order - 1] + tables.log_prob_codes[start:end]] / _LN10
    columns = []
    above = nodes
    for _ in range(order):
        columns.append([words[word] for word in tables.words[above]])
        above = np.searchsorted(tables.children, above, side="right") - 1
    grams = map(" ".join, zip(*reversed(columns), strict=True))
    if order == len(tables.bounds) - 1:
        return "".join(f"{log_prob:.7g}\t{gram}\n" for log_prob, gram in zip(log_probs, grams, strict=True))
    weights = tables.back_off_values[tables.back_off_starts[order - 1] + tables.back_off_codes[start:end]] / _LN10
    return "".join(
        f"{log_prob:.7g}\t{gram}\t{weight:.7g}\n"
        for log_prob, gram, weight in zip(log_probs, grams, weights, strict=True)
    )
