"""Manifest rows -> training examples -> batches of similar length. The one place where augmentation is applied."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from recog import augment as augmentation
from recog import frontend as frontends
from recog import image, text
from recog.alphabet import Alphabet
from recog.audio import SpeechFrontend
from recog.augment import HandwritingAugment, SpeechAugment
from recog.errors import ConfigError, TrainingError
from recog.frontend import Decoded, Frontend
from recog.manifest import Row


@dataclass(frozen=True)
class DataConfig:
    """Which rows an epoch holds and how they are batched."""

    # Padded frames (before the network's shortening) in a batch.
    batch_frames: int = 20000
    # The same for the first `early_epochs`: many small steps while everything is still to be learnt.
    early_batch_frames: int = 9000
    early_epochs: int = 0
    # The first epoch goes from short to long samples (Amodei 2016, "SortaGrad").
    short_first: bool = True
    # Times a row of a source is seen in an epoch, on average; 1 for sources not named.
    weights: dict[str, float] = field(default_factory=dict)
    # Rows with one and the same text that an epoch may hold, drawn anew each epoch; 0: no limit.
    copies: int = 0
    # Characters rarer than this in the training text are left out of the alphabet, and their rows out of training.
    rare: int = 1
    # Decoded samples are kept in memory up to this many gigabytes.
    memory_gigabytes: float = 6.0

    def __post_init__(self) -> None:
        if min(self.batch_frames, self.early_batch_frames) < 1:
            raise ConfigError("data: batch_frames and early_batch_frames must be at least 1")
        if min(self.early_epochs, self.copies, self.rare, self.memory_gigabytes, *self.weights.values(), 0) < 0:
            raise ConfigError("data: early_epochs, copies, rare, memory_gigabytes and weights must not be below 0")


@dataclass(frozen=True)
class Example:
    """One sample ready for the network."""

    id: str
    # (T, F)
    features: Tensor
    # Label numbers.
    target: tuple[int, ...]


class Samples:
    """Rows that can be trained on: encoded texts, decoded samples kept in memory, features made afresh each time."""

    def __init__(
        self,
        rows: Sequence[Row],
        alphabet: Alphabet,
        frontend: Frontend,
        text_rule: str,
        augment: SpeechAugment | HandwritingAugment | None = None,
        memory_gigabytes: float = 6.0,
    ) -> None:
        self.alphabet, self.frontend, self.augment = alphabet, frontend, augment
        self.rows: list[Row] = []
        self.targets: list[tuple[int, ...]] = []
        # Why rows were left out -> how many.
        self.left_out: Counter[str] = Counter()
        known = set(alphabet.symbols)
        for row in rows:
            spelled = text.rule(text_rule)(row.text)
            if not spelled:
                self.left_out["empty text"] += 1
            elif not known.issuperset(spelled):
                self.left_out["symbols outside the alphabet"] += 1
            else:
                self.rows.append(row)
                self.targets.append(tuple(alphabet.encode(spelled)))
        if not self.rows:
            raise TrainingError(f"none of {len(rows)} rows can be trained on: {dict(self.left_out)}")
        self._memory = memory_gigabytes * 1e9
        self._kept: dict[int, NDArray[np.int16] | NDArray[np.uint8]] = {}
        self.lengths = [length(row, frontend) for row in self.rows]

    def __len__(self) -> int:
        return len(self.rows)

    def example(self, index: int, epoch: int, seed: int) -> Example:
        """The sample as epoch `epoch` sees it: the same for the same three numbers, whatever came before."""
        random = np.random.default_rng([seed, epoch, index])
        decoded, frontend, augment = self._decoded(index), self.frontend, self.augment
        if isinstance(augment, SpeechAugment) and isinstance(frontend, SpeechFrontend):
            frontend = augmentation.vary_voice(frontend, augment, random)
        elif isinstance(augment, HandwritingAugment) and isinstance(decoded, Image.Image):
            decoded = augmentation.vary_line(decoded, augment, random)
        features = frontends.features(decoded, frontend)
        if augment is not None:
            features = augmentation.mask(features, augment.masking, epoch, random)
        return Example(self.rows[index].id, features, self.targets[index])

    def _decoded(self, index: int) -> Decoded:
        kept = self._kept.get(index)
        if kept is None:
            decoded = frontends.decode(self.rows[index].path, self.frontend)
            kept = (
                np.asarray(decoded)
                if isinstance(decoded, Image.Image)
                else np.round(decoded * 32767).clip(-32768, 32767).astype(np.int16)
            )
            self._memory -= kept.nbytes
            if self._memory > 0:
                self._kept[index] = kept
        return Image.fromarray(kept) if kept.dtype == np.uint8 else kept.astype(np.float32) / np.float32(32767)

    def epoch(self, number: int, seed: int, config: DataConfig) -> list[list[int]]:
        """The batches of an epoch, as indices: similar lengths together, otherwise in random order."""
        random = np.random.default_rng([seed, number])
        chosen = self._choose(config, random)
        noise = random.normal(0, 0.04, len(chosen))  # mixes neighbours in length, so that batches differ every epoch
        order = sorted(range(len(chosen)), key=lambda k: self.lengths[chosen[k]] * (1 + noise[k]))
        frames = config.early_batch_frames if number < config.early_epochs else config.batch_frames
        batches = cut([chosen[k] for k in order], self.lengths, frames)
        if not (number == 0 and config.short_first):
            random.shuffle(batches)
        return batches

    def _choose(self, config: DataConfig, random: np.random.Generator) -> list[int]:
        unknown = set(config.weights) - {str(row.fields.get("source")) for row in self.rows}
        if unknown:
            raise ConfigError(f"data.weights names {sorted(unknown)}, which no training row has as its source")
        weights = np.array([config.weights.get(str(row.fields.get("source")), 1.0) for row in self.rows])
        times = np.floor(weights + random.random(len(weights))).astype(int)
        if config.copies:
            same: dict[tuple[int, ...], list[int]] = defaultdict(list)
            for index, target in enumerate(self.targets):
                same[target].append(index)
            for indices in same.values():
                if len(indices) > config.copies:
                    times[random.permutation(indices)[config.copies :]] = 0
        if not times.any():
            raise ConfigError("data.weights leave no row to train on")
        return np.repeat(np.arange(len(times)), times).tolist()


def length(row: Row, frontend: Frontend) -> int:
    """About how many frames a row has, without decoding it: from its duration, or from the picture's header."""
    if isinstance(frontend, SpeechFrontend):
        seconds = row.duration
        if seconds is None:
            seconds = len(frontends.decode(row.path, frontend)) / frontend.rate_hz  # type: ignore[arg-type]
        return 1 + round(seconds / frontend.hop_seconds)
    width, height = image.upright_size(row.path)
    return max(1, round(width * frontend.height_px / height))


def cut(order: Sequence[int], lengths: Sequence[int], frames: int) -> list[list[int]]:
    """Indices in the given order, cut into runs whose padded size (count x longest) stays within `frames`."""
    batches: list[list[int]] = []
    longest = 0
    for index in order:
        longest = max(longest, lengths[index])
        if not batches or longest * (len(batches[-1]) + 1) > frames:
            batches.append([])
            longest = lengths[index]
        batches[-1].append(index)
    return batches


def examples(samples: Samples, batch: Sequence[int], epoch: int, seed: int) -> Iterator[Example]:
    """The examples of one batch."""
    return (samples.example(index, epoch, seed) for index in batch)
