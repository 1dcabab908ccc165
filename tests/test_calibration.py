"""Confidences that mean something: the curve against its definition, the fit against words of known chances."""

import json
from dataclasses import asdict, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recog import config
from recog.ctc.calibration import Calibration, evidence, expit, fit, logit, pooled
from recog.ctc.hypothesis import Hypothesis, Span, Word
from recog.errors import ConfigError


def words_of_known_chances(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Evidence, chances and outcomes: posteriors twice as sure (in log-odds) as they should be, and too high."""
    random = np.random.default_rng(seed)
    odds = random.normal(2.0, 2.0, count)
    found = np.column_stack(
        [odds, random.normal(0, 1, count), random.normal(0, 1, count), np.ones(count), np.ones(count)]
    )
    chances = expit(0.5 * odds - 1.0)
    return found, chances, random.random(count) < chances


def test_overconfidence_is_taken_back() -> None:
    found, chances, right = words_of_known_chances(20_000)
    calibrated = fit(found, right).confidences(found)
    assert np.abs(calibrated - chances).mean() < 0.02
    assert np.abs(expit(found[:, 0]) - chances).mean() > 0.2  # as they came
    # On words it has not seen, in ten equal parts: as often right as it says.
    found, _, right = words_of_known_chances(20_000, seed=1)
    calibrated = fit(*words_of_known_chances(20_000)[::2]).confidences(found)
    for part in np.array_split(np.argsort(calibrated), 10):
        assert right[part].mean() == pytest.approx(calibrated[part].mean(), abs=0.03)


def test_a_bend_that_no_line_can_follow_is_followed_by_the_curve() -> None:
    random = np.random.default_rng(2)
    odds = random.uniform(-3, 3, 20_000)
    chances = np.where(odds < 0, 0.2, 0.7)  # a step
    found = np.column_stack([odds, np.zeros((20_000, 4))])
    calibrated = fit(found, random.random(20_000) < chances).confidences(found)
    assert np.abs(calibrated - chances)[np.abs(odds) > 0.5].mean() < 0.05


def test_surer_words_stay_surer() -> None:
    found, _, right = words_of_known_chances(500)
    calibration = fit(found, right)
    ordered = np.tile(found.mean(axis=0), (200, 1))
    ordered[:, 0] = np.linspace(-9, 9, 200)
    assert calibration.weights[0] > 0
    assert (np.diff(calibration.confidences(ordered)) >= 0).all()


@settings(max_examples=40)
@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0.5, 9)), min_size=1, max_size=8))
def test_pooling_is_the_best_never_falling_sequence(pairs: list[tuple[float, float]]) -> None:
    values, weights = np.array(pairs).T
    # The oracle: max over beginnings of min over ends of the mean between (Robertson, Wright & Dykstra 1988).
    expected = [
        max(
            min(np.average(values[j : k + 1], weights=weights[j : k + 1]) for k in range(i, len(values)))
            for j in range(i + 1)
        )
        for i in range(len(values))
    ]
    assert pooled(values, weights) == pytest.approx(np.array(expected), abs=1e-9)


def test_the_same_words_give_the_same_numbers_and_they_survive_json() -> None:
    found, _, right = words_of_known_chances(300)
    calibration = fit(found, right)
    assert fit(found, right) == calibration
    assert config.build(Calibration, json.loads(json.dumps(asdict(calibration))), "x") == calibration


@pytest.mark.parametrize("right", [True, False])
def test_words_that_are_all_right_or_all_wrong_can_be_fitted(right: bool) -> None:
    found, _, _ = words_of_known_chances(200)
    calibrated = fit(found, np.full(200, right)).confidences(found)
    assert np.isfinite(calibrated).all()
    assert abs(calibrated.mean() - float(right)) < 0.05


def test_evidence_and_application() -> None:
    spans = (Span(0, 1, 0.9), Span(2, 3, 0.4), Span(4, 5, 1.0), Span(6, 7, 0.8))
    words = (Word("ab", 0, 2, 0.6), Word("c", 3, 4, 1.0, known=False))
    hypothesis = Hypothesis((2, 3, 1, 4), spans, -1.0, words)
    # "ab": posterior 0.6, least 0.4, mean sqrt(0.9 * 0.4) = 0.6, two letters, known
    assert evidence(hypothesis)[0] == pytest.approx([np.log(1.5), np.log(2 / 3), np.log(1.5), np.log(2), 1.0])
    assert evidence(hypothesis)[1] == pytest.approx([np.log(9999), np.log(4), np.log(4), 0.0, 0.0])
    only_posterior = Calibration((1.0, 0.0, 0.0, 0.0, 0.0), 0.0, (-20.0, 20.0), (-10.0, 10.0))
    found = only_posterior.apply(hypothesis)
    # log-odds halved: 1.5 ** 0.5 to 1
    assert found.words[0].confidence == pytest.approx(1.5**0.5 / (1 + 1.5**0.5))
    assert replace(found, words=words) == hypothesis
    assert only_posterior.apply(replace(hypothesis, words=())).words == ()


def test_log_odds_and_back() -> None:
    chances = np.array([0.001, 0.3, 0.999])
    assert expit(logit(chances)) == pytest.approx(chances)
    assert expit(np.array([-1e6, 1e6])).tolist() == [0.0, 1.0]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"weights": (1.0,)}, "5 weights"),
        ({"sums": (0.0,)}, "1 sums and 2 log-odds"),
        ({"sums": (), "log_odds": ()}, "0 sums"),
        ({"sums": (1.0, 0.0)}, "must rise"),
        ({"log_odds": (1.0, 0.0)}, "must rise"),
    ],
)
def test_broken_calibrations_are_refused(changes: dict[str, tuple[float, ...]], sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        replace(Calibration((1.0,) * 5, 0.0, (0.0, 1.0), (0.0, 1.0)), **changes)


def test_too_few_words_are_refused() -> None:
    with pytest.raises(ConfigError, match="99 recognised words are too few"):
        fit(np.zeros((99, 5)), np.ones(99, bool))
