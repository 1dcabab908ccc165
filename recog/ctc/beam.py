"""CTC prefix beam search without a language model: a whole matrix, or frames as they come."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recog.ctc import search
from recog.ctc.align import align
from recog.ctc.hypothesis import Hypothesis, probabilities
from recog.ctc.search import Limits, Search
from recog.errors import ConfigError

# Symbols less likely than this in a frame are not tried as extensions: at most 1e-4 of a frame's mass each.
CUT = float(np.log(1e-4))


@dataclass(frozen=True)
class Found:
    """A labelling and the natural log of its probability, as far as the beam kept its alignments."""

    labels: tuple[int, ...]
    score: float


class BeamSearch:
    """Takes frames in chunks of any size and gives the same result, bit for bit, as with all frames at once."""

    def __init__(self, symbols: int, beam: int, cut: float = CUT, width: float = np.inf) -> None:
        """`symbols` counts the blank; `cut` and `width` are natural logs: see `beam_search`."""
        if beam < 1 or not cut < 0 or not width > 0:
            raise ConfigError(
                f"a beam search needs beam >= 1, cut < 0 and width > 0; beam {beam}, cut {cut}, width {width} came"
            )
        self._limits = Limits(beam, float(np.exp(cut)), float(np.exp(-width)), -1)
        self._search: Search = search.new_search(beam, symbols)
        self._symbols = symbols

    def feed(self, log_probs: NDArray[np.float32]) -> None:
        """Takes the next (T, S) natural-log probabilities; T may be 0."""
        frames = probabilities(log_probs, self._symbols)
        done = 0
        while (done := search.advance_plain(self._search, self._limits, frames, done)) < len(frames):
            self._search = search.grown(self._search)

    def best(self, count: int = 1) -> list[Found]:
        """The likeliest labellings of the frames so far, best first; fewer than `count` where the beam has fewer."""
        entries = self._search.counts[search.N_ENTRIES]
        masses = (self._search.blanks + self._search.repeats)[:entries]
        order = np.argsort(-masses, kind="stable")[:count]
        scores = np.log(masses[order]) + self._search.values[search.LOG_SCALE]
        nodes = self._search.entries[order]
        return [
            Found(trace(self._search, node), score) for node, score in zip(nodes.tolist(), scores.tolist(), strict=True)
        ]


def trace(searched: Search, node: int) -> tuple[int, ...]:
    """The labels from the root to a node."""
    labels = []
    while node > 0:
        labels.append(int(searched.nodes[node, search.LABEL]))
        node = int(searched.nodes[node, search.PARENT])
    return tuple(reversed(labels))


def beam_search(log_probs: NDArray[np.float32], beam: int, cut: float = CUT, width: float = np.inf) -> Hypothesis:
    """(T, S) natural-log probabilities -> the labelling of highest probability, summed over its alignments.

    Symbols whose log-probability in a frame is below `cut` extend nothing there; prefixes more than `width` below the
    frame's best are dropped. Exact when the beam holds every prefix, `cut` is -inf and `width` inf. Otherwise the
    score, the natural log of the labelling's probability, lacks the alignments that were dropped: what all
    labellings in the beam together lack of 1 is what pruning lost. The spans come from the best alignment.
    """
    log_probs = np.asarray(log_probs)
    beams = BeamSearch(log_probs.shape[1] if log_probs.ndim == 2 else 0, beam, cut, width)
    beams.feed(log_probs)
    found = beams.best()[0]
    return Hypothesis(found.labels, align(log_probs, found.labels), found.score)
