"""A manifest -> the same rows, each telling where its words stand: what training needs to cut and mix them."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from recog import checkpoint, image, letter_size, manifest, text
from recog import frontend as frontends
from recog.activity import ink, loudness
from recog.audio import SpeechFrontend
from recog.ctc.align import align, required_frames
from recog.ctc.hypothesis import Span
from recog.ctc.timing import place_words
from recog.errors import ConfigError, InputError, RecogError
from recog.manifest import Row
from recog.recognizer import DecodingOptions, Recognizer

DEFAULTS = {"audio": "speech-en", "image": "handwriting-latin"}
# So many rows are decoded before the network reads them.
TOGETHER = 64


@dataclass(frozen=True)
class Placing:
    """What became of a manifest's rows."""

    rows: int
    # Rows that do not tell where their words stand, and why.
    without: tuple[tuple[str, str], ...]


def place_rows(source: str | Path, out: str | Path, bundle: str | Path | None = None, device: str = "auto") -> Placing:
    """Writes `source` to `out` with `words` in each row (text, start and end in seconds; or text and box in pixels of
    the picture), as a bundle finds them: the default one of the rows' kind unless told. Rows that cannot be placed go
    through as they are, and those of the other kind are refused.
    """
    rows = manifest.read(source)
    loaded = checkpoint.load(bundle or DEFAULTS[rows[0].media])
    fitting = "audio" if isinstance(loaded.frontend, SpeechFrontend) else "image"
    for row in rows:
        if row.media != fitting:
            raise ConfigError(f"row {row.id} holds {row.media}, but bundle {loaded.name} reads {loaded.kind}")
    recognizer = Recognizer(loaded, DecodingOptions(beam=0, device=device))
    if fitting == "audio":  # the first look is the one that has its sounds where they are
        recognizer.views = recognizer.views[:1]
    placer = _Placer(recognizer)
    written: list[dict[str, Any]] = []
    without: list[tuple[str, str]] = []
    groups = [rows[start : start + TOGETHER] for start in range(0, len(rows), TOGETHER)]
    for row, found in tqdm(
        (pair for group in groups for pair in placer.places(group)), total=len(rows), unit=" rows", disable=None
    ):
        if isinstance(found, str):
            without.append((row.id, found))
        rebased = {row.media: Path(os.path.relpath(row.path, Path(out).parent)).as_posix()}
        written.append({**row.fields, **rebased, **({} if isinstance(found, str) else {"words": found})})
    manifest.write(Path(out), written)
    return Placing(len(rows), tuple(without))


@dataclass(frozen=True)
class _Spelled:
    """A word between spaces, and its labels first..last (last excluded) among those of the row."""

    text: str
    first: int
    last: int


@dataclass(frozen=True)
class _Sample:
    """A row that can be placed."""

    row: Row
    words: tuple[_Spelled, ...]
    labels: tuple[int, ...]
    # (T, F)
    features: Tensor
    # (T,)
    activity: NDArray[np.float64]


class _Placer:
    """Places words with one recogniser."""

    def __init__(self, recognizer: Recognizer) -> None:
        self.recognizer, self.bundle = recognizer, recognizer.bundle
        self.spell = text.rule(self.bundle.text_rule)

    def places(self, rows: Sequence[Row]) -> Iterator[tuple[Row, list[dict[str, Any]] | str]]:
        """Each row in order with its words, or with the reason why it has none."""
        samples: list[_Sample | str] = []
        for row in rows:
            try:
                samples.append(self._sample(row))
            except RecogError as error:
                samples.append(str(error))
        heard = [sample for sample in samples if not isinstance(sample, str)]
        matrices = dict(self.recognizer.log_probs([sample.features for sample in heard]))
        number = 0
        for row, sample in zip(rows, samples, strict=True):
            if isinstance(sample, str):
                yield row, sample
            else:
                yield row, self._words(sample, self.recognizer.letters(matrices[number]))
                number += 1

    def _sample(self, row: Row) -> _Sample:
        """Refuses a text that the bundle cannot spell word by word."""
        alphabet, frontend = self.bundle.alphabet, self.bundle.frontend
        words: list[_Spelled] = []
        spelled = ""
        for word in row.text.split():
            if said := self.spell(word):
                spelled += " " if spelled else ""
                words.append(_Spelled(word, len(spelled), len(spelled) + len(said)))
                spelled += said
        if not spelled or spelled != self.spell(row.text) or not set(alphabet.symbols).issuperset(spelled):
            raise InputError(f"the bundle cannot spell {row.text[:60]!r} word by word")
        decoded = frontends.decode(row.path, frontend)
        features = frontends.features(decoded, frontend)
        if isinstance(frontend, SpeechFrontend):
            assert isinstance(decoded, np.ndarray)
            activity = loudness(decoded, frontend)
        else:
            features = letter_size.sized(features, len(spelled), frontend.letter_columns)
            activity = ink(features)
        return _Sample(row, tuple(words), tuple(alphabet.encode(spelled)), features, activity)

    def _words(self, sample: _Sample, log_probs: NDArray[np.float32]) -> list[dict[str, Any]] | str:
        if (needed := required_frames(sample.labels)) > len(log_probs):
            return f"its text needs {needed} frames at least, it has {len(log_probs)}"
        words = self._placed(sample, align(log_probs, sample.labels))
        return words if all(_wide(word) for word in words) else "one of its words has no width"

    def _placed(self, sample: _Sample, spans: Sequence[Span]) -> list[dict[str, Any]]:
        frames = [(spans[word.first].start, spans[word.last - 1].end) for word in sample.words]
        extents = place_words(frames, sample.activity, self.recognizer.shortening, self.recognizer.timing)
        placed = list(zip(sample.words, extents, strict=True))
        frontend = self.bundle.frontend
        if isinstance(frontend, SpeechFrontend):
            hop = frontend.hop_seconds
            return [
                {"text": word.text, "start": round(extent.start * hop, 3), "end": round(extent.end * hop, 3)}
                for word, extent in placed
            ]
        width, height = image.upright_size(sample.row.path)
        pixels = width / len(sample.features)
        edges = [
            (round(min(width, extent.start * pixels)), round(min(width, extent.end * pixels))) for _, extent in placed
        ]
        return [
            {"text": word.text, "box": [left, 0, right, height]}
            for (word, _), (left, right) in zip(placed, edges, strict=True)
        ]


def _wide(word: dict[str, Any]) -> bool:
    left, _, right, _ = word.get("box", [word.get("start"), 0, word.get("end"), 0])
    return bool(left < right)
