"""Generators of tasks: what they draw is what an enumeration, a regular expression or a slow reading says."""

import itertools
import re

import numpy as np
import pytest

from recog.errors import ConfigError, InputError
from recog.tasks import adding, counting, lags, maze, order, reber, sequences, sines, timing

# The inner grammar as a regular expression, read off Reber's diagram by hand.
INNER = "B(?:(?:TS*X|PT*VP)(?:XT*VP)*(?:S|XT*VV)|PT*VV)E"
EMBEDDED = re.compile(f"BT{INNER}TE|BP{INNER}PE")


def test_reber_accepts_what_an_enumeration_says() -> None:
    found = {"".join(text) for text in itertools.product("TPSXVE", repeat=3)}
    texts = [f"B{outer}B{middle}E{last}E" for outer in "TP" for last in "TP" for middle in found]
    texts += [f"B{outer}B{middle}{more}E{outer}E" for outer in "TP" for middle in found for more in "SXVPT"]
    accepted = {text for text in texts if reber.accepts(text)}
    assert accepted == {text for text in texts if EMBEDDED.fullmatch(text)}
    assert len(accepted) == 2 * (2 + 3)  # TXS, PVV; TSXS, PTVV, PVPS; each with T and with P around


def test_reber_draws_from_the_whole_grammar_and_nothing_else() -> None:
    rng = np.random.default_rng(0)
    texts = [reber.embedded(rng) for _ in range(500)]
    assert all(EMBEDDED.fullmatch(text) for text in texts)
    assert {text[1] for text in texts} == {"T", "P"}
    steps = {text[number : number + 2] for text in texts for number in range(2, len(text) - 3)}
    assert steps == {
        "BT",
        "BP",
        "TS",
        "TX",
        "SS",
        "SX",
        "PT",
        "PV",
        "XX",
        "XT",
        "XS",
        "XV",
        "TT",
        "TV",
        "VP",
        "VV",
        "PX",
        "PS",
        "SE",
        "VE",
    }


def test_reber_refuses_and_tells_where() -> None:
    with pytest.raises(InputError, match=r"symbol 3 .* is 'T'; the grammar has B there"):
        reber.legal("BTT")
    for text in ("", "B", "BTBPVVEPE", "BTBPVVETEB", "BTBPVVET"):
        assert not reber.accepts(text)


def test_legal_symbols_are_those_some_string_goes_on_with() -> None:
    rng = np.random.default_rng(1)
    text = reber.embedded(rng)
    for step, legal in enumerate(reber.legal(text)[:-1]):
        tried = set()
        for symbol in reber.SYMBOLS:
            try:
                reber.legal(text[: step + 1] + symbol)
                tried.add(symbol)
            except InputError:
                pass
        assert set(legal) == tried


def test_the_inner_grammar_alone_has_rules_of_its_own() -> None:
    assert reber.legal_inner("BTXSE") == ["TP", "SX", "XS", "E", ""]  # Reber 1967: B, T or P; after T: S or X; ...
    lessons = reber.encode(["BTXSE"], reber.legal_inner)
    assert lessons.targets[0, 0, 7:].tolist() == [0, 1, 1, 0, 0, 0, 0]
    with pytest.raises(InputError, match=r"symbol 6 of 'BTXSEB' is 'B'; the grammar has nothing there"):
        reber.legal_inner("BTXSEB")


def test_reber_lessons_ask_for_the_next_symbol() -> None:
    texts = ["BTBPVVETE", "BPBTSXSEPE"]
    lessons = reber.encode(texts)
    assert lessons.lengths.tolist() == [8, 9]
    for row, text in enumerate(texts):
        steps = len(text) - 1
        assert "".join(reber.SYMBOLS[k] for k in lessons.inputs[row, :steps].argmax(1)) == text[:-1]
        assert "".join(reber.SYMBOLS[k] for k in lessons.targets[row, :steps, :7].argmax(1)) == text[1:]
        assert not lessons.asked[row, steps:].any()
    assert lessons.targets[0, 1, 7:].tolist() == [1, 0, 0, 0, 0, 0, 0]  # after BT: B
    assert lessons.targets[0, 2, 7:].tolist() == [0, 1, 1, 0, 0, 0, 0]  # after BTB: T or P
    answers = lessons.targets[..., 7:] - 0.5
    assert reber.lawful(answers, lessons).all()
    answers[0, 2] = [0, 1, -1, 0, 0, 0, 0]
    assert reber.lawful(answers, lessons).sum() == lessons.asked.size - 1


def test_a_stream_goes_on_over_its_chunks() -> None:
    chunks = reber.stream(np.random.default_rng(3), chunks=7, steps=11)
    symbols = chunks.inputs.argmax(2).reshape(-1)
    text = "".join(reber.SYMBOLS[k] for k in symbols)
    reber.legal(text)
    assert (chunks.targets[..., :7].argmax(2).reshape(-1)[:-1] == symbols[1:]).all()


def test_lags_ask_at_the_end_for_what_came_second() -> None:
    batch = lags.distracted(np.random.default_rng(0), 50, lag=20, distractors=3)
    for row, steps in enumerate(batch.lengths):
        symbols = batch.inputs[row, :steps].argmax(1)
        assert steps >= 23
        assert symbols[0] == 3 and symbols[-1] == 4 and symbols[1] in (5, 6)
        assert set(symbols[2:-1]) <= {0, 1, 2}
        assert (batch.inputs[row, :steps].sum(1) == 1).all() and not batch.inputs[row, steps:].any()
        assert batch.asked[row].nonzero()[0].tolist() == [steps - 1]
        assert batch.targets[row, steps - 1].argmax() == symbols[1] - 5
    assert {int(first) for first in batch.inputs[:, 1].argmax(1)} == {5, 6}
    # e comes with a chance of 1/10 a step: 23 + 9 steps on average.
    many = lags.distracted(np.random.default_rng(0), 4000, lag=20, distractors=3)
    assert abs(many.lengths.mean() - 32) < 0.6


@pytest.mark.parametrize("noisy", [False, True])
def test_two_classes_are_told_by_the_head_alone(noisy: bool) -> None:
    batch = lags.two_classes(np.random.default_rng(0), 200, lag=30, informative=3, noisy=noisy)
    label = batch.targets[np.arange(200), batch.lengths - 1, 0]
    head = batch.inputs[:, :3, 0]
    if noisy:
        assert ((head.mean(1) > 0) == label).mean() > 0.98
    else:
        assert (head == np.where(label == 1, 1, -1)[:, None]).all()
    tail = np.concatenate([batch.inputs[row, 3:steps, 0] for row, steps in enumerate(batch.lengths)])
    assert abs(tail.var() - 0.2) < 0.02 and abs(tail.mean()) < 0.02
    assert batch.lengths.min() == 30 and batch.lengths.max() == 33


def test_blurred_targets_are_those_of_the_classes_with_noise() -> None:
    clean, blurred = (lags.two_classes(np.random.default_rng(0), 4000, 30, 3, blur=blur) for blur in (0.0, 0.1))
    wanted, noisy = (one.targets[np.arange(4000), one.lengths - 1, 0] for one in (clean, blurred))
    assert np.array_equal(wanted, np.where(clean.inputs[:, 0, 0] > 0, np.float32(0.8), np.float32(0.2)))
    assert abs((noisy - wanted).var() - 0.1) < 0.01 and abs((noisy - wanted).mean()) < 0.02


@pytest.mark.parametrize("product", [False, True])
def test_marked_numbers_answer_by_a_slow_reading(product: bool) -> None:
    batch = adding.marked_pairs(np.random.default_rng(0), 200, 50, product)
    for row, steps in enumerate(batch.lengths):
        numbers, marks = batch.inputs[row, :steps].T
        marked = [k for k in range(steps) if marks[k] == 1]
        assert len(marked) == 2 and marked[0] < 10 <= marked[1] < 25
        assert marks[-1] == -1 and (marks[0] == -1 or marked[0] == 0)
        if marked[0] == 0:
            assert numbers[0] == 0
        one, two = (float(numbers[k]) for k in marked)
        wanted = one * two if product else 0.5 + (one + two) / 4
        assert batch.targets[row, steps - 1, 0] == pytest.approx(wanted, abs=1e-6)
        assert batch.asked[row].nonzero()[0].tolist() == [steps - 1]
        assert 50 <= steps <= 55


@pytest.mark.parametrize("telling", [2, 3])
def test_order_is_read_off_the_line(telling: int) -> None:
    batch = order.ordered(np.random.default_rng(0), 200, telling)
    for row, steps in enumerate(batch.lengths):
        text = "".join(order.SYMBOLS[k] for k in batch.inputs[row, :steps].argmax(1))
        assert re.fullmatch("E[abcdXY]*B", text) and 100 <= steps <= 110
        told = [(place, symbol) for place, symbol in enumerate(text) if symbol in "XY"]
        assert all(low <= place <= high for (place, _), (low, high) in zip(told, order.PLACES[telling], strict=True))
        digits = "".join("01"["XY".index(symbol)] for _, symbol in told)
        assert batch.targets[row, steps - 1].argmax() == int(digits, 2)
    assert len({int(k) for k in batch.targets[np.arange(200), batch.lengths - 1].argmax(1)}) == 2**telling


@pytest.mark.parametrize("letters", [2, 3])
def test_words_allow_what_the_language_allows(letters: int) -> None:
    # Oracle: the set of all words, of which each beginning may go on as some word does.
    language = ["S" + "".join(letter * n for letter in "abc"[:letters]) + "T" for n in range(1, 9)]
    batch = counting.words([1, 2, 3, 4], letters)
    symbols = "abc"[:letters]
    for row, n in enumerate((1, 2, 3, 4)):
        word = language[n - 1]
        assert batch.lengths[row] == len(word) - 1
        for step in range(len(word) - 1):
            code = int(batch.inputs[row, step].argmax())
            assert (symbols + "S")[code] == word[step]
            follows = {other[step + 1] for other in language if other.startswith(word[: step + 1])}
            told = {(symbols + "T")[k] for k in batch.targets[row, step].nonzero()[0]}
            assert told == follows


def test_intervals_are_measured_by_counting() -> None:
    batch = timing.measured(np.random.default_rng(0), 50, interval=7, spikes=4)
    for row, steps in enumerate(batch.lengths):
        spikes = batch.inputs[row, :, 0].nonzero()[0]
        assert spikes[0] == 0 and spikes[-1] == steps - 1 and len(spikes) == 5
        assert batch.asked[row].nonzero()[0].tolist() == spikes[1:].tolist()
        assert batch.targets[row, spikes[1:], 0].tolist() == [float(gap == 8) for gap in np.diff(spikes)]
        assert set(np.diff(spikes)) <= {7, 8}


def test_made_spikes_come_every_so_many_steps() -> None:
    line = timing.generated(4, 3)
    assert line.inputs[0, :, 0].tolist() == [1] + [0] * 11
    assert line.targets[0, :, 0].tolist() == [0, 0, 0, 1] * 3


def test_sines_solve_their_difference_equation() -> None:
    # s(t + 1) + s(t - 1) = 2 cos(w) s(t) for one sine; the sum is linear.
    one, two = sines.superimposed(1, 50), sines.superimposed(2, 50)
    np.testing.assert_allclose(one[2:] + one[:-2], 2 * np.cos(0.2) * one[1:-1], atol=1e-12)
    rest = two - one
    np.testing.assert_allclose(rest[2:] + rest[:-2], 2 * np.cos(0.311) * rest[1:-1], atol=1e-12)


def test_a_maze_is_walked_as_by_hand() -> None:
    mazes = maze.Mazes(np.random.default_rng(0), 40, length=2)
    up = mazes.goal_up.copy()
    assert (mazes.seen() == np.where(up[:, None], maze.GOAL_UP, maze.GOAL_DOWN)).all()
    assert mazes.act(np.full(40, maze.UP)).rewards.tolist() == [maze.MISSED] * 40  # a wall
    assert mazes.act(np.full(40, maze.BACK)).rewards.tolist() == [maze.MISSED] * 40  # behind the start
    assert mazes.act(np.full(40, maze.AHEAD)).rewards.tolist() == [0.0] * 40
    assert (mazes.seen() == maze.CORRIDOR).all()
    mazes.act(np.full(40, maze.AHEAD))
    assert (mazes.seen() == maze.JUNCTION).all()
    assert mazes.act(np.full(40, maze.AHEAD)).rewards.tolist() == [maze.MISSED] * 40
    turned = mazes.act(np.where(np.arange(40) < 20, maze.UP, maze.DOWN))
    right = up == (np.arange(40) < 20)
    assert turned.ended.all() and mazes.ended.all()
    assert (turned.rewards == np.where(right, maze.REACHED, maze.MISSED)).all()
    assert (mazes.act(np.full(40, maze.UP)).rewards == 0).all()


def test_chosen_rows_are_cut_to_their_longest() -> None:
    rows = [
        (np.full((n, 1), n, np.float32), np.full((n, 1), -n, np.float32), np.ones(n, np.float32)) for n in (2, 5, 3)
    ]
    batch = sequences.stack(rows).take(np.array([2, 0, 2]))
    assert batch.lengths.tolist() == [3, 2, 3] and batch.inputs.shape == (3, 3, 1)
    assert batch.inputs[1, :, 0].tolist() == [2, 2, 0] and batch.asked[1].tolist() == [1, 1, 0]


@pytest.mark.parametrize(
    "call",
    [
        lambda rng: lags.distracted(rng, 1, 1, 1),
        lambda rng: adding.marked_pairs(rng, 1, 10),
        lambda rng: order.ordered(rng, 1, 4),
        lambda rng: counting.words([0], 2),
        lambda rng: counting.words([1], 4),
        lambda rng: timing.measured(rng, 1, 1, 1),
        lambda rng: sines.superimposed(6, 10),
        lambda rng: maze.Mazes(rng, 1, 0),
    ],
)
def test_senseless_sizes_are_refused(call) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ConfigError, match=r"give|there are|have"):
        call(np.random.default_rng(0))
