"""Written text -> a restorer of case and punctuation, measured on lines that it never saw."""

import functools
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional
from tqdm import tqdm

from recog import restorer, text
from recog.errors import ConfigError
from recog.lm.streams import reading
from recog.marks import AFTER, CAPITAL, UPPER, Marked, ends_sentence, take_apart
from recog.models.tagger import Tagger, TaggerConfig, together
from recog.restorer import Restorer, features
from recog.training.precision import arithmetic, choose

# Of so many passages one is kept apart to measure on.
HELD_OUT = 200


@dataclass(frozen=True)
class RestoringConfig:
    """How a restorer is trained."""

    minutes: float = 10.0
    # If above 0: ends after so many updates instead, the same on every machine.
    updates: int = 0
    # Words of a passage: as much as is read together.
    passage: int = 120
    # Passages in a batch.
    batch: int = 64
    peak_rate: float = 3e-3
    # "bf16", "fp32" or "auto", the faster one on this machine.
    precision: str = "auto"
    seed: int = 1

    def __post_init__(self) -> None:
        if self.minutes <= 0 or min(self.passage, self.batch) < 1 or self.peak_rate <= 0:
            raise ConfigError("restoring: minutes, passage, batch and peak_rate must be above 0")


@dataclass(frozen=True)
class Measured:
    """How well marks are restored: precision, recall and their harmonic mean for each."""

    words: int
    # Mark -> (precision, recall, F1); "case" stands for capitals, "sentence" for . ? and ! together.
    marks: dict[str, tuple[float, float, float]]

    def table(self) -> Iterator[str]:
        """Lines of text."""
        yield f"{self.words} words held out: mark, precision, recall, F1"
        for mark, (precision, recall, score) in self.marks.items():
            yield f"{mark:10} {100 * precision:6.1f} % {100 * recall:6.1f} % {100 * score:6.1f} %"


def passages(paths: Sequence[Path], words: int, rule: str = "spoken") -> list[list[Marked]]:
    """The marked words of texts, line after line, cut into passages wherever they happen to end."""
    spoken, found, current = text.rule(rule), [], list[Marked]()
    for path in paths:
        with reading(path) as source:
            for raw in tqdm(source.stream, desc=path.name, unit="line", mininterval=1.0):
                marked = take_apart(raw.decode("utf-8", "replace"), spoken)
                if marked is None:
                    current = []
                    continue
                current += marked
                while len(current) >= words:
                    found.append(current[:words])
                    current = current[words:]
    if len(found) < HELD_OUT:
        raise ConfigError(f"{len(found)} passages of {words} words came; expected {HELD_OUT} or more: give more text")
    return found


def train(paths: Sequence[Path], out: Path, config: RestoringConfig, shape: TaggerConfig) -> Measured:
    """Trains on most passages for `minutes`, writes the restorer to `out`, measures it on the passages held out."""
    choice = choose(config.precision)
    print(f"precision: {choice.precision} ({choice.reason})", file=sys.stderr)
    torch.manual_seed(config.seed)
    random = np.random.default_rng(config.seed)
    all_passages = passages(paths, config.passage)
    apart, own = all_passages[::HELD_OUT], [one for place, one in enumerate(all_passages) if place % HELD_OUT]
    tagger = Tagger(shape).train()
    optimiser = torch.optim.AdamW(tagger.parameters(), config.peak_rate, betas=(0.9, 0.98))
    known: dict[str, list[int]] = {}
    started, done, updates = time.monotonic(), 0.0, 0
    with tqdm(total=100, desc="training", unit="%") as bar:
        while done < 1:
            picked = [own[place] for place in random.integers(len(own), size=config.batch).tolist()]
            loss = loss_of(tagger, [varied(one, random) for one in picked], known, choice.precision)
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(tagger.parameters(), 1.0)
            optimiser.step()
            updates += 1
            gone = (time.monotonic() - started) / 60 / config.minutes
            before, done = done, updates / config.updates if config.updates else gone
            for group in optimiser.param_groups:
                group["lr"] = config.peak_rate * max(0.01, min(1.0, 30 * done, (1 - done) / 0.7))
            bar.update(int(100 * min(1, done)) - int(100 * before))
            bar.set_postfix(loss=f"{loss.item():.3f}", refresh=False)
    found = Restorer(tagger)
    restorer.save(found, out)
    return measure(restorer.load(out), apart)


def varied(passage: Sequence[Marked], random: np.random.Generator) -> Sequence[Marked]:
    """A passage from any word on: recordings begin in the middle too."""
    return passage[int(random.integers(0, max(1, len(passage) // 4))) :]


def loss_of(
    tagger: Tagger, batch: Sequence[Sequence[Marked]], known: dict[str, list[int]], precision: str
) -> torch.Tensor:
    """Cross entropy a word, both kinds together; `known` remembers the features of words."""
    buckets = tagger.config.buckets
    for passage in batch:
        for one in passage:
            if one.word not in known:
                known[one.word] = features(one.word, buckets)
    inputs = together([[known[one.word] for one in passage] for passage in batch])
    with arithmetic(precision, torch.device("cpu")):
        scores = tagger(*inputs)
    longest = int(inputs[2].max())
    loss = torch.zeros(())
    for kind, found in zip(("case", "after"), scores, strict=True):
        wanted = torch.full((len(batch), longest), -100)
        for row, passage in enumerate(batch):
            wanted[row, : len(passage)] = torch.tensor([getattr(one, kind) for one in passage])
        loss = loss + functional.cross_entropy(found.flatten(0, 1), wanted.flatten())
    return loss


def measure(restorer_: Restorer, apart: Sequence[Sequence[Marked]]) -> Measured:
    """Precision, recall and F1 of every mark; a passage's last word is left out, whose mark is no longer free."""
    pairs = [
        pair
        for passage in apart
        for pair in zip(passage[:-1], restorer_.marks([one.word for one in passage])[:-1], strict=True)
    ]
    tests: dict[str, Callable[[Marked], bool]] = {
        "case": lambda one: one.case in (CAPITAL, UPPER),
        "sentence": ends_sentence,
        **{mark: functools.partial(_followed, mark) for mark in AFTER if mark},
    }
    marks = {}
    for name, holds in tests.items():
        wanted = sum(holds(true) for true, _ in pairs)
        given = sum(holds(found) for _, found in pairs)
        right = sum(holds(true) and holds(found) for true, found in pairs)
        precision, recall = right / max(1, given), right / max(1, wanted)
        marks[name] = (precision, recall, 2 * precision * recall / max(1e-9, precision + recall))
    return Measured(len(pairs), marks)


def _followed(mark: str, one: Marked) -> bool:
    return AFTER[one.after] == mark
