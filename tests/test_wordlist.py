import math
import time
from pathlib import Path

import numpy as np
import oracles
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recog import text
from recog.ctc.decoder import Decoder
from recog.ctc.options import DecoderOptions
from recog.errors import LanguageModelError
from recog.lm import wordlist
from recog.lm.ngram import SPECIAL
from recog.lm.wordlist import WordList


def test_lines_weights_and_the_text_rule(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text(
        "\ufeffThornbury\t2\nwhale\r\n\n  ice cream \t0.5\nTHORNBURY\t3\n\u2014\nR2D2\n\u00e9tude\t4\nwhale\t1\n<unk>\n",
        encoding="utf-8",
    )
    raw = wordlist.read(tmp_path / "list.txt")
    assert raw.words == ("Thornbury", "whale", "ice", "cream", "THORNBURY", "\u2014", "R2D2", "\u00e9tude")
    assert raw.weights is not None and raw.weights.tolist() == [2, 2, 0.5, 0.5, 3, 1, 1, 4]
    assert raw.left_out == ("<unk>",)
    spoken = wordlist.read(tmp_path / "list.txt", text.spoken)
    assert spoken.words == ("thornbury", "whale", "ice", "cream", "unk")
    assert spoken.weights is not None and spoken.weights.tolist() == [5, 2, 0.5, 0.5, 1]
    # Without figures or accented letters they would be other words.
    assert spoken.left_out == ("\u2014", "R2D2", "\u00e9tude")


def test_without_weights_there_is_no_model(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("a\nb\na\n")
    found = wordlist.read(tmp_path / "list.txt")
    assert (found.words, found.weights, found.model) == (("a", "b"), None, None)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"a\nb\tmany\n", "line 2 of .* has 'many' after the tab; expected a count or weight above 0"),
        (b"a\t0\n", "line 1 of .* has '0' after the tab"),
        (b"a\t-1\n", "line 1 of .* has '-1' after the tab"),
        (b"a\tnan\n", "line 1 of .* has 'nan' after the tab"),
        (b"a\tinf\n", "line 1 of .* has 'inf' after the tab"),
        (b"a\t1\t2\n", "line 1 of .* after the tab"),
        (b"a\nb\n\xff\n", "line 3 of .* is not UTF-8"),
        (b"\n \n<s>\n", "holds no word; expected one a line"),
    ],
)
def test_refusals_name_the_line(content: bytes, told: str, tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_bytes(content)
    with pytest.raises(LanguageModelError, match=told):
        wordlist.read(tmp_path / "list.txt")


@settings(deadline=None, max_examples=25)
@given(
    st.dictionaries(
        # The model's own signs, <s> among them, are no words: they are left out when they are read.
        st.text(st.characters(min_codepoint=33, max_codepoint=0x2FF, exclude_categories=("Z", "C")), min_size=1).filter(
            lambda word: word not in SPECIAL
        ),
        st.floats(1e-3, 1e6),
        min_size=1,
    ),
    st.booleans(),
)
def test_what_is_written_is_read(
    tmp_path_factory: pytest.TempPathFactory, words: dict[str, float], weighted: bool
) -> None:
    path = tmp_path_factory.mktemp("list") / "lexicon.txt"
    wordlist.write(path, WordList(tuple(words), np.array(list(words.values())) if weighted else None))
    found = wordlist.read(path)
    assert found.words == tuple(words)
    assert (found.weights.tolist() if found.weights is not None else None) == (
        list(words.values()) if weighted else None
    )


def test_weights_become_probabilities() -> None:
    model = WordList(("a", "b", "c"), np.array([5.0, 2.0, 1.0])).model
    # 5 + 2 + 1, and 1 each for <unk> and </s>.
    assert model is not None
    assert np.exp(model.score(["a", "b", "c", "z"])) == pytest.approx([0.5, 0.2, 0.1, 0.1, 0.1], rel=1e-3)


def test_the_spellable_part_keeps_its_weights() -> None:
    found = WordList(("ab", "axe", "b"), np.array([1.0, 2.0, 3.0]), ("-",)).spellable("ab ")
    assert (found.words, found.left_out) == (("ab", "b"), ("-", "axe"))
    assert found.weights is not None and found.weights.tolist() == [1, 3]
    with pytest.raises(LanguageModelError, match="none of the 1 words of the lexicon, such as 'axe', can be spelled"):
        WordList(("axe",)).spellable("ab ")


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("weights", [None, [5.0, 2.0, 1.0]])
def test_decoding_with_a_list_is_the_exhaustive_search(seed: int, weights: list[float] | None) -> None:
    # Unknown words stay possible at their price, as configured.
    symbols = ("a", "b", " ")
    words = WordList(("a", "ab", "bb"), np.array(weights) if weights else None)
    options = DecoderOptions(
        beam=4000, cut=-math.inf, width=math.inf, n_best=5, merge=False, alpha=0.7, beta=0.4, unknown=-2.0, threads=1
    )
    log_probs = oracles.random_log_probs(5, 4, seed)
    truth: dict[str, list[float]] = {}
    for labelling, log_prob in oracles.labellings(log_probs).items():
        spelled = "".join(symbols[label - 1] for label in labelling).split()
        price = sum(options.unknown + options.letter * len(word) for word in spelled if word not in words.words)
        model = options.alpha * float(words.model.score(spelled).sum()) if words.model else 0.0
        truth.setdefault(" ".join(spelled), []).append(log_prob + price + model + options.beta * len(spelled))
    best = sorted(((oracles.log_sum(scores), told) for told, scores in truth.items()), reverse=True)
    found = Decoder(symbols, options, words.model, lexicon=words.lexicon(symbols)).decode(log_probs)
    assert [one.text for one in found] == [told for _, told in best[: len(found)]]
    assert [one.score for one in found] == pytest.approx([score for score, _ in best[: len(found)]], abs=1e-4)


def test_a_hundred_thousand_words_are_read_and_spelled_quickly(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    letters = [*"abcdefghijklmnopqrstuvwxyz"]
    lengths = np.clip(rng.poisson(8, 130_000), 2, 20)
    drawn = "".join(np.array(letters)[rng.integers(0, 26, lengths.sum())].tolist())
    ends = np.cumsum(lengths).tolist()
    words = list(dict.fromkeys(drawn[end - n : end] for end, n in zip(ends, lengths.tolist(), strict=True)))[:100_000]
    path = tmp_path / "lexicon.txt"
    wordlist.write(path, WordList(tuple(words), np.arange(1.0, 100_001.0)))
    started = time.process_time()
    found = wordlist.read(path)
    lexicon, model = found.lexicon([*letters, " "]), found.model
    assert time.process_time() - started < 1.5
    assert lexicon.words == tuple(words) and model is not None and model.order == 1
    assert found.lexicon([*letters, " "]) is lexicon
    assert sum(array.nbytes for array in lexicon.trie) < 15e6
