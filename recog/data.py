"""Manifest rows -> training examples -> batches of similar length. The one place where augmentation is applied."""

import copy
import functools
import itertools
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image
from torch import Tensor

from recog import archive, batching, image, letter_size, phones, text
from recog import augment as augmentation
from recog import frontend as frontends
from recog.alphabet import Alphabet
from recog.audio import SpeechFrontend
from recog.augment import HandwritingAugment, SpeechAugment, passage
from recog.augment.line import Motion
from recog.augment.passage import Partners, Passage, Placed, Run
from recog.batching import DataConfig, cut
from recog.errors import ConfigError, ManifestError, RecogError, TrainingError
from recog.frontend import Decoded, Frontend
from recog.manifest import Row
from recog.store import Store

__all__ = ["DataConfig", "Draw", "Example", "Piece", "Samples", "cut", "examples", "length"]

# A mosaic is pieced together until it has this share of the frames of the row it stands for.
NEARLY = 0.85


@dataclass(frozen=True)
class Example:
    """One sample ready for the network."""

    id: str
    # (T, F)
    features: Tensor
    # Label numbers.
    target: tuple[int, ...]
    # Numbers of its phones (recog.phones.CMU, from 1); None where nobody has told them.
    phones: tuple[int, ...] | None = None


@dataclass(frozen=True)
class Piece:
    """A row, or the part of it that is left."""

    index: int
    # None: all of it.
    run: Run | None = None


@dataclass(frozen=True)
class Draw:
    """What is drawn first for an example: all that decides what it says and how long it is."""

    # The row that it stands for.
    index: int
    # About how many frames it has.
    length: int
    # Yields all further draws.
    random: np.random.Generator
    # What it is made of, one after the other.
    pieces: tuple[Piece, ...]
    # Speech: the speaker's analysis settings and the speed in percent. Handwriting: slant, rotation and size.
    voice: SpeechFrontend | None = None
    speed: int = 100
    motion: Motion | None = None


class Samples:
    """Rows that can be trained on: encoded texts, decoded samples kept, features made afresh each time."""

    def __init__(
        self,
        rows: Sequence[Row],
        alphabet: Alphabet,
        frontend: Frontend,
        text_rule: str,
        augment: SpeechAugment | HandwritingAugment | None = None,
        config: DataConfig | None = None,
    ) -> None:
        self.alphabet, self.frontend, self.augment, self.config = alphabet, frontend, augment, config or DataConfig()
        self.rows: list[Row] = []
        self.targets: list[tuple[int, ...]] = []
        # Why rows were left out -> how many.
        self.left_out: Counter[str] = Counter()
        known = set(alphabet.symbols)
        self._spell = text.rule(text_rule)
        for row in rows:
            spelled = self._spell(row.text)
            if not spelled:
                self.left_out["empty text"] += 1
            elif not known.issuperset(spelled):
                self.left_out["symbols outside the alphabet"] += 1
            else:
                self.rows.append(row)
                self.targets.append(tuple(alphabet.encode(spelled)))
        if not self.rows:
            raise TrainingError(f"none of {len(rows)} rows can be trained on: {dict(self.left_out)}")
        self.phones = [_phones(row.fields.get("phones"), row.id) for row in self.rows]
        self.store = Store(self.rows, frontend, self.config)
        self._sizes = [self._size(row, target) for row, target in zip(self.rows, self.targets, strict=True)]
        self.lengths = [
            max(1, round(length(row, frontend) * size)) for row, size in zip(self.rows, self._sizes, strict=True)
        ]
        self._words = self._placed()
        self._partners, self._mates = self._owned()

    def __len__(self) -> int:
        return len(self.rows)

    def _size(self, row: Row, target: Sequence[int]) -> float:
        """What a line is scaled by, so that its letters are as large as the frontend wants them."""
        if isinstance(self.frontend, SpeechFrontend) or not self.frontend.letter_columns:
            return 1.0
        return letter_size.zoom(length(row, self.frontend), len(target), self.frontend.letter_columns)

    def _placed(self) -> dict[int, list[Placed]]:
        """The words of the rows that may be cut."""
        asked = self.augment.passage if self.augment is not None else passage.Passage()
        if (asked.join or asked.cuts) and " " not in self.alphabet.symbols:
            raise ConfigError(
                "augment.passage joins and cuts at spaces, and the alphabet has none; set join, split, mix and mosaic to 0"
            )
        words: dict[int, list[Placed]] = {}
        for index, row in enumerate(self.rows if asked.cuts else []):
            if "words" in row.fields:
                words[index] = passage.placed_words(row.fields["words"], f"row {row.id}")
                said = self._spell(" ".join(word.text for word in words[index]))
                if said != self._spell(row.text):
                    raise ManifestError(f"row {row.id}: its words say {said!r}, its text {self._spell(row.text)!r}")
        return words

    def _owned(self) -> tuple[Partners | None, Partners | None]:
        """Who may be joined with whom as a whole, and in parts."""
        asked = self.augment.passage if self.augment is not None else passage.Passage()
        owners = [row.fields.get("speaker") or row.fields.get("writer") for row in self.rows]
        names = [None if owner is None else str(owner) for owner in owners]
        cut = [name if len(self._words.get(index, ())) > 1 else None for index, name in enumerate(names)]
        mates = Partners(cut, self.lengths) if asked.mix or asked.mosaic else None
        return Partners(names, self.lengths) if asked.join else None, mates

    def share(self, worker: int, workers: int) -> "Samples":
        """The same samples with nothing in memory yet, for one of so many workers."""
        other = copy.copy(self)
        other.store = Store(self.rows, self.frontend, self.config, worker, workers)
        return other

    def example(self, item: int, epoch: int, seed: int) -> Example:
        """The sample as epoch `epoch` sees it: the same for the same three numbers, whatever came before.

        An item is a row's index, plus the number of rows for each time that the epoch has already had it.
        """
        try:
            drawn = self.draw(item, epoch, seed)
            decoded = self._joined_or_cut(drawn)
            other = functools.partial(self._other, drawn.random)
            frontend, augment = drawn.voice or self.frontend, self.augment
            if isinstance(augment, SpeechAugment) and isinstance(decoded, np.ndarray):
                decoded = augmentation.play_at(decoded, drawn.speed)
                decoded = augmentation.vary_sound(decoded, self.rate_hz, augment, drawn.random, other)
            elif isinstance(augment, HandwritingAugment) and isinstance(decoded, Image.Image):
                decoded = augmentation.vary_line(decoded, augment, drawn.random, other, drawn.motion)
            features = frontends.features(decoded, frontend)
        except RecogError as error:
            row = self.rows[item % len(self)]
            if row.id in str(error):
                raise
            raise type(error)(f"row {row.id}: {error}") from error
        if augment is not None:
            features = augmentation.mask(features, augment.masking, epoch, drawn.random)
        return Example(self.rows[drawn.index].id, features, self._target(drawn), self._said(drawn))

    @property
    def rate_hz(self) -> int:
        """The rate of the waveforms; only speech has one."""
        return self.frontend.rate_hz if isinstance(self.frontend, SpeechFrontend) else 0

    def draw(self, item: int, epoch: int, seed: int) -> Draw:
        """The first draws for an example; costs some microseconds, and nothing is decoded."""
        repeat, index = divmod(item, len(self))
        random = np.random.default_rng([seed, epoch, index, *([repeat] if repeat else [])])
        augment = self.augment
        if augment is None:
            return Draw(index, self.lengths[index], random, (Piece(index),))
        pieces = self._pieces(index, augment.passage, random)
        frames = sum(self._frames(piece) for piece in pieces)
        if isinstance(augment, SpeechAugment) and isinstance(self.frontend, SpeechFrontend):
            voice = augmentation.vary_voice(self.frontend, augment, random)
            speed = augmentation.draw_speed(augment.speed, random)
            frames *= self.frontend.hop_seconds / voice.hop_seconds * 100 / speed
            return Draw(index, max(1, round(frames)), random, pieces, voice, speed)
        assert isinstance(augment, HandwritingAugment) and not isinstance(self.frontend, SpeechFrontend)
        motion = augmentation.draw_motion(augment, random)
        width = motion.width(max(1, round(frames)), self.frontend.height_px)
        return Draw(index, width, random, pieces, motion=motion)

    def _pieces(self, index: int, asked: Passage, random: np.random.Generator) -> tuple[Piece, ...]:
        """What stands for a row: itself, a part of it, or parts of it and of others."""
        if asked.mosaic and self._mates and index in self._words and random.random() < asked.mosaic:
            return self._mosaic(index, self._mates, random)
        if self._mates and random.random() < asked.mix and (mate := self._mates.any(index, random)) is not None:
            first, second = passage.draw_halves(self._words[index], self._words[mate], random)
            return Piece(index, first), Piece(mate, second)
        if self._partners and random.random() < asked.join:
            partner = self._partners.draw(index, random)
            if partner is not None:
                return Piece(index), Piece(partner)
        if index in self._words and random.random() < asked.split:
            return (Piece(index, passage.draw_run(self._words[index], random)),)
        return (Piece(index),)

    def _mosaic(self, index: int, mates: Partners, random: np.random.Generator) -> tuple[Piece, ...]:
        """A few words of a row, and of others of the same owner, until they are nearly as long as it is."""
        pieces = [Piece(index, passage.draw_piece(self._words[index], random))]
        frames = self._frames(pieces[0])
        while frames < NEARLY * self.lengths[index]:
            other = mates.any(index, random)
            other = index if other is None else other
            pieces.append(Piece(other, passage.draw_piece(self._words[other], random)))
            frames += self._frames(pieces[-1])
        return tuple(pieces)

    def _frames(self, piece: Piece) -> float:
        """About how many frames a piece has."""
        share = 1.0 if piece.run is None else min(1.0, passage.share(self._words[piece.index], piece.run))
        return self.lengths[piece.index] * share

    def _target(self, drawn: Draw) -> tuple[int, ...]:
        target: tuple[int, ...] = ()
        for part in filter(None, map(self._labels, drawn.pieces)):  # a dash alone may say nothing
            target = (*target, *self.alphabet.encode(" "), *part) if target else part
        return target

    def _labels(self, piece: Piece) -> tuple[int, ...]:
        run = piece.run
        return self.targets[piece.index] if run is None else tuple(self.alphabet.encode(self._spell(run.text)))

    def _said(self, drawn: Draw) -> tuple[int, ...] | None:
        parts = [self._phones_of(piece) for piece in drawn.pieces]
        known = [part for part in parts if part is not None]
        return tuple(itertools.chain(*known)) if len(known) == len(parts) else None

    def _phones_of(self, piece: Piece) -> tuple[int, ...] | None:
        run = piece.run
        return self.phones[piece.index] if run is None else _phones(run.phones, self.rows[piece.index].id)

    def _joined_or_cut(self, drawn: Draw) -> Decoded:
        """The decoded sample of a draw."""
        joined, *others = (self._part(piece) for piece in drawn.pieces)
        for other in others:
            if isinstance(joined, np.ndarray) and isinstance(other, np.ndarray):
                joined = passage.join_sound(joined, other, self.rate_hz, drawn.random)
            else:
                assert isinstance(joined, Image.Image) and isinstance(other, Image.Image)
                joined = passage.join_line(joined, other, drawn.random)
        return joined

    def _part(self, piece: Piece) -> Decoded:
        decoded, run = self._decoded(piece.index), piece.run
        if run is None:
            return decoded
        if isinstance(decoded, np.ndarray):
            return passage.cut_sound(decoded, run, self.rate_hz)
        _, height = image.upright_size(self.rows[piece.index].path)
        return passage.cut_line(decoded, run, decoded.height / height * self._sizes[piece.index])

    def _decoded(self, index: int) -> Decoded:
        """A row as it was recorded, letters as large as is wanted."""
        decoded, size = self.store.decoded(index), self._sizes[index]
        return letter_size.redrawn(decoded, size) if isinstance(decoded, Image.Image) else decoded

    def _other(self, random: np.random.Generator) -> Any:
        """Another row, for what is heard or seen beside the one at hand."""
        return self._decoded(int(random.integers(len(self))))

    def epoch(self, number: int, seed: int, config: DataConfig) -> list[list[int]]:
        """The batches of an epoch, as items: similar lengths together, otherwise in random order."""
        random = np.random.default_rng([seed, number])
        sources = [str(row.fields.get("source")) for row in self.rows]
        items = batching.choose(sources, self.targets, config, random)
        frames = config.early_batch_frames if number < config.early_epochs else config.batch_frames
        shuffle = not (number == 0 and config.short_first)
        batches: list[list[int]] = []
        for group in self._groups(items, config.shards_at_once, random):
            lengths = [self.draw(item, number, seed).length for item in group]
            batches += batching.batched(group, lengths, frames, shuffle, random)
        return batches

    def _groups(self, items: list[int], shards_at_once: int, random: np.random.Generator) -> list[list[int]]:
        """All items, or those of a few tar files at a time; rows outside of any tar are one more."""
        if not shards_at_once:
            return [items]
        found: dict[str, list[int]] = {}
        for item in items:
            place = archive.place(self.rows[item % len(self)].path)
            found.setdefault(str(place.tar) if place else "", []).append(item)
        names = random.permutation(sorted(found)).tolist()
        starts = range(0, len(names), shards_at_once)
        return [[item for name in names[start : start + shards_at_once] for item in found[name]] for start in starts]


def _phones(told: Any, where: str) -> tuple[int, ...] | None:
    """The numbers of `phones`, names of CMUdict parted by spaces; None where nobody has told them."""
    if told is None:
        return None
    if not isinstance(told, str) or not told.split():
        raise ManifestError(f"row {where}: 'phones' is {told!r}; expected names of phones parted by spaces")
    try:
        letters = phones.spelled(told.split())
    except ManifestError as error:
        raise ManifestError(f"row {where}: {error}") from error
    return tuple(phones.CMU.index(letter) + 1 for letter in letters)


def length(row: Row, frontend: Frontend) -> int:
    """About how many frames a row has, without decoding it: from its duration, or from the picture's header."""
    if isinstance(frontend, SpeechFrontend):
        seconds = row.duration
        if seconds is None:
            seconds = len(frontends.decode(row.path, frontend)) / frontend.rate_hz  # type: ignore[arg-type]
        return 1 + round(seconds / frontend.hop_seconds)
    width, height = image.upright_size(row.path)
    return max(1, round(width * frontend.height_px / height))


def examples(samples: Samples, batch: Sequence[int], epoch: int, seed: int) -> Iterator[Example]:
    """The examples of one batch."""
    return (samples.example(item, epoch, seed) for item in batch)
