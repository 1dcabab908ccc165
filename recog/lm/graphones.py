"""Letters and phones aligned into joint tokens, "graphones", by expectation maximisation over all segmentations.

A word and its phones are seen as one row of tokens, each of one or two letters and none to two phones: "phrase" with
F R EY Z is ph:F r:R a:EY s:Z e: . Tokens follow each other independently here; their probabilities are those that
make the whole dictionary likeliest (Deligne, Yvon & Bimbot 1995; Jiampojamarn, Kondrak & Sherif 2007, section 3),
but for a toll on longer tokens.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recog.compile import compiled
from recog.errors import LanguageModelError

# (letters, phones) that a token may take. Longer ones are rows of these: two letters for two phones are one for one twice.
MOVES = ((1, 0), (1, 1), (1, 2), (2, 1))
# A token of two letters or two phones has this power of its probability as its weight. With 1, EM would be content
# with b:"B A" an:N in every "ban", since two factors are more than three; with 2, ph:F would lose to p:F h: .
POWER = 1.5
# Longer entries are whole sentences; their probability would come near the smallest number there is.
_MOST_LETTERS = 60
# Pairs of letters and of phones that may be told apart: 8 bytes each, three times.
_MOST_CELLS = 30_000_000


class Graphone(NamedTuple):
    """One or two letters and the phones that they stand for, perhaps none."""

    letters: str
    phones: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Alignment:
    """The likeliest segmentation of every entry."""

    tokens: tuple[Graphone, ...]
    # Places in `tokens`; one row for each entry that is not left out.
    rows: tuple[NDArray[np.int32], ...]
    # Entries that no row of tokens can make: more than two phones a letter, or no letter at all.
    left_out: tuple[tuple[str, tuple[str, ...]], ...]
    # Natural log of the weight of all entries, summed over their segmentations, before each round.
    log_likelihoods: tuple[float, ...]


class Lattices(NamedTuple):
    """The letters and phones of all entries as numbers of chunks; entry e has starts[e] to starts[e + 1] - 1."""

    letter_starts: NDArray[np.int64]
    phone_starts: NDArray[np.int64]
    # (letters,) number of the chunk of one letter, and of two, that begins at each letter; 0 where an entry ends first.
    one_letter: NDArray[np.int32]
    two_letters: NDArray[np.int32]
    # (phones,) the same; the chunk of no phone is number 0.
    one_phone: NDArray[np.int32]
    two_phones: NDArray[np.int32]


@compiled
def _chunks(
    lattices: Lattices, entry: int, move: tuple[int, int], letter: int, phone: int
) -> tuple[int, int, int, int]:
    """The token that a move takes after some letters and phones, as numbers of its chunks, and where it leads.

    The first number is -1 where the entry ends before.
    """
    first_letter, first_phone = lattices.letter_starts[entry], lattices.phone_starts[entry]
    next_letter, next_phone = letter + move[0], phone + move[1]
    if (
        first_letter + next_letter > lattices.letter_starts[entry + 1]
        or first_phone + next_phone > lattices.phone_starts[entry + 1]
    ):
        return -1, 0, 0, 0
    written = lattices.one_letter if move[0] == 1 else lattices.two_letters
    spoken = lattices.one_phone if move[1] == 1 else lattices.two_phones
    said = 0 if move[1] == 0 else int(spoken[first_phone + phone])
    return int(written[first_letter + letter]), said, next_letter, next_phone


@compiled
def expect(
    lattices: Lattices,
    weights: NDArray[np.float64],
    counts: NDArray[np.float64],
    likelihoods: NDArray[np.float64],
) -> None:
    """Adds each token's expected number over all segmentations to `counts`; (E,) `likelihoods` gets each entry's.

    `weights` of tokens and `counts` are (letter chunks, phone chunks). Forward and backward sums as in Rabiner (1989).
    """
    for entry in range(likelihoods.shape[0]):
        letters = int(lattices.letter_starts[entry + 1] - lattices.letter_starts[entry])
        phones = int(lattices.phone_starts[entry + 1] - lattices.phone_starts[entry])
        forward = np.zeros((letters + 1, phones + 1))
        backward = np.zeros((letters + 1, phones + 1))
        forward[0, 0] = backward[letters, phones] = 1.0
        for letter in range(letters):
            for phone in range(phones + 1):
                for move in MOVES:
                    written, said, i, j = _chunks(lattices, entry, move, letter, phone)
                    if written >= 0:
                        forward[i, j] += forward[letter, phone] * weights[written, said]
        total = forward[letters, phones]
        likelihoods[entry] = total
        if total == 0.0:
            continue
        for letter in range(letters - 1, -1, -1):
            for phone in range(phones, -1, -1):
                for move in MOVES:
                    written, said, i, j = _chunks(lattices, entry, move, letter, phone)
                    if written >= 0:
                        onward = weights[written, said] * backward[i, j]
                        backward[letter, phone] += onward
                        counts[written, said] += forward[letter, phone] * onward / total


@compiled
def likeliest(lattices: Lattices, entry: int, weights: NDArray[np.float64], found: NDArray[np.int64]) -> int:
    """Fills `found` with the entry's likeliest tokens, letter chunk x phone chunks + phone chunk; returns how many."""
    letters = int(lattices.letter_starts[entry + 1] - lattices.letter_starts[entry])
    phones = int(lattices.phone_starts[entry + 1] - lattices.phone_starts[entry])
    best = np.zeros((letters + 1, phones + 1))
    moves = np.full((letters + 1, phones + 1), -1)
    best[0, 0] = 1.0
    for letter in range(letters):
        for phone in range(phones + 1):
            for number, move in enumerate(MOVES):
                written, said, i, j = _chunks(lattices, entry, move, letter, phone)
                if written >= 0 and best[letter, phone] * weights[written, said] > best[i, j]:
                    best[i, j] = best[letter, phone] * weights[written, said]
                    moves[i, j] = number
    if best[letters, phones] == 0.0:
        return 0
    length, letter, phone = 0, letters, phones
    while letter > 0:
        move = MOVES[moves[letter, phone]]
        letter, phone = letter - move[0], phone - move[1]
        written, said, _, _ = _chunks(lattices, entry, move, letter, phone)
        found[length] = written * weights.shape[1] + said
        length += 1
    found[:length] = found[:length][::-1].copy()
    return length


def align(entries: Iterable[tuple[str, Sequence[str]]], rounds: int = 10) -> Alignment:
    """The likeliest segmentation of (word, phones) pairs after some rounds of EM.

    Refuses a dictionary of which nothing can be aligned, and one with too many different letters (a syllabary, or signs
    for words) to keep a probability for every pair of chunks.
    """
    good: list[tuple[str, tuple[str, ...]]] = []
    left_out: list[tuple[str, tuple[str, ...]]] = []
    for word, phones in entries:
        able = 0 < len(word) <= _MOST_LETTERS and 0 < len(phones) <= 2 * len(word)
        (good if able else left_out).append((word, tuple(phones)))
    if not good:
        raise LanguageModelError(
            f"none of the {len(left_out)} entries of the dictionary can be aligned: each needs a word and one phone or "
            "more, at most two a letter"
        )
    lattices, written, said = _numbered(good)
    if len(written) * len(said) > _MOST_CELLS:
        raise LanguageModelError(
            f"the dictionary has {len(written)} different letters and pairs of letters and {len(said)} of phones, "
            "too many to align; this works for alphabets, not for signs that stand for syllables or words"
        )
    powers = np.where(
        np.array([len(chunk) > 1 for chunk in written])[:, None] | np.array([len(chunk) > 1 for chunk in said]),
        POWER,
        1.0,
    )
    probabilities = np.full(powers.shape, 1.0 / powers.size)
    likelihoods, history = np.zeros(len(good)), []
    for _ in range(rounds):
        counts = np.zeros_like(probabilities)
        expect(lattices, probabilities**powers, counts, likelihoods)
        history.append(float(np.log(likelihoods[likelihoods > 0]).sum()))
        # The probabilities that maximise the sum of counts x powers x their logs.
        counts *= powers
        probabilities = counts / counts.sum()
    weights = probabilities**powers
    codes, lengths = [], []
    found = np.zeros(_MOST_LETTERS, np.int64)
    for entry in range(len(good)):
        length = likeliest(lattices, entry, weights, found)
        if not length:
            left_out.append(good[entry])
            continue
        codes.append(found[:length].copy())
        lengths.append(length)
    distinct, flat = np.unique(np.concatenate(codes), return_inverse=True)
    tokens = tuple(Graphone(written[code // len(said)], said[code % len(said)]) for code in distinct.tolist())
    rows = np.split(flat.astype(np.int32), np.cumsum(lengths)[:-1])
    return Alignment(tokens, tuple(rows), tuple(left_out), tuple(history))


def _numbered(entries: Sequence[tuple[str, tuple[str, ...]]]) -> tuple[Lattices, list[str], list[tuple[str, ...]]]:
    """The lattices of the entries, and the letters and phones of each chunk."""
    letter_starts = np.concatenate(([0], np.cumsum([len(word) for word, _ in entries])))
    phone_starts = np.concatenate(([0], np.cumsum([len(phones) for _, phones in entries])))
    letters, one_letter, two_letters = _numbers([list(word) for word, _ in entries], letter_starts, 0)
    phones, one_phone, two_phones = _numbers([phones for _, phones in entries], phone_starts, 1)
    lattices = Lattices(
        letter_starts.astype(np.int64), phone_starts.astype(np.int64), one_letter, two_letters, one_phone, two_phones
    )
    return lattices, ["".join(chunk) for chunk in letters], [(), *phones]


def _numbers(
    rows: Sequence[Sequence[str]], starts: NDArray[np.int64], first: int
) -> tuple[list[tuple[str, ...]], NDArray[np.int32], NDArray[np.int32]]:
    """Chunks of one and two units, numbered from `first` on, and those that begin at each unit of all rows."""
    units = sorted({unit for row in rows for unit in row})
    numbers = {unit: number for number, unit in enumerate(units)}
    ones = np.fromiter((numbers[unit] for row in rows for unit in row), np.int64, int(starts[-1]))
    pairs = ones * len(units) + np.append(ones[1:], 0)
    ends = np.zeros(len(ones), bool)
    ends[starts[1:] - 1] = True
    distinct, places = np.unique(pairs[~ends], return_inverse=True)
    twos = np.zeros(len(ones), np.int64)
    twos[~ends] = first + len(units) + places
    chunks: list[tuple[str, ...]] = [(unit,) for unit in units]
    chunks += [(units[pair // len(units)], units[pair % len(units)]) for pair in distinct.tolist()]
    return chunks, (first + ones).astype(np.int32), twos.astype(np.int32)
