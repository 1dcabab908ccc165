"""Text -> a recurrent language model that rescores texts (recog.rescorer), measured in bits a character on lines held out."""

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional
from tqdm import tqdm

from recog import rescorer
from recog.alphabet import Alphabet
from recog.errors import ConfigError
from recog.lm.corpus import Corpus
from recog.models.recurrent_lm import RecurrentLM, RecurrentLMConfig
from recog.rescorer import Rescorer, padded
from recog.training.stop import StopRequest

# Of so many lines one is kept apart to measure on, but no more than so many.
HELD_OUT, MOST_HELD_OUT = 200, 2000


@dataclass(frozen=True)
class RescoringConfig:
    """How a rescorer is trained."""

    minutes: float = 30.0
    # If above 0: ends after so many updates instead, the same on every machine.
    updates: int = 0
    # Characters in a batch, padding included.
    batch: int = 8000
    # Longer lines are cut.
    longest: int = 400
    peak_rate: float = 3e-3
    # How often what is learnt so far is written.
    save_minutes: float = 5.0
    seed: int = 1

    def __post_init__(self) -> None:
        if min(self.minutes, self.batch, self.longest, self.peak_rate, self.save_minutes) <= 0:
            raise ConfigError("rescoring: minutes, batch, longest, peak_rate and save_minutes must be above 0")


@dataclass(frozen=True)
class Measured:
    """What came of a training."""

    lines: int
    characters: int
    updates: int
    # Characters read, padding not among them: above `characters` in all passes after the first.
    seen: int
    # On lines held out, their ends foretold too.
    bits_a_character: float
    held_out: int

    def table(self) -> Iterator[str]:
        """Lines of text."""
        yield (
            f"{self.lines} lines, {self.characters} characters; {self.updates} updates, {self.seen / max(1, self.characters):.2f} passes"
        )
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
) -> Measured:
    """Trains on files of text (as `recog.lm.corpus` reads them) for `minutes`, or from `start` on, and writes the rescorer.

    Symbols outside the alphabet are read over. What is learnt is written every few minutes, and when the training is
    told to end (SIGTERM, Ctrl-C), so that nothing is lost.
    """
    torch.manual_seed(config.seed)
    own, apart = _lines(paths, text_rule, line_characters, alphabet, config.longest)
    judge = rescorer.load(start) if start else Rescorer(RecurrentLM(shape), alphabet.symbols)
    if judge.symbols != alphabet.symbols:
        raise ConfigError(f"{start} knows other symbols than the alphabet; start from one of the same alphabet")
    with StopRequest() as stop:
        updates, seen = _learn(judge, own, out, config, stop)
    rescorer.save(judge, out)
    return Measured(
        len(own), sum(map(len, own)), updates, seen, bits(rescorer.load(out), apart, alphabet.symbols), len(apart)
    )


def _lines(
    paths: Sequence[Path], text_rule: str, line_characters: int, alphabet: Alphabet, longest: int
) -> tuple[list[NDArray[np.uint8]], list[NDArray[np.uint8]]]:
    """All lines in numbers of the alphabet, and those held out of them."""
    if len(alphabet.symbols) > 255:
        raise ConfigError(f"an alphabet of {len(alphabet.symbols)} symbols; a rescorer knows 255 at most")
    numbers = {symbol: number for number, symbol in enumerate(alphabet.symbols, 1)}
    found = []
    for line in Corpus(paths, text_rule, line_characters):
        known = [numbers[symbol] for symbol in line[:longest] if symbol in numbers]
        if known:
            found.append(np.array(known, np.uint8))
    if len(found) < HELD_OUT:
        raise ConfigError(f"{len(found)} lines of text came; expected {HELD_OUT} or more: give more text")
    every = max(HELD_OUT, -(-len(found) // MOST_HELD_OUT))
    return [line for place, line in enumerate(found) if place % every], found[::every]


def _learn(
    judge: Rescorer, lines: Sequence[NDArray[np.uint8]], out: Path, config: RescoringConfig, stop: StopRequest
) -> tuple[int, int]:
    """Updates made, and characters read."""
    model = judge.model.train()
    optimiser = torch.optim.AdamW(model.parameters(), config.peak_rate, betas=(0.9, 0.98))
    random = np.random.default_rng(config.seed)
    started, saved, done, updates, seen = time.monotonic(), 0.0, 0.0, 0, 0
    with tqdm(total=100, desc="training", unit="%") as bar:
        for batch in _batches([len(line) for line in lines], config.batch, random):
            loss = loss_of(model, [lines[place] for place in batch])
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
    return updates, seen


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


def loss_of(model: RecurrentLM, batch: Sequence[NDArray[np.uint8]]) -> torch.Tensor:
    """Cross entropy in nats a character, the ends of the lines among them."""
    read, wanted, counted = padded([line.tolist() for line in batch])
    with torch.autocast("cpu", torch.bfloat16):
        log_probs = model(read)
    losses = functional.nll_loss(log_probs.flatten(0, 1), wanted.flatten(), reduction="none")
    return (losses * counted.flatten()).sum() / counted.sum()


def bits(judge: Rescorer, lines: Sequence[NDArray[np.uint8]], symbols: Sequence[str]) -> float:
    """Bits a character, the ends foretold too."""
    texts = ["".join(symbols[number - 1] for number in line.tolist()) for line in lines]
    found = sum(sum(judge.log_probabilities(texts[first : first + 64])) for first in range(0, len(texts), 64))
    return -found / math.log(2) / sum(len(text) + 1 for text in texts)
