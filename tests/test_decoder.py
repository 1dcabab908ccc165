import importlib
import math
import sys

import numpy as np
import oracles
import pytest

from recog.ctc.beam import BeamSearch
from recog.ctc.decoder import Decoder
from recog.ctc.options import DecoderOptions
from recog.errors import RecogError
from recog.lm.hotwords import Hotword
from recog.lm.ngram import NgramModel
from recog.lm.train import NgramConfig, train

SYMBOLS = (" ", "a", "b")
WORDS = train(["ab ba", "ab ab b", "a b ba"], NgramConfig(order=2, unit="word"))
CHARACTERS = train(["ab ba", "ab ab b", "a b ba"], NgramConfig(order=3, unit="character"))
# Word model, character model, hot phrases.
KINDS: dict[str, tuple[NgramModel | None, NgramModel | None, tuple[Hotword, ...]]] = {
    "nothing": (None, None, ()),
    "words": (WORDS, None, ()),
    "characters": (None, CHARACTERS, ()),
    "all": (WORDS, CHARACTERS, (Hotword("b a", 3.0),)),
}


def decoder_of(kind: str) -> Decoder:
    words, characters, hotwords = KINDS[kind]
    return Decoder(SYMBOLS, DecoderOptions(beam=20, n_best=3, hotwords=hotwords), words, characters)


@pytest.mark.parametrize("kind", KINDS)
def test_the_text_alone_is_the_best_hypothesis_text(kind: str) -> None:
    decoder = decoder_of(kind)
    for seed in range(10):
        matrix = oracles.random_log_probs(10 + 3 * seed, 4, seed, 2.5)
        assert decoder.text(matrix) == decoder.decode(matrix)[0].text


@pytest.mark.parametrize("kind", KINDS)
def test_what_was_decoded_before_leaves_no_trace(kind: str) -> None:
    used = decoder_of(kind)
    for steps in (25, 600, 25, 3):  # 600 frames outgrow the first arrays
        matrix = oracles.random_log_probs(steps, 4, steps, 2.5)
        assert used.decode(matrix) == decoder_of(kind).decode(matrix)


def lost(kind: str, beam: int, cut: float = -math.inf, merge: bool = False) -> float:
    words, characters, hotwords = KINDS[kind]
    options = DecoderOptions(beam=beam, cut=cut, width=math.inf, merge=merge, hotwords=hotwords)
    stream = Decoder(SYMBOLS, options, words, characters).stream()
    stream.feed(oracles.random_log_probs(5, 4, 3, 1.0))
    return stream.lost()


def test_a_search_says_what_it_lost() -> None:
    # All labellings of 5 frames find room in a wide beam, whatever models say of them.
    assert [lost(kind, 2000) for kind in KINDS] == pytest.approx([0.0] * len(KINDS), abs=1e-6)
    # What is left is what the labellings found sum up to.
    for beam, cut in ((3, -math.inf), (2000, -2.0), (4, -1.5)):
        search = BeamSearch(4, beam, cut)
        search.feed(oracles.random_log_probs(5, 4, 3, 1.0))
        kept = sum(math.exp(found.score) for found in search.best(2000))
        assert kept < 0.95
        assert lost("nothing", beam, cut) == pytest.approx(1 - kept)
    # A cut knows no models, and takes the same from under them.
    assert lost("characters", 2000, -2.0) == pytest.approx(lost("nothing", 2000, -2.0))
    # Merged prefixes are left out too.
    assert lost("words", 2000, merge=True) > 0.04


def test_a_finished_stream_is_not_asked_again() -> None:
    stream = decoder_of("words").stream()
    stream.feed(oracles.random_log_probs(5, 4, 0))
    stream.finish()
    for ask in (stream.finish, stream.finish_text, stream.so_far, lambda: stream.feed(np.zeros((0, 4), np.float32))):
        with pytest.raises(RecogError, match=r"this stream is finished .* decoder.stream\(\)"):
            ask()


def test_the_same_without_numba(monkeypatch: pytest.MonkeyPatch) -> None:
    """With words, characters and a phrase; `test_beam` shows it for the search alone."""
    log_probs = oracles.random_log_probs(25, 4, 7, 2.5)
    options = DecoderOptions(beam=12, n_best=4, hotwords=(Hotword("b a", 3.0),))
    compiled = Decoder(SYMBOLS, options, WORDS, CHARACTERS).decode(log_probs)
    ours = {name: module for name, module in sys.modules.items() if name.split(".")[0] == "recog"}
    with monkeypatch.context() as patch:
        for name in ours:
            patch.delitem(sys.modules, name)
        patch.setitem(sys.modules, "numba", None)
        plain = importlib.import_module("recog.ctc.decoder")
        assert not sys.modules["recog.compile"].HAVE_NUMBA
        found = plain.Decoder(SYMBOLS, options, WORDS, CHARACTERS).decode(log_probs)
        for name in [name for name in sys.modules if name.split(".")[0] == "recog"]:
            del sys.modules[name]
    assert [repr(item) for item in found] == [repr(item) for item in compiled]
