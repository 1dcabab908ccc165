import importlib
import math
import sys
from collections.abc import Iterator
from types import ModuleType

import numpy as np
import oracles
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recog import compile as compiling
from recog.ctc.beam import BeamSearch, beam_search
from recog.ctc.greedy import greedy
from recog.errors import ConfigError, InputError

EVERYTHING = 5000


@st.composite
def small_matrices(draw: st.DrawFn) -> np.ndarray:
    steps, symbols = draw(st.integers(1, 6)), draw(st.integers(2, 4))
    return oracles.random_log_probs(steps, symbols, draw(st.integers(0, 10**6)), draw(st.sampled_from([0.0, 1.0, 6.0])))


def peaky(steps: int, symbols: int, seed: int) -> np.ndarray:
    """Mostly blank, with doubtful peaks, as a trained network has them."""
    rng = np.random.default_rng(seed)
    scores = rng.normal(0, 1, (steps, symbols))
    scores[:, 0] += 6
    for step in range(1, steps, 3):
        scores[step, rng.integers(1, symbols, 3)] += rng.normal(7, 1, 3)
    return (scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))).astype(np.float32)


@settings(max_examples=30, deadline=None)
@given(small_matrices())
def test_a_wide_beam_is_the_exhaustive_search(log_probs: np.ndarray) -> None:
    truth = oracles.labellings(log_probs)
    search = BeamSearch(log_probs.shape[1], EVERYTHING, -math.inf)
    search.feed(log_probs)
    found = search.best(EVERYTHING)
    assert {item.labels for item in found} == set(truth)
    for item in found:
        assert item.score == pytest.approx(truth[item.labels], abs=1e-5)
    assert [item.score for item in found] == sorted((item.score for item in found), reverse=True)


@settings(max_examples=30, deadline=None)
@given(small_matrices(), st.integers(1, 3))
def test_a_narrow_beam_never_says_more_than_the_truth(log_probs: np.ndarray, beam: int) -> None:
    found = beam_search(log_probs, beam)
    assert found.score <= oracles.labellings(log_probs)[found.labels] + 1e-5


@settings(max_examples=20, deadline=None)
@given(small_matrices(), st.floats(-50, 50))
def test_a_constant_before_the_softmax_changes_nothing(log_probs: np.ndarray, constant: float) -> None:
    scores = log_probs.astype(np.float64) + constant
    shifted = scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))
    one, two = beam_search(log_probs, 20), beam_search(shifted, 20)
    assert one.labels == two.labels
    assert one.score == pytest.approx(two.score, abs=1e-4)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6), st.lists(st.integers(0, 9), min_size=1, max_size=20), st.integers(1, 12))
def test_chunks_are_the_whole_bit_for_bit(seed: int, cuts: list[int], beam: int) -> None:
    log_probs = peaky(sum(cuts), 5, seed)
    whole, chunked = BeamSearch(5, beam), BeamSearch(5, beam)
    whole.feed(log_probs)
    for chunk in np.split(log_probs, np.cumsum(cuts)[:-1]):
        chunked.feed(chunk)
    assert whole.best(beam) == chunked.best(beam)


def test_a_search_outgrows_its_first_arrays_unchanged() -> None:
    log_probs = peaky(3000, 8, seed=1)
    search = BeamSearch(8, 40)
    search.feed(log_probs)
    first = len(BeamSearch(8, 40)._search.nodes)
    assert len(search._search.nodes) > first
    again = BeamSearch(8, 40)
    for chunk in np.split(log_probs, 30):
        again.feed(chunk)
    assert search.best(5) == again.best(5)


def test_long_recordings_do_not_underflow() -> None:
    # Every path has probability 2 ** -3000, far below the smallest float; the labelling () has one path.
    coins = np.full((3000, 2), math.log(0.5))
    nothing = BeamSearch(2, 1, math.log(0.6))
    nothing.feed(coins)
    assert nothing.best()[0].score == pytest.approx(-3000 * math.log(2), rel=1e-9)
    assert -3000 * math.log(2) < beam_search(coins, 3).score < 0.0


@pytest.mark.parametrize("seed", range(10))
def test_never_worse_than_the_best_path(seed: int) -> None:
    log_probs = peaky(60, 6, seed)
    truth = exact_score(log_probs, greedy(log_probs).labels)
    assert exact_score(log_probs, beam_search(log_probs, 50).labels) >= truth - 1e-9


@pytest.mark.parametrize("seed", range(10))
def test_scores_are_the_forward_probabilities(seed: int) -> None:
    log_probs = peaky(15, 4, seed)
    found = beam_search(log_probs, EVERYTHING, -math.inf)
    assert found.score == pytest.approx(exact_score(log_probs, found.labels), abs=1e-3)


def exact_score(log_probs: np.ndarray, labels: tuple[int, ...]) -> float:
    """Log-probability of a labelling by CTC's forward variable (Graves 2006, equations 5 to 8), the textbook's way."""
    states = [0]
    for label in labels:
        states += [label, 0]
    before = {0: 0.0}
    for step, frame in enumerate(log_probs.astype(np.float64)):
        now: dict[int, float] = {}
        for state in range(len(states)):
            sources = [state, state - 1]
            if state % 2 and state > 1 and states[state] != states[state - 2]:
                sources.append(state - 2)
            if step == 0:
                reached = [0.0] if state < 2 else []
            else:
                reached = [before[source] for source in sources if source in before]
            if reached:
                now[state] = oracles.log_sum(reached) + float(frame[states[state]])
        before = now
    return oracles.log_sum([before[state] for state in (len(states) - 1, len(states) - 2) if state in before])


def test_a_beam_of_one_keeps_one_prefix_not_one_path() -> None:
    # Graves' example in small: the best path is all blank (0.36), but "a" gathers 0.24 + 0.24 + 0.16.
    log_probs = np.log(np.array([[0.6, 0.4], [0.6, 0.4]], np.float32))
    assert greedy(log_probs).labels == ()
    found = beam_search(log_probs, 2)
    assert found.labels == (1,)
    assert math.exp(found.score) == pytest.approx(0.64)


def test_ties_leave_a_full_beam() -> None:
    search = BeamSearch(9, 4, -math.inf)
    search.feed(np.full((5, 9), math.log(1 / 9), np.float32))
    assert len(search.best(10)) == 4


def test_what_pruning_lost_is_what_the_beam_lacks_of_one() -> None:
    log_probs = peaky(12, 5, seed=3)
    wide, narrow = BeamSearch(5, EVERYTHING, -math.inf), BeamSearch(5, 5)
    for search in (wide, narrow):
        search.feed(log_probs)
    assert oracles.log_sum([item.score for item in narrow.best(5)]) < -1e-3
    # More labellings than the wide one holds could be spelled, but hardly any of them is likely.
    assert oracles.log_sum([item.score for item in wide.best(EVERYTHING)]) == pytest.approx(0.0, abs=0.01)


@pytest.mark.parametrize("width", [0.5, 3.0])
def test_the_width_drops_what_is_far_behind(width: float) -> None:
    search = BeamSearch(5, 500, -math.inf, width)
    search.feed(peaky(20, 5, seed=5))
    scores = [item.score for item in search.best(500)]
    assert scores[-1] >= scores[0] - width
    assert len(scores) < 500


def test_what_single_precision_cannot_hold_still_counts() -> None:
    # exp(-200) is 0 in single precision; the labellings () and (1,) have one path each.
    search = BeamSearch(2, 4, -math.inf)
    search.feed(np.array([[0.0, -200.0]], np.float32))
    assert [(item.labels, item.score) for item in search.best(4)] == [((), 0.0), ((1,), pytest.approx(-200.0))]


def test_no_frames_spell_nothing() -> None:
    found = beam_search(np.zeros((0, 3), np.float32), 4)
    assert (found.labels, found.spans, found.score) == ((), (), 0.0)


@pytest.fixture
def without_numba(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """`recog.ctc.beam` as it is where numba is not installed."""
    ours = {name: module for name, module in sys.modules.items() if name.split(".")[0] == "recog"}
    for name in ours:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "numba", None)
    yield importlib.import_module("recog.ctc.beam")
    for name in [name for name in sys.modules if name.split(".")[0] == "recog"]:
        del sys.modules[name]


@pytest.mark.parametrize("seed", range(3))
def test_the_same_without_numba(without_numba: ModuleType, seed: int) -> None:
    assert not sys.modules["recog.compile"].HAVE_NUMBA
    log_probs = peaky(40, 6, seed)
    slow = without_numba.BeamSearch(6, 20)
    slow.feed(log_probs)
    fast = BeamSearch(6, 20)
    fast.feed(log_probs)
    assert [(item.labels, item.score) for item in slow.best(20)] == [
        (item.labels, item.score) for item in fast.best(20)
    ]
    assert without_numba.beam_search(log_probs, 20).spans != ()


def test_compiled_where_numba_is() -> None:
    numba = pytest.importorskip("numba")
    assert isinstance(compiling.compiled(lambda x: x), numba.core.registry.CPUDispatcher)


def test_compiled_where_no_folder_can_be_written_to(monkeypatch: pytest.MonkeyPatch) -> None:
    # As in a container whose user owns nothing: numba finds no place for its cache and says so when it decorates.
    caching = pytest.importorskip("numba.core.caching")
    monkeypatch.setattr(caching.CacheImpl, "_locator_classes", [])
    assert compiling.compiled(lambda x: x + 1)(2) == 3
    assert compiling.inlined(lambda x: x + 1)(2) == 3


@pytest.mark.parametrize(
    ("matrix", "sentence"),
    [
        (np.zeros((4, 3)), r"row 0 .* sums to 3\.0000 instead of 1; apply log_softmax"),
        (np.full((4, 3), np.nan), "row 0 .* sums to nan"),
        (np.full((4, 2), 800.0), "row 0 .* sums to inf"),
        (np.zeros(3), r"shape \(T, S\)"),
        (np.zeros((4, 1)), "shape"),
    ],
)
def test_anything_but_log_probabilities_is_refused(matrix: np.ndarray, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        beam_search(matrix, 4)


def test_a_chunk_of_another_alphabet_is_refused() -> None:
    search = BeamSearch(5, 4)
    with pytest.raises(InputError, match=r"with S = 5, got \(3, 4\)"):
        search.feed(oracles.random_log_probs(3, 4, seed=0))


@pytest.mark.parametrize("settings_", [{"beam": 0}, {"beam": 3, "cut": 0.0}, {"beam": 3, "width": 0.0}])
def test_settings_that_find_nothing_are_refused(settings_: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="beam >= 1, cut < 0 and width > 0"):
        BeamSearch(5, **settings_)
