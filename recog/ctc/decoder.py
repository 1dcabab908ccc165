"""The decoder: log-probabilities -> the best texts, with words, times, confidences and scores taken apart.

decoder = Decoder(alphabet.symbols, DecoderOptions(beam=100), word_lm=recog.lm.binary.load("english.lm"))
best = decoder.decode(log_probs)[0]             # Hypothesis: labels, spans, words, score, parts
many = decoder.decode_many(matrices)            # over threads, same results
stream = decoder.stream()                       # frames in chunks of any size, same results
"""

import itertools
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from queue import Empty, SimpleQueue

import numpy as np
from numpy.typing import NDArray

from recog.ctc import fusion, search
from recog.ctc.hypothesis import Hypothesis, probabilities
from recog.ctc.knowledge import gather
from recog.ctc.nbest import best_paths
from recog.ctc.options import DecoderOptions
from recog.ctc.questions import Memory, new_memory
from recog.ctc.reading import Reader, end_texts
from recog.ctc.search import Limits, Search
from recog.errors import ConfigError
from recog.lm.lexicon import Lexicon
from recog.lm.ngram import NgramModel

# Paths looked at for each distinct text wanted: several paths may spell the same.
_LOOKS = 8


class Decoder:
    """Beam search over an alphabet with what it was given to know; a call leaves no trace in the next."""

    def __init__(
        self,
        symbols: Sequence[str],
        options: DecoderOptions | None = None,
        word_lm: NgramModel | None = None,
        char_lm: NgramModel | None = None,
        lexicon: Lexicon | None = None,
    ) -> None:
        """`symbols` without the blank: label k + 1 is symbols[k], as in `Alphabet.symbols`; " " parts words.

        Without a space among them (phones), a word ends where its spelling in the lexicon does. Without a lexicon, a
        word model's vocabulary spelled in the symbols is one. Refuses models of another alphabet.
        """
        if not symbols or len(set(symbols)) < len(symbols):
            raise ConfigError(f"a decoder needs distinct symbols, at least one; {len(symbols)} came: {symbols!r:.60}")
        self.symbols, self.options = tuple(symbols), options or DecoderOptions()
        self.knowledge = gather(self.symbols, self.options, word_lm, char_lm, lexicon)
        space = self.symbols.index(" ") + 1 if " " in self.symbols else -1
        # Where words are known, several spaces are one.
        known = self.knowledge is not None and self.knowledge.fusion.kinds.has_lexicon
        self.limits = Limits(
            self.options.beam,
            float(np.exp(self.options.cut)),
            float(np.exp(-self.options.width)),
            space if known else -1,
        )
        self.reader = Reader(self.symbols, space, self.options, self.knowledge)
        self._memories: SimpleQueue[Memory] = SimpleQueue()

    def decode(self, log_probs: NDArray[np.float32]) -> list[Hypothesis]:
        """(T, S) natural-log probabilities -> the `n_best` hypotheses, best first; fewer where there are fewer.

        Refuses other shapes and rows that do not sum to 1.
        """
        stream = self.stream()
        stream.feed(log_probs)
        return stream.finish()

    def decode_many(self, matrices: Sequence[NDArray[np.float32]]) -> list[list[Hypothesis]]:
        """As `decode` for each, side by side in threads."""
        threads = min(self.options.threads or os.cpu_count() or 1, len(matrices))
        if threads < 2:
            return [self.decode(matrix) for matrix in matrices]
        with ThreadPoolExecutor(threads) as pool:
            return list(pool.map(self.decode, matrices))

    def stream(self) -> "Stream":
        """A decoding that takes its frames in chunks."""
        return Stream(self)

    def lend(self) -> Memory:
        """Room for a stream to remember what the models answer."""
        try:
            return self._memories.get_nowait()
        except Empty:
            assert self.knowledge is not None  # else nothing is asked
            return new_memory(self.options.beam, len(self.symbols) + 1, self.knowledge.fusion)

    def take_back(self, memory: Memory) -> None:
        """Keeps a stream's memory for the next one: the answers still hold, its table of entries does not."""
        memory.table_frames.fill(-1)
        self._memories.put(memory)


class Stream:
    """One decoding: `feed` chunks, `finish` once; `so_far` looks at the text in between."""

    def __init__(self, decoder: Decoder) -> None:
        self._decoder = decoder
        self._chunks: list[NDArray[np.float32]] = []
        knowledge = decoder.knowledge
        self._search: Search = search.new_search(
            decoder.options.beam, len(decoder.symbols) + 1, knowledge.fusion.kinds.most if knowledge is not None else 0
        )
        self._memory = decoder.lend() if knowledge is not None else None
        if knowledge is not None:
            root = self._search.nodes[0]
            root[search.STATE], root[search.CHARACTERS] = (
                knowledge.fusion.words.begin,
                knowledge.fusion.characters.begin,
            )
            root[search.LABEL] = decoder.limits.space

    def feed(self, log_probs: NDArray[np.float32]) -> None:
        """Takes the next (T, S) natural-log probabilities; T may be 0."""
        log_probs = np.asarray(log_probs)
        frames = probabilities(log_probs, len(self._decoder.symbols) + 1)
        self._chunks.append(log_probs)
        limits, knowledge, done = self._decoder.limits, self._decoder.knowledge, 0
        while True:
            if knowledge is None or self._memory is None:
                done = search.advance_plain(self._search, limits, frames, done)
            else:
                done = fusion.advance_fused(self._search, limits, knowledge.fusion, self._memory, frames, done)
            if done == len(frames):
                return
            self._search = search.grown(self._search)

    def so_far(self) -> str:
        """The likeliest text of the frames that came, ended here; later frames may change it."""
        ending = end_texts(self._search, self._decoder.knowledge, self._memory)
        path = next(best_paths(self._search, ending.masses))
        return self._decoder.reader.text(self._search, path, ending)

    def finish(self) -> list[Hypothesis]:
        """The best hypotheses of all frames. A stream takes nothing more after it."""
        decoder, wanted = self._decoder, self._decoder.options.n_best
        ending = end_texts(self._search, decoder.knowledge, self._memory)
        log_probs = np.concatenate([np.zeros((0, len(decoder.symbols) + 1), np.float32), *self._chunks])
        found: dict[tuple[object, ...], Hypothesis] = {}
        for path in itertools.islice(best_paths(self._search, ending.masses), _LOOKS * wanted):
            hypothesis = decoder.reader.read(self._search, path, ending, log_probs)
            if hypothesis is not None:
                found.setdefault((hypothesis.labels, hypothesis.text), hypothesis)
            if len(found) == wanted:
                break
        if self._memory is not None:
            decoder.take_back(self._memory)
            self._memory = None
        return list(found.values())
