"""The decoder: log-probabilities -> the best texts, with words, times, confidences and scores taken apart.

decoder = Decoder(alphabet.symbols, DecoderOptions(beam=100), word_lm=recog.lm.binary.load("english.lm"))
best = decoder.decode(log_probs)[0]             # Hypothesis: labels, spans, words, score, parts
many = decoder.decode_many(matrices)            # over threads, same results
text = decoder.text(log_probs)                  # only the best text, in less time
stream = decoder.stream()                       # frames in chunks of any size, same results
"""

import copy
import itertools
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from queue import Empty, SimpleQueue
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recog.ctc import fusion, search
from recog.ctc.hypothesis import Hypothesis, probabilities
from recog.ctc.knowledge import gather
from recog.ctc.nbest import best_path, best_paths, lost
from recog.ctc.options import DecoderOptions
from recog.ctc.questions import Memory, new_memory
from recog.ctc.reading import Reader, end_texts
from recog.ctc.search import Limits, Search
from recog.errors import ConfigError, InputError
from recog.lm.lexicon import Lexicon
from recog.lm.ngram import NgramModel

# Paths looked at for each distinct text wanted: several paths may spell the same.
_LOOKS = 8
# Arrays for more prefixes than this (5 MB) are not kept for the next decoding.
_MOST_KEPT = 1 << 16


class Room(NamedTuple):
    """What one decoding works in."""

    search: Search
    # None where no model is asked.
    memory: Memory | None


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
        self._rooms: SimpleQueue[Room] = SimpleQueue()

    def narrowed(self, beam: int) -> "Decoder":
        """One that looks for the best text alone, in a beam of at most so many; it shares what is known."""
        other = copy.copy(self)
        other.options = replace(self.options, beam=min(beam, self.options.beam), n_best=1)
        other.limits = self.limits._replace(beam=other.options.beam)
        other._rooms = SimpleQueue()
        return other

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

    def text(self, log_probs: NDArray[np.float32]) -> str:
        """The text of the best hypothesis of `decode`, without what else there is to know of it, in less time."""
        stream = self.stream()
        stream.feed(log_probs)
        return stream.finish_text()

    def stream(self) -> "Stream":
        """A decoding that takes its frames in chunks."""
        return Stream(self)

    def lend(self) -> Room:
        """Room for a stream to work in."""
        try:
            return self._rooms.get_nowait()
        except Empty:
            pass
        knowledge, symbols = self.knowledge, len(self.symbols) + 1
        if knowledge is None:
            return Room(search.new_search(self.options.beam, symbols), None)
        memory = new_memory(self.options.beam, symbols, knowledge.fusion)
        return Room(search.new_search(self.options.beam, symbols, knowledge.fusion.kinds.most), memory)

    def take_back(self, room: Room) -> None:
        """Keeps a stream's room for the next one: what models answered still holds, the prefixes are forgotten."""
        if len(room.search.nodes) > _MOST_KEPT:
            return
        search.renew(room.search)
        if room.memory is not None:
            room.memory.table_frames.fill(-1)
        self._rooms.put(room)


class Stream:
    """One decoding: `feed` chunks, `finish` once; `so_far` looks at the text in between."""

    def __init__(self, decoder: Decoder) -> None:
        self._decoder = decoder
        self._chunks: list[NDArray[np.float32]] = []
        self._lent: Room | None = decoder.lend()
        if decoder.knowledge is not None:
            fusion_, root = decoder.knowledge.fusion, self._lent.search.nodes[0]
            root[search.STATE], root[search.CHARACTERS] = fusion_.words.begin, fusion_.characters.begin
            root[search.LABEL] = decoder.limits.space

    def feed(self, log_probs: NDArray[np.float32]) -> None:
        """Takes the next (T, S) natural-log probabilities; T may be 0."""
        room, log_probs = self._room(), np.asarray(log_probs)
        frames = probabilities(log_probs, len(self._decoder.symbols) + 1)
        self._chunks.append(log_probs)
        limits, knowledge, done = self._decoder.limits, self._decoder.knowledge, 0
        while True:
            if knowledge is None or room.memory is None:
                done = search.advance_plain(room.search, limits, frames, done)
            else:
                done = fusion.advance_fused(room.search, limits, knowledge.fusion, room.memory, frames, done)
            if done == len(frames):
                return
            room = self._lent = room._replace(search=search.grown(room.search))

    def so_far(self) -> str:
        """The likeliest text of the frames that came, ended here; later frames may change it."""
        room, decoder = self._room(), self._decoder
        ending = end_texts(room.search, decoder.knowledge, room.memory)
        return decoder.reader.text(room.search, best_path(room.search, ending.masses), ending)

    def lost(self) -> float:
        """What beam, cut, width and merging cost so far: the part of the network's probability, 0 to 1, whose
        alignments are no longer in the beam. 0 where nothing was left out, up to rounding.
        """
        return lost(self._room().search)

    def finish(self) -> list[Hypothesis]:
        """The best hypotheses of all frames. A stream takes nothing more after it."""
        room, decoder, wanted = self._room(), self._decoder, self._decoder.options.n_best
        ending = end_texts(room.search, decoder.knowledge, room.memory)
        log_probs = np.concatenate([np.zeros((0, len(decoder.symbols) + 1), np.float32), *self._chunks])
        found: dict[tuple[object, ...], Hypothesis] = {}
        for path in itertools.islice(best_paths(room.search, ending.masses), _LOOKS * wanted):
            hypothesis = decoder.reader.read(room.search, path, ending, log_probs)
            if hypothesis is not None:
                found.setdefault((hypothesis.labels, hypothesis.text), hypothesis)
            if len(found) == wanted:
                break
        self._leave()
        return list(found.values())

    def finish_text(self) -> str:
        """As `finish`, only the text of the best hypothesis. A stream takes nothing more after it."""
        found = self.so_far()
        self._leave()
        return found

    def _room(self) -> Room:
        if self._lent is None:
            raise InputError("this stream is finished and takes nothing more; begin another with decoder.stream()")
        return self._lent

    def _leave(self) -> None:
        room, self._lent = self._room(), None
        self._decoder.take_back(room)
