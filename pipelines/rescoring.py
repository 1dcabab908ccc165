"""Text -> a recurrent language model that rescores texts (recog.rescorer), measured in bits a character on lines held out."""

import math
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from tqdm import tqdm

from recog import manifest, rescorer, text
from recog.alphabet import Alphabet
from recog.errors import ConfigError
from recog.lm.corpus import Corpus, broken
from recog.models.recurrent_lm import EDGE, RecurrentLM, RecurrentLMConfig
from recog.rescorer import UNKNOWN_WORD, Rescorer, padded
from recog.training.precision import arithmetic, choose
from recog.training.stop import StopRequest

# Lines, or passages of lines with EDGE between them, in numbers of units, the first unit 1.
Lines = list[NDArray[np.int32]]

# Of so many lines one is kept apart to measure on, but no more than so many.
HELD_OUT, MOST_HELD_OUT = 200, 2000


@dataclass(frozen=True)
class RescoringConfig:
    """How a rescorer is trained."""

    minutes: float = 30.0
    # If above 0: ends after so many updates instead, the same on every machine.
    updates: int = 0
    # Units (characters or words) in a batch, padding included.
    batch: int = 8000
    # Longer lines are cut after so many characters.
    longest: int = 400
    # If above 0: lines of a paragraph, or of a manifest's page, are read on from one to the next, up to so many characters together.
    # A rescorer that learnt so may be told the lines before the one it judges (`DecoderOptions.preceding`).
    passage: int = 0
    peak_rate: float = 3e-3
    # How often what is learnt so far is written.
    save_minutes: float = 5.0
    # "bf16", "fp32" or "auto", the faster one on this machine.
    precision: str = "auto"
    seed: int = 1

    def __post_init__(self) -> None:
        if min(self.minutes, self.batch, self.longest, self.peak_rate, self.save_minutes) <= 0:
            raise ConfigError("rescoring: minutes, batch, longest, peak_rate and save_minutes must be above 0")
        if self.passage < 0:
            raise ConfigError(f"rescoring.passage is {self.passage}; expected 0 or more characters")


@dataclass(frozen=True)
class Measured:
    """What came of a training."""

    lines: int
    characters: int
    updates: int
    # How often all of the text was read.
    passes: float
    # On lines held out, their ends foretold too.
    bits_a_character: float
    held_out: int

    def table(self) -> Iterator[str]:
        """Lines of text."""
        yield f"{self.lines} lines, {self.characters} characters; {self.updates} updates, {self.passes:.2f} passes"
        yield f"{self.bits_a_character:.3f} bits a character on {self.held_out} lines held out"


def train(
    paths: Sequence[Path],
    out: Path,
    alphabet: Alphabet,
    text_rule: str,
    config: RescoringConfig,
    shape: RecurrentLMConfig,
    line_characters: int = 0,
    start: Path | None = None,
    words: int = 0,
) -> Measured:
    """Trains on files of text (as `recog.lm.corpus` reads them) for `minutes`, or from `start` on, and writes the rescorer.

    Its units are the alphabet's symbols; or, if `words` is above 0, so many words, the most frequent of the text, or
    those of `start`. Symbols outside the alphabet are read over. `shape` is what a new one looks like; its number of
    symbols is set here. What is learnt is written every few minutes, and when the training is told to end (SIGTERM,
    Ctrl-C), so that nothing is lost.
    """
    torch.manual_seed(config.seed)
    if words and config.passage:
        raise ConfigError("rescoring.passage is for characters; words are foretold sentence by sentence")
    texts = _texts(paths, text_rule, line_characters, alphabet, config.longest)
    judge = rescorer.load(start) if start else None
    if judge is not None and (judge.of_words != (words > 0) or not (words or judge.symbols == alphabet.symbols)):
        raise ConfigError(f"{start} knows other symbols than the alphabet; start from one of the same alphabet")
    if words:
        units, lines, characters = _in_words(texts, words, judge.symbols if judge else None)
    else:
        found = (
            passages(paths, text_rule, line_characters, alphabet, config)
            if config.passage
            else ([line] for line in texts)
        )
        units, lines, characters = alphabet.symbols, *_in_symbols(found, alphabet)
    if len(lines) < HELD_OUT:
        raise ConfigError(f"{len(lines)} lines of text came; expected {HELD_OUT} or more: give more text")
    tiers = tuple(tier for tier in shape.tiers if tier <= len(units))
    judge = judge or Rescorer(RecurrentLM(replace(shape, symbols=len(units), tiers=tiers)), units)
    every = max(HELD_OUT, -(-len(lines) // MOST_HELD_OUT))
    own, apart = [line for place, line in enumerate(lines) if place % every], lines[::every]
    with StopRequest() as stop:
        updates, passes = _learn(judge, own, out, config, stop)
    rescorer.save(judge, out)
    return Measured(len(own), characters, updates, passes, bits(rescorer.load(out), apart), len(apart))


def _texts(
    paths: Sequence[Path], text_rule: str, line_characters: int, alphabet: Alphabet, longest: int
) -> Iterator[str]:
    """All lines, nothing but symbols of the alphabet in them."""
    return _known(Corpus(paths, text_rule, line_characters), alphabet, longest)


def _known(lines: Iterable[str], alphabet: Alphabet, longest: int) -> Iterator[str]:
    """Lines with nothing but symbols of the alphabet in them; those of which nothing is left are skipped."""
    known = set(alphabet.symbols)
    for line in lines:
        text = line[:longest]
        kept = text if known.issuperset(text) else "".join(symbol for symbol in text if symbol in known)
        if kept:
            yield kept


def passages(
    paths: Sequence[Path], text_rule: str, line_characters: int, alphabet: Alphabet, config: RescoringConfig
) -> Iterator[list[str]]:
    """Lines that follow each other, `config.passage` characters together at most, single lines aside."""
    for path in paths:
        pages: Iterable[list[str]]
        if path.suffix == ".jsonl":
            rule, rows = text.rule(text_rule), manifest.read(path)
            pages = [[rule(rows[number].text) for number in page] for page in manifest.pages(rows)]
        else:
            pages = (
                list(broken(line, line_characters) if line_characters else [line]) for line in Corpus([path], text_rule)
            )
        for page in pages:
            passage: list[str] = []
            for line in _known(page, alphabet, config.longest):
                if passage and sum(map(len, passage)) + len(passage) + len(line) > config.passage:
                    yield passage
                    passage = []
                passage.append(line)
            if passage:
                yield passage


def _in_symbols(passages: Iterable[Sequence[str]], alphabet: Alphabet) -> tuple[Lines, int]:
    """Passages in numbers of the alphabet, EDGE between their lines, and the characters of all."""
    numbers = {symbol: number for number, symbol in enumerate(alphabet.symbols, 1)}
    lines, characters = [], 0
    for passage in passages:
        units: list[int] = []
        for place, line in enumerate(passage):
            units += [EDGE] * (place > 0)
            units += [numbers[symbol] for symbol in line]
            characters += len(line)
        lines.append(np.array(units, np.int32))
    return lines, characters


def _in_words(texts: Iterator[str], most: int, known: Sequence[str] | None) -> tuple[tuple[str, ...], Lines, int]:
    """The most frequent words, or those already `known`; lines in their numbers; and the lines' characters.

    Words are sorted by frequency, as tiers want them; the first stands for all that are left out.
    """
    seen: dict[str, int] = {}
    lines, characters = [], 0
    for line in texts:
        lines.append(np.array([seen.setdefault(word, len(seen)) for word in line.split()], np.int32))
        characters += len(line)
    names = list(seen)
    if known is None:
        counts = np.bincount(np.concatenate(lines), minlength=len(names)) if lines else np.zeros(0, np.int64)
        frequent = np.argsort(-counts, kind="stable")[: most - 1]
        known = (UNKNOWN_WORD, *(names[place] for place in frequent.tolist()))
    numbers = {word: number for number, word in enumerate(known, 1)}
    unknown = numbers[UNKNOWN_WORD]
    renumbered = np.array([numbers.get(word, unknown) for word in names], np.int32)
    return tuple(known), [renumbered[line] for line in lines if len(line)], characters


def _learn(judge: Rescorer, lines: Lines, out: Path, config: RescoringConfig, stop: StopRequest) -> tuple[int, float]:
    """Updates made, and how often all was read."""
    choice = choose(config.precision)
    print(f"precision: {choice.precision} ({choice.reason})", file=sys.stderr)
    model = judge.model.train()
    optimiser = torch.optim.AdamW(model.parameters(), config.peak_rate, betas=(0.9, 0.98))
    random = np.random.default_rng(config.seed)
    started, saved, done, updates, seen = time.monotonic(), 0.0, 0.0, 0, 0
    with tqdm(total=100, desc="training", unit="%") as bar:
        for batch in _batches([len(line) for line in lines], config.batch, random):
            loss = loss_of(model, [lines[place] for place in batch], choice.precision)
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimiser.step()
            updates, seen = updates + 1, seen + sum(len(lines[place]) for place in batch)
            minutes = (time.monotonic() - started) / 60
            before, done = done, updates / config.updates if config.updates else minutes / config.minutes
            for group in optimiser.param_groups:
                group["lr"] = config.peak_rate * max(0.01, min(1.0, 30 * done, (1 - done) / 0.7))
            bar.update(int(100 * min(1, done)) - int(100 * min(1, before)))
            bar.set_postfix(bits=f"{loss.item() / math.log(2):.3f}", refresh=False)
            if done >= 1 or stop.requested:
                break
            if minutes - saved >= config.save_minutes:
                rescorer.save(judge, out)
                saved = minutes
    model.eval()
    return updates, seen / max(1, sum(map(len, lines)))


def _batches(lengths: Sequence[int], characters: int, random: np.random.Generator) -> Iterator[list[int]]:
    """Places of lines of similar length, so many characters together with padding, pass after pass, without end."""
    while True:
        # Lengths with some noise: batches of like lines, but not always of the same.
        order = np.argsort(np.array(lengths) * random.uniform(0.9, 1.1, len(lengths)), kind="stable").tolist()
        batches: list[list[int]] = [[]]
        longest = 0
        for place in order:
            longest = max(longest, lengths[place])
            if batches[-1] and (len(batches[-1]) + 1) * (longest + 1) > characters:
                batches.append([])
                longest = lengths[place]
            batches[-1].append(place)
        for number in random.permutation(len(batches)).tolist():
            yield batches[number]


def loss_of(model: RecurrentLM, batch: Lines, precision: str) -> torch.Tensor:
    """Cross entropy in nats a unit, the ends of the lines among them."""
    read, wanted, counted = padded([line.tolist() for line in batch])
    with arithmetic(precision, torch.device("cpu")):
        log_probs: torch.Tensor = model(read, wanted)
    return -(log_probs * counted).sum() / counted.sum()


@torch.inference_mode()
def bits(judge: Rescorer, lines: Lines) -> float:
    """Bits a character, the ends foretold too."""
    found = 0.0
    for first in range(0, len(lines), 64):
        read, wanted, counted = padded([line.tolist() for line in lines[first : first + 64]])
        found += float((judge.model(read, wanted).double() * counted).sum())
    if judge.of_words:  # by their letters, and what ends each is a character too
        characters = sum(len(judge.symbols[unit - 1]) + 1 for line in lines for unit in line.tolist())
    else:
        characters = sum(len(line) + 1 for line in lines)
    return -found / math.log(2) / characters
