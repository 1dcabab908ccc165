"""Manifest rows -> training examples -> batches of similar length. The one place where augmentation is applied."""

import copy
import functools
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image
from torch import Tensor

from recog import archive, batching, image, phones, text
from recog import augment as augmentation
from recog import frontend as frontends
from recog.alphabet import Alphabet
from recog.audio import SpeechFrontend
from recog.augment import HandwritingAugment, SpeechAugment, passage
from recog.augment.line import Motion
from recog.augment.passage import Partners, Placed, Run
from recog.batching import DataConfig, cut
from recog.errors import ConfigError, ManifestError, RecogError, TrainingError
from recog.frontend import Decoded, Frontend
from recog.manifest import Row
from recog.store import Store

__all__ = ["DataConfig", "Draw", "Example", "Samples", "cut", "examples", "length"]


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
class Draw:
    """What is drawn first for an example: all that decides what it says and how long it is."""

    index: int
    # About how many frames it has.
    length: int
    # Yields all further draws.
    random: np.random.Generator
    # The row that follows it, and the part that is left of each; None: all of it.
    partner: int | None = None
    run: Run | None = None
    partner_run: Run | None = None
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
        self.lengths = [length(row, frontend) for row in self.rows]
        self._words = self._placed()
        self._partners, self._mates = self._owned()

    def __len__(self) -> int:
        return len(self.rows)

    def _placed(self) -> dict[int, list[Placed]]:
        """The words of the rows that may be cut."""
        asked = self.augment.passage if self.augment is not None else passage.Passage()
        if (asked.join or asked.split or asked.mix) and " " not in self.alphabet.symbols:
            raise ConfigError(
                "augment.passage joins and cuts at spaces, and the alphabet has none; set join, split and mix to 0"
            )
        words: dict[int, list[Placed]] = {}
        for index, row in enumerate(self.rows if asked.split or asked.mix else []):
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
        return Partners(names, self.lengths) if asked.join else None, Partners(cut, self.lengths) if asked.mix else None

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
        frames, augment = float(self.lengths[index]), self.augment
        if augment is None:
            return Draw(index, self.lengths[index], random)
        partner, run, partner_run = None, None, None
        if self._mates and random.random() < augment.passage.mix:
            partner = self._mates.any(index, random)
        if partner is not None:
            first, second = self._words[index], self._words[partner]
            run, partner_run = passage.draw_halves(first, second, random)
            frames *= min(1.0, passage.share(first, run))
            frames += self.lengths[partner] * min(1.0, passage.share(second, partner_run))
        elif self._partners and random.random() < augment.passage.join:
            partner = self._partners.draw(index, random)
            frames += 0 if partner is None else self.lengths[partner]
        if index in self._words and partner is None and random.random() < augment.passage.split:
            run = passage.draw_run(self._words[index], random)
            frames *= min(1.0, passage.share(self._words[index], run))
        if isinstance(augment, SpeechAugment) and isinstance(self.frontend, SpeechFrontend):
            voice = augmentation.vary_voice(self.frontend, augment, random)
            speed = augmentation.draw_speed(augment.speed, random)
            frames *= self.frontend.hop_seconds / voice.hop_seconds * 100 / speed
            return Draw(index, max(1, round(frames)), random, partner, run, partner_run, voice, speed)
        assert isinstance(augment, HandwritingAugment) and not isinstance(self.frontend, SpeechFrontend)
        motion = augmentation.draw_motion(augment, random)
        width = motion.width(max(1, round(frames)), self.frontend.height_px)
        return Draw(index, width, random, partner, run, partner_run, motion=motion)

    def _target(self, drawn: Draw) -> tuple[int, ...]:
        first = self._labels(drawn.index, drawn.run)
        if drawn.partner is None:
            return first
        return (*first, *self.alphabet.encode(" "), *self._labels(drawn.partner, drawn.partner_run))

    def _labels(self, index: int, run: Run | None) -> tuple[int, ...]:
        return self.targets[index] if run is None else tuple(self.alphabet.encode(self._spell(run.text)))

    def _said(self, drawn: Draw) -> tuple[int, ...] | None:
        first = self._phones_of(drawn.index, drawn.run)
        second = () if drawn.partner is None else self._phones_of(drawn.partner, drawn.partner_run)
        return None if first is None or second is None else (*first, *second)

    def _phones_of(self, index: int, run: Run | None) -> tuple[int, ...] | None:
        return self.phones[index] if run is None else _phones(run.phones, self.rows[index].id)

    def _joined_or_cut(self, drawn: Draw) -> Decoded:
        """The decoded sample of a draw."""
        decoded = self._part(drawn.index, drawn.run)
        if drawn.partner is None:
            return decoded
        second = self._part(drawn.partner, drawn.partner_run)
        if isinstance(decoded, np.ndarray) and isinstance(second, np.ndarray):
            return passage.join_sound(decoded, second, self.rate_hz, drawn.random)
        assert isinstance(decoded, Image.Image) and isinstance(second, Image.Image)
        return passage.join_line(decoded, second, drawn.random)

    def _part(self, index: int, run: Run | None) -> Decoded:
        decoded = self.store.decoded(index)
        if run is None:
            return decoded
        if isinstance(decoded, np.ndarray):
            return passage.cut_sound(decoded, run, self.rate_hz)
        _, height = image.upright_size(self.rows[index].path)
        return passage.cut_line(decoded, run, decoded.height / height)

    def _other(self, random: np.random.Generator) -> Any:
        """Another row as it was recorded, for what is heard or seen beside the one at hand."""
        return self.store.decoded(int(random.integers(len(self))))

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
