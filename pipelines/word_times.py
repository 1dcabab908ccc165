"""Word times against recordings whose borders are known, for measuring and for tuning."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from pipelines.confidence import matches
from pipelines.joined_words import WAYS, Joined, join
from recog import audio, checkpoint, text
from recog.activity import loudness
from recog.audio import SpeechFrontend
from recog.checkpoint import Bundle
from recog.ctc.align import align, required_frames
from recog.ctc.decoder import Decoder
from recog.ctc.hypothesis import Hypothesis
from recog.ctc.options import DecoderOptions
from recog.ctc.timing import Timing, place_words
from recog.errors import ConfigError
from recog.lm.lexicon import Lexicon
from recog.manifest import Row
from recog.recognizer import Recognizer

# An error above this is a word in the wrong place; how far does not matter to the tuning.
_LOST_SECONDS = 0.25
# The values tried for each setting, one after the other, the others at their best so far.
GRID = {
    "quiet": (0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4),
    "pause": (1.0, 1.5, 2.0, 2.5, 3.0, 4.0),
    "back": (0.0, 0.5, 1.0, 2.0),
    "forth": (0.0, 0.5, 1.0, 2.0),
    "onset": (0.0, 0.5, 1.0, 1.5, 2.0),
    "release": (0.0, 1.0, 2.0, 3.0),
}


@dataclass(frozen=True)
class Clock:
    """Steps of the features to an output frame, and the seconds of a step."""

    steps: int
    step_seconds: float


@dataclass(frozen=True)
class Heard:
    """A joined string, what the network made of it, and its loudness."""

    joined: Joined
    log_probs: NDArray[np.float32]
    activity: NDArray[np.float64]


def hear(bundle: Bundle, strings: Sequence[Joined], recognizer: Recognizer) -> list[Heard]:
    """The network over all strings."""
    frontend = bundle.frontend
    if not isinstance(frontend, SpeechFrontend):
        raise ConfigError(f"bundle {bundle.name} reads {bundle.kind}; words have times in speech only")
    features = [audio.features(one.waveform, frontend) for one in strings]
    found = {index: matrix.copy() for index, matrix in recognizer.log_probs(features)}
    return [Heard(one, found[index], loudness(one.waveform, frontend)) for index, one in enumerate(strings)]


@dataclass(frozen=True)
class Found:
    """The words of a string that were placed: which of its words, and the frames of each."""

    heard: Heard
    places: tuple[int, ...]
    frames: tuple[tuple[int, int], ...]
    # Which of `frames` belong to `places`; the others are words that do not match.
    matched: tuple[int, ...]


def forced(bundle: Bundle, heard: Sequence[Heard]) -> list[Found]:
    """The true words where alignment puts them; strings whose words do not fit into their frames are left out."""
    rule, found = text.rule(bundle.text_rule), []
    for one in heard:
        words = [rule(word) for word in one.joined.words]
        labels = bundle.alphabet.encode(" ".join(words))
        if not all(words) or required_frames(labels) > len(one.log_probs):
            continue
        spans = align(one.log_probs, labels)
        ends = np.cumsum([len(word) + 1 for word in words]).tolist()
        frames = tuple(
            (spans[end - 1 - len(word)].start, spans[end - 2].end) for word, end in zip(words, ends, strict=True)
        )
        every = tuple(range(len(words)))
        found.append(Found(one, every, frames, every))
    return found


def matching(bundle: Bundle, heard: Sequence[Heard], hypotheses: Sequence[Hypothesis]) -> list[Found]:
    """The recognised words that match the true ones, where the recogniser puts them."""
    rule, found = text.rule(bundle.text_rule), []
    for one, hypothesis in zip(heard, hypotheses, strict=True):
        spans = hypothesis.spans
        pairs = matches([rule(word) for word in one.joined.words], [rule(word.text) for word in hypothesis.words])
        frames = tuple((spans[word.first].start, spans[word.last - 1].end) for word in hypothesis.words)
        found.append(Found(one, tuple(place for place, _ in pairs), frames, tuple(place for _, place in pairs)))
    return found


def errors(found: Found, timing: Timing, clock: Clock) -> NDArray[np.float64]:
    """(words, 2) seconds: how much too late each word is said to begin and to end."""
    extents = place_words(found.frames, found.heard.activity, clock.steps, timing)
    said = np.array([(extents[i].start, extents[i].end) for i in found.matched], np.float64).reshape(-1, 2)
    true = np.array([found.heard.joined.borders[place] for place in found.places], np.float64).reshape(-1, 2)
    return said * clock.step_seconds - true


def tune(found: Sequence[Found], start: Timing, clock: Clock) -> Timing:
    """The settings with the least mean error, searched one by one, twice around; a word that is lost counts 0.25 s."""

    def cost(timing: Timing) -> float:
        off = np.concatenate([errors(one, timing, clock) for one in found])
        return float(np.minimum(np.abs(off), _LOST_SECONDS).mean())

    return _search(cost, start)


def _search(cost: Callable[[Timing], float], start: Timing) -> Timing:
    best, least = start, cost(start)
    for name, values in tqdm([*GRID.items()] * 2, desc="word times", unit="setting", leave=False):
        for value in values:
            timing = replace(best, **{name: value})
            if timing != best and (found := cost(timing)) < least:
                best, least = timing, found
    return best


@dataclass(frozen=True)
class Accuracy:
    """How far words are from where they are."""

    way: str
    words: int
    matched: int
    # Of the absolute errors of beginnings and ends together, in seconds, and of each alone.
    median: float
    # 95 % bootstrap interval of the median, drawing whole strings.
    interval: tuple[float, float]
    ninety: float
    median_start: float
    median_end: float


def accuracy(way: str, found: Sequence[Found], timing: Timing, clock: Clock) -> Accuracy:
    """The figures of some strings; all 0 where not one word matched."""
    words = sum(len(one.heard.joined.words) for one in found)
    off = [np.abs(errors(one, timing, clock)) for one in found]
    every = np.concatenate([*off, np.zeros((0, 2))])
    if not len(every):
        return Accuracy(way, words, 0, 0.0, (0.0, 0.0), 0.0, 0.0, 0.0)
    random = np.random.default_rng(0)
    drawn = (np.concatenate([off[number] for number in random.integers(0, len(off), len(off))]) for _ in range(500))
    low, high = np.percentile([np.median(some) for some in drawn if len(some)], [2.5, 97.5])
    starts, ends = np.median(every, axis=0)
    middle, ninety = np.percentile(every, [50, 90])
    return Accuracy(
        way, words, len(every), float(middle), (float(low), float(high)), float(ninety), float(starts), float(ends)
    )


@dataclass(frozen=True)
class Measured:
    """Accuracies by where the text came from, each over all strings and by the way they were joined."""

    bundle: str
    strings: int
    timing: Timing
    tuned: bool
    figures: dict[str, tuple[Accuracy, ...]]


def measure(name_or_path: str | Path, rows: Sequence[Row], strings: int = 40) -> Measured:
    """Word times of a bundle: with the true text, as recognised, and recognised among these words alone."""
    bundle = checkpoint.load(name_or_path)
    recognizer = Recognizer(bundle)
    if not isinstance(bundle.frontend, SpeechFrontend):
        raise ConfigError(f"bundle {bundle.name} reads {bundle.kind}; words have times in speech only")
    joined = join(rows, bundle.frontend.rate_hz, strings)
    heard = hear(bundle, joined, recognizer)
    recognised = [found.hypothesis for found in recognizer.read([one.log_probs for one in heard])]
    heard = [replace(one, log_probs=recognizer.letters(one.log_probs)) for one in heard]
    narrow = _narrow(bundle, rows).decode_many([one.log_probs for one in heard])
    sources = {
        "true text": forced(bundle, heard),
        "recognised": matching(bundle, heard, recognised),
        "recognised among these words": matching(bundle, heard, [best[0] for best in narrow]),
    }
    clock = Clock(recognizer.shortening, bundle.frontend.hop_seconds)
    figures = {
        source: tuple(
            accuracy(way, [one for one in found if way in ("all", one.heard.joined.way)], recognizer.timing, clock)
            for way in ("all", *WAYS)
        )
        for source, found in sources.items()
    }
    tuned = bundle.language is not None and bundle.language.timing is not None
    return Measured(bundle.name, len(joined), recognizer.timing, tuned, figures)


def _narrow(bundle: Bundle, rows: Sequence[Row]) -> Decoder:
    """A decoder that knows the words of these rows and no others."""
    rule, symbols = text.rule(bundle.text_rule), bundle.alphabet.symbols
    lexicon = Lexicon.of_characters([rule(row.text) for row in rows], symbols)
    return Decoder(symbols, DecoderOptions(unknown=-50.0, letter=-10.0), lexicon=lexicon)


def table(measured: Measured) -> Iterator[str]:
    """Lines of text: a row for every source of the text and way of joining."""
    yield f"{measured.bundle}: {measured.strings} strings, timing {'tuned' if measured.tuned else 'by default'}; errors in ms"
    yield f"{'text':29} {'joined':16} {'matched':>11} {'median':>7} {'95 %':>11} {'90th':>5} {'begin':>6} {'end':>5}"
    for source, figures in measured.figures.items():
        for one in figures:
            line = f"{source:29} {one.way:16} {one.matched:5}/{one.words:5}"
            if one.matched:
                low, high = (f"{1000 * edge:.0f}" for edge in one.interval)
                line += (
                    f" {1000 * one.median:7.0f} {low + '-' + high:>11} {1000 * one.ninety:5.0f}"
                    f" {1000 * one.median_start:6.0f} {1000 * one.median_end:5.0f}"
                )
            yield line
