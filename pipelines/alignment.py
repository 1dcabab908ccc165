"""A recording and its text -> when each word and character of the text is said (forced alignment).

The text keeps its spelling. The bundle's text rule and alphabet say which labels are looked for; words without any
("1860", "№") take the sound between their neighbours that no label explains, or share the time between them, and have
no confidence.
"""

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pipelines.hearing import Hearing, listen
from pipelines.placing import Ruler, Stretch, place
from recog import audio, checkpoint
from recog.alphabet import Alphabet
from recog.audio import SpeechFrontend, Waveform
from recog.checkpoint import Bundle
from recog.ctc.align import required_frames
from recog.ctc.gapped import Aligned, Gaps
from recog.ctc.greedy import greedy
from recog.ctc.hypothesis import Hypothesis
from recog.ctc.passages import align_passages
from recog.errors import ConfigError, InputError
from recog.formats.timed import Timed, TimedWord
from recog.recognizer import DecodingOptions, Recognizer
from recog.sentences import Sentence, sentences
from recog.wording import Wording, WrittenWord, wording

# Labels of a stretch in which a few wrong words show.
STRETCH = 20
# A word that nothing is heard of gets at most so many seconds a character.
LONGEST_UNSPELLED = 0.1


@dataclass(frozen=True)
class AlignedSentence:
    """A sentence of the text: its characters, its words among all words, and how well sound and text agree."""

    text: str
    # Words first..last of the alignment's, last excluded.
    first: int
    last: int
    # 0 to 1, the chance of its labels against the best that could be heard there, per label (geometric mean); None for
    # a sentence that was left out or has no labels.
    confidence: float | None
    # The same for its weakest stretch of STRETCH labels: low where a few words are wrong in a sentence that is right.
    weakest: float | None
    # What a free recognition reads where the sentence stands; "" for one that was left out.
    heard: str


@dataclass(frozen=True)
class SpeechAlignment:
    """When each word of a text is said."""

    wording: Wording
    # All words of the text in order; None for those that were not found in the sound.
    words: tuple[TimedWord | None, ...]
    sentences: tuple[AlignedSentence, ...]
    # Stretches of sound, in seconds, that the text does not explain.
    unexplained: tuple[Timed, ...]
    duration: float

    @property
    def left_out(self) -> tuple[str, ...]:
        """The sentences none of whose words was found."""
        return tuple(one.text for one in self.sentences if all(w is None for w in self.words[one.first : one.last]))

    @property
    def placed(self) -> tuple[TimedWord, ...]:
        """The words that were found, in order."""
        return tuple(word for word in self.words if word is not None)

    def as_json(self) -> dict[str, Any]:
        """Plain values: `words` (text, start, end, confidence, characters), `left_out` (texts), `duration`."""
        return {
            "words": [asdict(word) for word in self.placed],
            "left_out": list(self.left_out),
            "duration": self.duration,
        }


class SpeechAligner:
    """Aligns texts with recordings. Load once, call often."""

    def __init__(self, bundle: Bundle, options: DecodingOptions | None = None) -> None:
        if not isinstance(bundle.frontend, SpeechFrontend):
            raise ConfigError(f"bundle {bundle.name} reads {bundle.kind}; alignment of sound needs a speech bundle")
        self.frontend = bundle.frontend
        # The text is given: nothing is searched for.
        self.recognizer = Recognizer(bundle, options or DecodingOptions(beam=0))

    @classmethod
    def load(cls, name_or_path: str | Path = "speech-en", options: DecodingOptions | None = None) -> "SpeechAligner":
        """The aligner of a bundle, by the name of one that comes with recog or by its folder."""
        return cls(checkpoint.load(name_or_path), options)

    def __call__(self, source: str | Path | bytes, text: str, every_word: bool = False) -> SpeechAlignment:
        """A recording (file or bytes) and what is said in it -> the times of its words.

        A text of several sentences may have some that are not spoken, and the sound some that are not written, unless
        `every_word` is asked for; a single sentence is always placed as a whole. Refuses an empty text, one without
        anything the bundle can spell, one that the sound is too short for, and a recording of silence.
        """
        return self.align(audio.read(source, self.frontend.rate_hz), text, every_word)

    def align(self, waveform: Waveform, text: str, every_word: bool = False) -> SpeechAlignment:
        """The same for a waveform (n,) at the frontend's rate."""
        words = self.wording(text)
        if audio.is_silent(waveform):
            raise InputError(f"the recording is silent ({len(waveform) / self.frontend.rate_hz:.1f} s below -80 dB)")
        parts = sentences(text)
        hearing = listen(self.recognizer, waveform)
        needed, given = required_frames(words.labels), len(hearing.log_probs)
        loose = len(parts) > 1 and not every_word
        if needed > given and not loose:
            raise InputError(
                f"the text is too long for its sound: {len(words.labels)} labels need {needed * self.recognizer.step_size:.1f} s "
                f"at least, the recording has {len(waveform) / self.frontend.rate_hz:.1f} s"
            )
        gaps = _gaps(words, parts, loose)
        alphabet = self.recognizer.bundle.alphabet
        space = alphabet.encode(" ")[0] if " " in alphabet.symbols else 0
        found = align_passages(hearing.log_probs, words.labels, gaps, space)
        if not any(found.spans):
            raise InputError(
                f"none of the text's {len(parts)} sentences is heard in the {len(waveform) / self.frontend.rate_hz:.1f} s of sound"
            )
        return _in_seconds(hearing, words, parts, found, alphabet)

    def wording(self, text: str) -> Wording:
        """The text in words with labels; refuses a text without any."""
        if not text.strip():
            raise InputError("the text is empty; expected what is said in the recording")
        bundle = self.recognizer.bundle
        words = wording(text, bundle.text_rule, bundle.alphabet)
        if not words.labels:
            raise InputError(
                f"the text {text.strip()[:40]!r} holds nothing that bundle {bundle.name} can spell; "
                f"its symbols are {''.join(bundle.alphabet.symbols)!r}, after text rule {bundle.text_rule!r}"
            )
        return words


def _words_in(words: Sequence[WrittenWord], parts: Sequence[Sentence]) -> list[tuple[int, int]]:
    """The words first..last of each sentence."""
    starts = np.array([word.start for word in words])
    return [(int(np.searchsorted(starts, part.start)), int(np.searchsorted(starts, part.end))) for part in parts]


def _gaps(words: Wording, parts: Sequence[Sentence], loose: bool) -> Gaps:
    """Sound that no label spells may stand at words without labels and, if loose, between sentences."""
    borders = set[int]()
    if loose:
        for first, last in _words_in(words.words, parts):
            borders.update([word.first for word in words.words[first:last] if word.spelled][:1])
        borders.add(len(words.labels))
    sounds = {word.first for word in words.unspelled}
    return Gaps(tuple(sorted(sounds | borders)), tuple(sorted(borders)))


def _in_seconds(
    hearing: Hearing, words: Wording, parts: Sequence[Sentence], found: Aligned, alphabet: Alphabet
) -> SpeechAlignment:
    heard = _Heard(greedy(hearing.log_probs), alphabet)
    ranges = _words_in(words.words, parts)
    placement = place(words, found, ranges, Ruler(hearing.extents, hearing.seconds, LONGEST_UNSPELLED))
    timed = tuple(None if word is None else _timed(word) for word in placement.words)
    told = tuple(_sentence(words, first, last, found, heard) for first, last in ranges)
    unexplained = tuple(Timed("", round(start, 3), round(end, 3)) for start, end in placement.unexplained)
    return SpeechAlignment(words, timed, told, unexplained, round(hearing.duration, 3))


def _timed(word: Stretch) -> TimedWord:
    characters = tuple(
        Timed(one.text, round(one.start, 3), round(one.end, 3), one.confidence) for one in word.characters
    )
    return TimedWord(word.text, round(word.start, 3), round(word.end, 3), word.confidence, characters)


@dataclass(frozen=True)
class _Heard:
    """What is read without any text."""

    hypothesis: Hypothesis
    alphabet: Alphabet

    def between(self, start: int, end: int) -> str:
        """The labels that begin in frames start..end, as text."""
        first, last = (bisect_left(self.hypothesis.spans, frame, key=lambda span: span.start) for frame in (start, end))
        return " ".join(self.alphabet.decode(self.hypothesis.labels[first:last]).split())


def _sentence(words: Wording, first: int, last: int, found: Aligned, heard: _Heard) -> AlignedSentence:
    own = words.words[first:last]
    text = words.text_of(first, last)
    labels = [word for word in own if word.spelled]
    spans = found.spans[labels[0].first : labels[-1].last] if labels else ()
    complete = [span for span in spans if span is not None]
    if not complete or len(complete) < len(spans):
        return AlignedSentence(text, first, last, None, None, "")
    edges = [*(span.start for span in complete), complete[-1].end]
    sums = np.concatenate([[0.0], np.cumsum(found.losses)])[edges]
    reach = min(STRETCH, len(complete))
    worst = float((sums[reach:] - sums[:-reach]).max()) / reach
    mean = float(sums[-1] - sums[0]) / len(complete)
    agreement, weakest = round(math.exp(-mean), 4), round(math.exp(-worst), 4)
    return AlignedSentence(text, first, last, agreement, weakest, heard.between(edges[0], edges[-1]))
