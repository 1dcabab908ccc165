"""Recordings whose frames have classes: phones aligned by a bundle, TIMIT's own, or letters that were whistled."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from recog import audio, checkpoint, manifest, phones
from recog.audio import SpeechFrontend
from recog.corpora import tones
from recog.corpora.entries import entries
from recog.ctc.align import align, required_frames
from recog.ctc.hypothesis import Span
from recog.errors import InputError
from recog.manifest import Row

# Gaps between two phones up to this many seconds are shared out between them; longer ones are silence.
GAP_SECONDS = 0.24
TIMIT_RATE_HZ = 16000
TOY_LETTERS = "adeikn"


@dataclass(frozen=True)
class Utterance:
    """A recording as networks see it."""

    id: str
    # (T, F)
    features: Tensor
    # (T,) class of each frame; 0 is silence, -1 is not counted. Empty where only the sequence is known.
    labels: NDArray[np.int64]
    # The classes in their order, without silence.
    said: tuple[int, ...]


def some_rows(path: Path, count: int, longest: int, phoned: bool) -> list[Row]:
    """Evenly spaced rows of at most `longest` frames of 10 ms, with phones where those are needed; refuses when none is left."""
    fit = [row for row in manifest.read(path) if (row.duration or 0.0) <= longest / 100]
    fit = [row for row in fit if "phones" in row.fields] if phoned else fit
    if not fit:
        raise InputError(
            f"{path} has no row of at most {longest} frames{' that tells its phones (recog pronounce --manifest)' * phoned}"
        )
    return fit if len(fit) <= count else [fit[place * len(fit) // count] for place in range(count)]


def spread(spans: Sequence[Span], said: Sequence[int], steps: int, gap: int) -> NDArray[np.int64]:
    """Spans of a CTC alignment -> the class of each of `steps` frames; CTC is sure of a phone for a moment only.

    Up to `gap` frames between two phones are theirs, half each; at the edges each gets half of that. The rest is 0.
    """
    labels = np.zeros(steps, np.int64)
    for number, (span, label) in enumerate(zip(spans, said, strict=True)):
        before = spans[number - 1].end if number else -1
        after = spans[number + 1].start if number + 1 < len(spans) else -1
        first = span.start - (gap // 2 if before < 0 or span.start - before > gap else (span.start - before) // 2)
        last = span.end + (gap // 2 if after < 0 or after - span.end > gap else (after - span.end + 1) // 2)
        labels[max(0, first) : last] = label
    return labels


def aligned(rows: Sequence[Row], bundle: str, form: SpeechFrontend) -> list[Utterance]:
    """Rows that tell their phones, each frame given to one of them by the bundle. Refuses a bundle without a phone head."""
    teacher = checkpoint.load(bundle)
    network = teacher.network.eval()
    if network.phones is None or not isinstance(teacher.frontend, SpeechFrontend):
        raise InputError(f"bundle {bundle} has no phone head to align with; train one with network.phones=39")
    factor = math.prod(network.config.strides_time)
    gap = round(GAP_SECONDS / teacher.frontend.hop_seconds / factor)
    found = []
    for row in rows:
        letters = phones.spelled(str(row.fields["phones"]).split())
        said = tuple(phones.CMU.index(letter) + 1 for letter in letters)
        waveform = audio.read(row.path, form.rate_hz)
        heard = audio.features(audio.read(row.path, teacher.frontend.rate_hz), teacher.frontend)
        with torch.inference_mode():
            log_probs = network(heard[None], torch.tensor([len(heard)])).phones[0].numpy()
        if required_frames(said) > len(log_probs):
            continue
        coarse = spread(align(log_probs, said), said, len(log_probs), gap)
        features = audio.features(waveform, form)
        # The centre of each of our frames, in frames of the bundle's.
        ratio = form.hop_seconds / teacher.frontend.hop_seconds / factor
        places = np.minimum((np.arange(len(features)) * ratio).astype(int), len(coarse) - 1)
        found.append(Utterance(row.id, features, coarse[places], said))
    return found


def from_timit(rows: Sequence[Row], form: SpeechFrontend) -> list[Utterance]:
    """Rows whose .PHN lies beside the recording, phones folded to 39; "sil" is one of them, the glottal stop none."""
    names = sorted({phones.fold(name, 39) for name in phones.LETTERS} - {""})
    found = []
    for row in rows:
        beside = [
            path
            for end in (".PHN", ".phn")
            if (path := row.path.with_name(row.path.name.split(".")[0] + end)).is_file()
        ]
        if not beside:
            raise InputError(f"{row.path} has no .PHN beside it; --timit needs TIMIT's own folders")
        features = audio.features(audio.read(row.path, form.rate_hz), form)
        labels = np.full(len(features), -1)
        said: list[int] = []
        for entry in entries(beside[0]):
            first, last, name = entry.text.split()
            start, stop = (math.ceil(int(at) / (TIMIT_RATE_HZ * form.hop_seconds)) for at in (first, last))
            if folded := phones.fold(name.lower(), 39):
                labels[start:stop] = number = names.index(folded) + 1
                if not (said and folded == "sil" and said[-1] == number):
                    said.append(number)
        found.append(Utterance(row.id, features, labels, tuple(said)))
    return found


def whistled(count: int, seed: int, noise: float, form: SpeechFrontend) -> list[Utterance]:
    """Letters of the whistled language, one after the other, with noise over them: where each begins and ends is known."""
    random, found = np.random.default_rng(seed), []
    edge = round(0.1 * tones.RATE_HZ)  # of silence, which `whistle` puts around
    for number in range(count):
        letters = random.choice(list(TOY_LETTERS), random.integers(4, 8)).tolist()
        voice = tones.Voice(random.uniform(0.95, 1.05), 0.1, 0.0)
        pieces = [tones.whistle(letter, voice, random)[edge:-edge] / 32768 for letter in letters]
        clean = np.concatenate(pieces)
        waveform = (clean + random.normal(0, noise, len(clean))).astype(np.float32)
        features = audio.features(waveform, form)
        ends = np.cumsum([len(piece) for piece in pieces])
        samples = np.minimum(np.arange(len(features)) * form.hop_seconds * form.rate_hz, len(clean) - 1)
        classes = np.array([TOY_LETTERS.index(letter) + 1 for letter in letters])
        labels = classes[np.searchsorted(ends, samples, side="right")]
        found.append(Utterance(str(number), features, labels, tuple(classes.tolist())))
    return found
