"""The Reber grammar and the embedded one: short strings whose last but one symbol is decided by their second.

Reber 1967; embedded by Cleeremans 1989 and Fahlman 1991; Hochreiter & Schmidhuber 1997, experiment 1; as a stream
without ends in Gers, Schmidhuber & Cummins 2000.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from recog.errors import InputError
from recog.tasks.sequences import Sequences, stack

SYMBOLS = "BTPSXVE"
# What follows in each state of the inner grammar, and the state it leads to. State 0 is before B, END after E.
END = 7
INNER: tuple[dict[str, int], ...] = (
    {"B": 1},
    {"T": 2, "P": 3},
    {"S": 2, "X": 4},
    {"T": 3, "V": 5},
    {"X": 3, "S": 6},
    {"P": 4, "V": 6},
    {"E": END},
)
_INDEX = {symbol: number for number, symbol in enumerate(SYMBOLS)}


def inner(rng: np.random.Generator) -> str:
    """A string of the inner grammar; both ways out of a state are as likely."""
    text, state = "", 0
    while state != END:
        ways = list(INNER[state].items())
        symbol, state = ways[int(rng.integers(len(ways)))]
        text += symbol
    return text


def embedded(rng: np.random.Generator) -> str:
    """B, then T or P, a string of the inner grammar, the same T or P again, E; 9 symbols or more."""
    outer = "TP"[int(rng.integers(2))]
    return f"B{outer}{inner(rng)}{outer}E"


def legal(text: str) -> list[str]:
    """For each symbol of an embedded string the symbols that may follow it; after the last E a new string may begin.

    Refuses (InputError) text that is no beginning of a stream of embedded strings.
    """
    follows: list[str] = []
    place, outer, state, expected = 0, "", 0, "B"
    for number, symbol in enumerate(text):
        if symbol not in expected:
            raise InputError(
                f"symbol {number + 1} of {text!r} is {symbol!r}; the grammar has {' or '.join(expected)} there"
            )
        if place == 0:
            place, expected = 1, "TP"
        elif place == 1:
            place, outer, state, expected = 2, symbol, 0, "B"
        elif place == 2:
            state = INNER[state][symbol]
            place, expected = (3, outer) if state == END else (2, "".join(INNER[state]))
        elif place == 3:
            place, expected = 4, "E"
        else:
            place, expected = 0, "B"
        follows.append(expected)
    return follows


def legal_inner(text: str) -> list[str]:
    """For each symbol of a string of the inner grammar the symbols that may follow it; none after the E. Refuses other text."""
    follows: list[str] = []
    state = 0
    for number, symbol in enumerate(text):
        expected = "" if state == END else "".join(INNER[state])
        if symbol not in expected:
            raise InputError(
                f"symbol {number + 1} of {text!r} is {symbol!r}; the grammar has {' or '.join(expected) or 'nothing'} there"
            )
        state = INNER[state][symbol]
        follows.append("" if state == END else "".join(INNER[state]))
    return follows


def accepts(text: str) -> bool:
    """Whether this is one embedded string, whole."""
    try:
        follows = legal(text)
    except InputError:
        return False
    return bool(follows) and text[-1] == "E" and follows[-1] == "B" and "E" in follows[-2]


def encode(texts: Sequence[str], rules: Callable[[str], list[str]] = legal) -> Sequences:
    """Strings as one-hot inputs (B, T, 7), T one less than the longest: after each symbol but the last, the next is asked.

    Targets (B, T, 14): the next symbol one-hot, then the set of legal ones, as `rules` tell them of the whole string.
    """
    rows = []
    for text in texts:
        codes = np.array([_INDEX[symbol] for symbol in text])
        one_hot = np.eye(len(SYMBOLS), dtype=np.float32)[codes]
        # A handful of sets stands for all steps: each is made once.
        follows = rules(text)[:-1]
        sets = {symbols: number for number, symbols in enumerate(dict.fromkeys(follows))}
        table = np.array([[symbol in symbols for symbol in SYMBOLS] for symbols in sets], dtype=np.float32)
        allowed = table[[sets[symbols] for symbols in follows]]
        rows.append((one_hot[:-1], np.concatenate([one_hot[1:], allowed], axis=1), np.ones(len(text) - 1, np.float32)))
    return stack(rows)


def stream(rng: np.random.Generator, chunks: int, steps: int) -> Sequences:
    """Embedded strings one after another without a sign between them, as `chunks` that follow on each other.

    Encoded as by `encode`, (chunks, steps, 7) and (chunks, steps, 14); the first begins with the B of a string.
    """
    texts, symbols = [], 0
    while symbols <= chunks * steps:
        texts.append(embedded(rng))
        symbols += len(texts[-1])
    whole = encode(["".join(texts)[: chunks * steps + 1]])
    return Sequences(
        whole.inputs.reshape(chunks, steps, -1),
        whole.targets.reshape(chunks, steps, -1),
        whole.asked.reshape(chunks, steps),
        np.full(chunks, steps, dtype=np.int64),
    )


def symbols_only(lessons: Sequences) -> Sequences:
    """The lessons with the next symbol alone as the target, (B, T, 7): what a network is taught, which is not the rules."""
    return replace(lessons, targets=lessons.targets[..., : len(SYMBOLS)])


def lawful(answers: NDArray[np.float64], lessons: Sequences) -> NDArray[np.bool_]:
    """(B, T): whether every legal symbol has a larger answer than every other one; true where nothing is asked.

    The criterion of 1997, after Fahlman 1991: where two symbols may follow, they must be the two most active.
    """
    allowed = lessons.targets[..., len(SYMBOLS) :] > 0
    least = np.where(allowed, answers, np.inf).min(axis=2)
    most = np.where(allowed, -np.inf, answers).max(axis=2)
    return np.asarray((least > most) | (lessons.asked == 0))
