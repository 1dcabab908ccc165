"""Which rows an epoch holds and in which batches: similar lengths together, so that little of a batch is padding."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from recog.errors import ConfigError


@dataclass(frozen=True)
class DataConfig:
    """Which rows an epoch holds, how they are batched and who reads them."""

    # Padded frames (before the network's shortening) in a batch.
    batch_frames: int = 20000
    # The same for the first `early_epochs`: many small steps while everything is still to be learnt.
    early_batch_frames: int = 9000
    early_epochs: int = 0
    # The first epoch goes from short to long samples (Amodei 2016, "SortaGrad").
    short_first: bool = True
    # Times a row of a source is seen in an epoch, on average, each time changed anew; 1 for sources not named.
    weights: dict[str, float] = field(default_factory=dict)
    # Rows with one and the same text that an epoch may hold, drawn anew each epoch; 0: no limit.
    copies: int = 0
    # Characters rarer than this in the training text are left out of the alphabet, and their rows out of training.
    rare: int = 1
    # Above 0: an epoch goes through the tar files of the rows this many at a time, in drawn order, so that what is read
    # lies close together and fits into the system's memory; 0: all rows are mixed.
    shards_at_once: int = 0
    # Processes that read and change samples ahead of the network; 0: in line. The samples are the same.
    workers: int = 0
    # Decoded samples are kept in memory up to this many gigabytes, over all workers.
    memory_gigabytes: float = 6.0
    # A folder in which decoded samples are kept for this run and others ("": none), and its size at most.
    cache: str = ""
    cache_gigabytes: float = 100.0

    def __post_init__(self) -> None:
        if min(self.batch_frames, self.early_batch_frames) < 1:
            raise ConfigError("data: batch_frames and early_batch_frames must be at least 1")
        for name in (
            "early_epochs",
            "copies",
            "rare",
            "shards_at_once",
            "workers",
            "memory_gigabytes",
            "cache_gigabytes",
        ):
            if getattr(self, name) < 0:
                raise ConfigError(f"data: {name} is {getattr(self, name)}; it must not be below 0")
        if min(self.weights.values(), default=0) < 0:
            raise ConfigError("data: weights must not be below 0")


def choose(
    sources: Sequence[str], targets: Sequence[tuple[int, ...]], config: DataConfig, random: np.random.Generator
) -> list[int]:
    """The items of an epoch: a row's index, plus the number of rows for each time that it has come before."""
    unknown = set(config.weights) - set(sources)
    if unknown:
        raise ConfigError(f"data.weights names {sorted(unknown)}, which no training row has as its source")
    weights = np.array([config.weights.get(source, 1.0) for source in sources])
    times = np.floor(weights + random.random(len(weights))).astype(int)
    if config.copies:
        same: dict[tuple[int, ...], list[int]] = defaultdict(list)
        for index, target in enumerate(targets):
            same[target].append(index)
        for indices in same.values():
            if len(indices) > config.copies:
                times[random.permutation(indices)[config.copies :]] = 0
    if not times.any():
        raise ConfigError("data.weights leave no row to train on")
    return [index + len(times) * time for index in np.flatnonzero(times).tolist() for time in range(times[index])]


def batched(
    items: Sequence[int], lengths: Sequence[int], frames: int, shuffle: bool, random: np.random.Generator
) -> list[list[int]]:
    """Items with their lengths -> batches of neighbours in length, in random order or from short to long.

    A little noise on the lengths parts neighbours anew in every epoch; more of it would be paid for in padding.
    """
    noise = random.normal(0, NOISE, len(items))
    order = sorted(range(len(items)), key=lambda k: lengths[k] * (1 + noise[k]))
    batches = [[items[k] for k in batch] for batch in cut(order, lengths, frames)]
    if shuffle:
        random.shuffle(batches)
    return batches


# Standard deviation of that noise, as a share of the length.
NOISE = 0.02


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
