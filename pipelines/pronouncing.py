"""A pronouncing dictionary -> a model that says words it lacks, measured on words held out; words -> how they are said."""

import os
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from recog import manifest, metrics, text
from recog.augment import passage
from recog.errors import ConfigError, LanguageModelError, RecogError
from recog.lm import binary, g2p, pronunciation
from recog.lm.g2p import G2P, G2pConfig
from recog.lm.ngram import SPECIAL
from recog.lm.pronunciation import Pronunciations
from recog.metrics import Counts


@dataclass(frozen=True)
class Measured:
    """How a model says words that it never saw."""

    words: int
    # Words whose likeliest pronunciation is none of the dictionary's.
    wrong_words: int
    # Edits of phones against the nearest of the dictionary's pronunciations, and against its first.
    phones: Counts
    phones_of_first: Counts
    seconds: float


@dataclass(frozen=True)
class Report:
    """A trained model, and what it took."""

    words: int
    entries: int
    # Entries that could not be aligned.
    left_out: tuple[str, ...]
    tokens: int
    ngrams: tuple[int, ...]
    bytes: int
    # CPU seconds of training.
    seconds: float
    # None where nothing was held out.
    measured: Measured | None

    def table(self) -> Iterator[str]:
        """Lines of text."""
        yield (
            f"{self.words} words, {self.entries} entries, {len(self.left_out)} left out, {self.tokens} tokens, "
            f"{sum(self.ngrams)} n-grams, {self.bytes / 1e6:.1f} MB, {self.seconds:.0f} s"
        )
        if self.measured:
            found = self.measured
            yield (
                f"{found.words} words held out: phone error rate {100 * found.phones.rate:.2f} %, word error rate "
                f"{100 * found.wrong_words / found.words:.2f} % (nearest pronunciation); phone error rate "
                f"{100 * found.phones_of_first.rate:.2f} % against the first; {1000 * found.seconds / found.words:.1f} ms a word"
            )

    def as_json(self) -> dict[str, Any]:
        """All figures, rates included."""
        row = asdict(self)
        if self.measured:
            row["measured"]["phone_error_rate"] = self.measured.phones.rate
            row["measured"]["word_error_rate"] = self.measured.wrong_words / self.measured.words
        return row


def train_g2p(
    dictionary: str | Path,
    out: str | Path,
    config: G2pConfig | None = None,
    stress: bool = False,
    held_out: float = 0.1,
    seed: int = 0,
) -> Report:
    """Trains a model on a dictionary and writes it to `out`; measures it on a part of the words, drawn by `seed`.

    All ways of saying a word are held out together. The model that is written never saw them; 0 holds nothing out.
    """
    if not 0 <= held_out < 1:
        raise ConfigError(f"held_out is {held_out}; a part of the words is 0 or more and below 1")
    known = pronunciation.read(dictionary, stress)
    words = list(known)
    drawn = np.random.default_rng(seed).permutation(len(words))[: round(held_out * len(words))]
    apart = {words[place] for place in drawn.tolist()}
    started = time.process_time()
    trained = g2p.train({word: ways for word, ways in known.items() if word not in apart}, config)
    seconds = time.process_time() - started
    g2p.save(trained.model, out)
    model = g2p.load(out)
    return Report(
        words=len(words) - len(apart),
        entries=trained.entries,
        left_out=tuple(f"{word} {' '.join(phones)}" for word, phones in trained.left_out),
        tokens=len(model.graphones),
        ngrams=model.ngrams.sizes,
        bytes=Path(out).stat().st_size,
        seconds=seconds,
        measured=measure(model, {word: known[word] for word in words if word in apart}) if apart else None,
    )


def measure(model: G2P, known: Pronunciations) -> Measured:
    """How near the model comes to a dictionary; a word that it cannot say has all its phones deleted."""
    nearest, first, wrong = Counts(), Counts(), 0
    started = time.process_time()
    for word, ways in tqdm(known.items(), "measuring", unit="word", mininterval=0.5):
        try:
            said = " ".join(model.pronounce(word)[0].phones)
        except LanguageModelError:
            said = ""
        counts = [metrics.word_counts(" ".join(way), said) for way in ways]
        best = min(counts, key=lambda count: count.edits)
        nearest, first, wrong = nearest + best, first + counts[0], wrong + (best.edits > 0)
    return Measured(len(known), wrong, nearest, first, time.process_time() - started)


@dataclass(frozen=True)
class Said:
    """One way of saying a word."""

    word: str
    phones: tuple[str, ...]
    # None: the dictionary's.
    probability: float | None

    def line(self) -> str:
        """A line of a dictionary; a guess has its probability as a comment."""
        note = "" if self.probability is None else f"\t# {self.probability:.3f}"
        return f"{self.word}\t{' '.join(self.phones)}{note}"


def vocabulary(model: str | Path) -> Sequence[str]:
    """The words of a word model on disk."""
    found = binary.load(Path(model))
    if found.unit != "word":
        raise ConfigError(f"{model} is a {found.unit} model; only words are said")
    return found.words[len(SPECIAL) :]


def pronounce_rows(
    source: str | Path,
    out: str | Path,
    model: str | Path,
    dictionary: str | Path | None = None,
    rule: str = "spoken",
) -> tuple[int, Sequence[str]]:
    """A manifest -> the same with each row's `phones`, what a network's phone head learns; rows written, words left unsaid.

    Where rows tell of `words` and their places, each of them gets its `phones` too. A word's first way of saying it in
    the dictionary counts, else the model's likeliest. A row with a word that neither can say gets no phones: it still
    teaches the letters.
    """
    rows, spell = manifest.read(source), text.rule(rule)
    texts = [spell(row.text) for row in rows]
    words = sorted({word for line in texts for word in line.split()})
    ways = pronounce(tqdm(words, "saying words", unit="word", mininterval=0.5), model, dictionary)
    said = {word: found[0].phones for word, found in zip(words, ways, strict=True) if not isinstance(found, RecogError)}

    def phones_of(line: str) -> dict[str, str]:
        known = [said.get(word) for word in line.split()]
        if not known or None in known:
            return {}
        return {"phones": " ".join(phone for way in known if way is not None for phone in way)}

    written = []
    for row, line in zip(rows, texts, strict=True):
        # Paths stay what they are, seen from where the new manifest lies.
        place = row.path if Path(row.id).is_absolute() else Path(os.path.relpath(row.path, Path(out).parent))
        fields = {**row.fields, row.media: place.as_posix()}
        if "words" in fields:
            passage.placed_words(fields["words"], f"row {row.id}")
            fields["words"] = [{**word, **phones_of(spell(word["text"]))} for word in fields["words"]]
        written.append({**fields, **phones_of(line)})
    return manifest.write(out, written), [word for word in words if word not in said]


def pronounce(
    words: Iterable[str], model: str | Path, dictionary: str | Path | None = None, best: int = 1, stress: bool = False
) -> Iterator[Sequence[Said] | LanguageModelError]:
    """For each word all its pronunciations in the dictionary, else the `best` of the model, or why there is none."""
    known = pronunciation.read(dictionary, stress) if dictionary else {}
    speaker = g2p.load(model)
    strange = sorted(set(pronunciation.phones_of(known)) - set(speaker.phones))
    if strange:
        print(f"the dictionary has phones that the model never says, such as {strange[0]!r}", file=sys.stderr)
    for word in words:
        ways = known.get(word) or known.get(word.lower())
        try:
            yield (
                [Said(word, way, None) for way in ways]
                if ways
                else [Said(word, said.phones, said.probability) for said in speaker.pronounce(word, best)]
            )
        except LanguageModelError as error:
            yield error
