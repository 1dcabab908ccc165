"""The compact file of a language model: quantised, checked by a sum, mapped into memory rather than read.

    8 bytes  magic "recog-lm"          4 bytes  CRC-32 of all that follows
    4 bytes  version, 4 bytes length of the header
    header   JSON: order, unit, text rule, numbers of n-grams, and each part's type and length
    parts    each begins at a multiple of 64 bytes; little-endian

Words and probability codes lie there as `lookup.Tables` has them and are used in place: 3 bytes an n-gram (5 beyond 65536
words). Of the contexts only those that matter are written, with one byte each for children and weight; the
arrays with an entry for every context are unfolded when the file is loaded, in milliseconds.
"""

import json
import mmap
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recog.errors import LanguageModelError
from recog.lm.lookup import Tables
from recog.lm.ngram import HIGHEST_ORDER, NgramModel
from recog.lm.quantise import VALUES, quantise
from recog.lm.streams import writing
from recog.lm.trie import freeze

VERSION = 1
_MAGIC = b"recog-lm"
_FRONT = struct.Struct("<8sIII")
_ALIGNMENT = 64
# As many children as this or more are counted in the part "many".
_MANY = 255


def save(model: NgramModel, path: str | Path) -> None:
    """Writes the model, quantised to one byte a number, beside its place and moves it there when complete."""
    tables = quantise(model.tables)
    inner = len(tables.back_off_codes)
    children = np.diff(tables.children)
    matters = (children > 0) | (tables.back_off_codes != 0)
    counts = children[matters]
    longer = matters[tables.bounds[2] : inner] if len(tables.bounds) > 3 else np.zeros(0, bool)
    # The search never asks for the suffix of a context that does not matter: it has none in the file.
    parts: dict[str, NDArray[Any]] = {
        "vocabulary": np.frombuffer("\n".join(model.words).encode("utf-8"), np.uint8),
        "words": tables.words,
        "log_prob_codes": tables.log_prob_codes,
        "log_prob_values": tables.log_prob_values,
        "matters": np.packbits(matters),
        "children": np.minimum(counts, _MANY).astype(np.uint8),
        "many": counts[counts >= _MANY].astype(np.uint32),
        "back_off_codes": tables.back_off_codes[matters],
        "back_off_values": tables.back_off_values,
        "suffixes": tables.suffixes[longer],
    }
    header = json.dumps(
        {
            "order": model.order,
            "unit": model.unit,
            "text_rule": model.text_rule,
            "sizes": model.sizes,
            "parts": [[name, _little(part).dtype.str, len(part)] for name, part in parts.items()],
        }
    ).encode()
    body = bytearray(struct.pack("<II", VERSION, len(header)) + header)
    for part in parts.values():
        body += bytes(-(len(body) + _FRONT.size - 8) % _ALIGNMENT)
        body += _little(part).tobytes()
    with writing(path) as stream:
        stream.write(_MAGIC + struct.pack("<I", zlib.crc32(body)) + body)


def _little(part: NDArray[Any]) -> NDArray[Any]:
    return part.astype(part.dtype.newbyteorder("<"), copy=False)


def load(path: str | Path) -> NgramModel:
    """Maps a model into memory; it stays usable as long as the file is not written over in place.

    Refuses in a sentence: what is no such file, a damaged or truncated one, and one that a newer recog wrote.
    """
    try:
        with Path(path).open("rb") as stream:
            content = memoryview(mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ))
    except (OSError, ValueError) as error:
        # mmap refuses an empty file with a ValueError.
        raise LanguageModelError(f"language model {path} cannot be read: {error}") from error
    if len(content) < _FRONT.size or content[: len(_MAGIC)] != _MAGIC:
        raise LanguageModelError(f"{path} is not a language model of recog; make one from text or ARPA with train_lm")
    _, checksum, version, length = _FRONT.unpack_from(content)
    if zlib.crc32(content[_FRONT.size - 8 :]) != checksum:
        raise LanguageModelError(f"language model {path} is damaged or cut off: its checksum is wrong; fetch it again")
    if version > VERSION:
        raise LanguageModelError(
            f"language model {path} has format {version}; this recog reads up to {VERSION}: update recog"
        )
    try:
        header = json.loads(bytes(content[_FRONT.size : _FRONT.size + length]))
        parts, at = {}, _FRONT.size + length
        for name, kind, size in header["parts"]:
            at += -at % _ALIGNMENT
            parts[name] = np.frombuffer(content, np.dtype(kind), size, at)
            at += parts[name].nbytes
        words = tuple(parts["vocabulary"].tobytes().decode("utf-8").split("\n"))
        tables = _unfold(parts, header["sizes"])
        return NgramModel(words, tables, header["unit"], header["text_rule"])
    except (ValueError, KeyError, TypeError, IndexError, LanguageModelError) as error:
        raise LanguageModelError(f"language model {path} contradicts itself ({error}); make it again") from error


def _unfold(parts: dict[str, NDArray[Any]], sizes: list[int]) -> Tables:
    """The parts as tables. Checks every link and code, since compiled code would follow them anywhere."""
    order = len(sizes)
    if not 1 <= order <= HIGHEST_ORDER:
        raise ValueError(f"order {order}")
    bounds = 1 + np.concatenate(([0], np.cumsum(sizes)))
    inner, last = int(bounds[-2]), int(bounds[-1])
    matters = np.unpackbits(parts["matters"], count=inner).view(bool)
    counts = parts["children"].astype(np.int64)
    counts[counts == _MANY] = parts["many"]
    children = np.zeros(inner + 1, np.int64)
    children[1:][matters] = counts
    children = 1 + np.cumsum(children)
    back_off_codes = np.zeros(inner, np.uint8)
    back_off_codes[matters] = parts["back_off_codes"]
    first_longer = int(bounds[2]) if order > 2 else inner
    suffixes = np.zeros(inner - first_longer, np.int32)
    suffixes[matters[first_longer:]] = parts["suffixes"]
    # A suffix is shorter than what it is the suffix of.
    limits = np.repeat(bounds[2:-2], np.diff(bounds)[2:-1])
    if (
        len(parts["words"]) != last
        or len(parts["log_prob_codes"]) != last
        or not np.array_equal(children[bounds[:-1]], bounds[1:])
        or int(parts["words"].max()) >= sizes[0]
        or bool((suffixes < 0).any() or (suffixes >= limits).any())
        or not len(parts["log_prob_values"]) == len(parts["back_off_values"]) == order * VALUES
    ):
        raise ValueError("its parts do not fit together")
    return freeze(
        Tables(
            bounds=bounds.astype(np.int64),
            words=parts["words"],
            children=children.astype(np.int32),
            suffixes=suffixes,
            log_prob_codes=parts["log_prob_codes"],
            back_off_codes=back_off_codes,
            log_prob_values=parts["log_prob_values"],
            log_prob_starts=VALUES * np.arange(order),
            back_off_values=parts["back_off_values"],
            back_off_starts=VALUES * np.arange(order),
        )
    )
