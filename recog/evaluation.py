"""A recogniser over a manifest -> pairs, counts, intervals, worst lines. Used during training and by the script."""

import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from recog import frontend, manifest, metrics, text
from recog.audio import SpeechFrontend, Waveform
from recog.errors import RecogError
from recog.manifest import Row
from recog.metrics import Counts
from recog.recognizer import Recognizer


@dataclass(frozen=True)
class Pair:
    """A manifest row and what was recognised; a row that failed has an empty hypothesis and its reason."""

    row: Row
    hypothesis: str
    failure: str = ""
    # Length of the recording; 0 for handwriting and for rows that failed.
    audio_seconds: float = 0.0


@dataclass(frozen=True)
class Scores:
    """Corpus rates of some rows. Rows whose reference is empty under the text rule are not counted."""

    rows: int
    characters: Counts
    words: Counts
    cer_interval: tuple[float, float]
    wer_interval: tuple[float, float]


@dataclass(frozen=True)
class Counted:
    """Counts of each row that has a reference under the text rule, and whose it is: all that intervals are drawn from."""

    characters: tuple[Counts, ...]
    words: tuple[Counts, ...]
    # Speaker or writer of each; its row where nobody is told, or where all are of one and the same.
    groups: tuple[str, ...]


@dataclass(frozen=True)
class Evaluation:
    """All pairs of a manifest and how they were counted."""

    pairs: tuple[Pair, ...]
    text_rule: str
    # Wall time of reading, features, network and decoding.
    seconds: float
    # Length of all recordings together; 0 for handwriting.
    audio_seconds: float

    @property
    def failures(self) -> list[Pair]:
        """The rows that could not be recognised."""
        return [pair for pair in self.pairs if pair.failure]

    def scores(self) -> Scores:
        """Over all rows."""
        return score(self.pairs, self.text_rule)

    def groups(self, key: str) -> dict[str, "Evaluation"]:
        """The same by a field of the manifest, such as "source"; time is shared out by sound, or else by rows."""
        members: dict[str, list[Pair]] = defaultdict(list)
        for pair in self.pairs:
            members[str(pair.row.fields.get(key))].append(pair)
        return {name: self._share(pairs) for name, pairs in sorted(members.items())}

    def _share(self, pairs: Sequence[Pair]) -> "Evaluation":
        sound = sum(pair.audio_seconds for pair in pairs)
        share = sound / self.audio_seconds if self.audio_seconds else len(pairs) / len(self.pairs)
        return Evaluation(tuple(pairs), self.text_rule, self.seconds * share, sound)

    def worst(self, count: int) -> list[tuple[Pair, float]]:
        """The rows with the most character errors, and their CER."""
        rule = text.rule(self.text_rule)
        counted = [(pair, metrics.character_counts(rule(pair.row.text), rule(pair.hypothesis))) for pair in self.pairs]
        counted.sort(key=lambda item: -item[1].edits)
        return [(pair, counts.rate) for pair, counts in counted[:count]]


def score(pairs: Sequence[Pair], text_rule: str) -> Scores:
    """Counts of some pairs under a text rule; intervals by bootstrap over speakers or writers, else over rows."""
    counted = count(pairs, text_rule)
    if not counted.groups:
        return Scores(0, Counts(), Counts(), (0.0, 0.0), (0.0, 0.0))
    return Scores(
        len(counted.groups),
        metrics.total(counted.characters),
        metrics.total(counted.words),
        metrics.interval(counted.characters, counted.groups),
        metrics.interval(counted.words, counted.groups),
    )


def count(pairs: Sequence[Pair], text_rule: str) -> Counted:
    """Row by row, under a text rule."""
    rule = text.rule(text_rule)
    characters, words, groups = list[Counts](), list[Counts](), list[str]()
    for pair in pairs:
        reference, hypothesis = rule(pair.row.text), rule(pair.hypothesis)
        if reference:
            characters.append(metrics.character_counts(reference, hypothesis))
            words.append(metrics.word_counts(reference, hypothesis))
            groups.append(str(pair.row.fields.get("speaker") or pair.row.fields.get("writer") or pair.row.id))
    if len(set(groups)) == 1:  # a single hand or voice: rows are all there is to draw from
        groups = [str(number) for number in range(len(groups))]
    return Counted(tuple(characters), tuple(words), tuple(groups))


def evaluate(
    recognizer: Recognizer,
    rows: Sequence[Row],
    chunk: int = 64,
    progress: Callable[[int], object] | None = None,
    harder: Callable[[Waveform, int, str], Waveform] | None = None,
) -> Evaluation:
    """Recognises every row, about `chunk` files at a time; `progress` is told how many are done.

    Lines of one page are read together, as they are when the page is read: they are probably in one language.
    `harder` is what recordings go through first (`recog.hardship`): waveform, its rate and the row's name come in.
    """
    started = time.perf_counter()
    bundle, found = recognizer.bundle, {}
    hop_seconds = bundle.frontend.hop_seconds if isinstance(bundle.frontend, SpeechFrontend) else 0.0
    for together in portions(rows, chunk):
        features, readable = [], []
        for index in together:
            try:
                decoded = frontend.decode(rows[index].path, bundle.frontend)
                if harder and isinstance(decoded, np.ndarray) and isinstance(bundle.frontend, SpeechFrontend):
                    decoded = harder(decoded, bundle.frontend.rate_hz, rows[index].id)
                features.append(frontend.features(decoded, bundle.frontend))
                readable.append(index)
            except RecogError as error:
                found[index] = Pair(rows[index], "", str(error))
        recognitions = recognizer.recognise(features, [rows[index].document for index in readable])
        for index, matrix, recognition in zip(readable, features, recognitions, strict=True):
            found[index] = Pair(rows[index], recognition.text, audio_seconds=(len(matrix) - 1) * hop_seconds)
        if progress:
            progress(len(together))
    pairs = tuple(found[index] for index in range(len(rows)))
    return Evaluation(pairs, bundle.text_rule, time.perf_counter() - started, sum(p.audio_seconds for p in pairs))


def portions(rows: Sequence[Row], chunk: int) -> list[list[int]]:
    """Numbers of all rows, about `chunk` at a time: similar lengths together, and whole documents of at most `chunk` rows."""
    order = sorted(range(len(rows)), key=lambda index: rows[index].duration or 0.0)
    found: list[list[int]] = []
    for numbers in manifest.pages([rows[index] for index in order]):
        numbers = [order[number] for number in numbers]
        for first in range(0, len(numbers), chunk):
            part = numbers[first : first + chunk]
            if found and len(found[-1]) + len(part) <= chunk:
                found[-1] += part
            else:
                found.append(part)
    return found
