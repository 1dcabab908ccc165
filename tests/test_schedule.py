"""Learning rates against PyTorch's own schedulers and against values that can be read off."""

from pathlib import Path

import pytest
import torch
from torch.optim.lr_scheduler import CosineAnnealingLR, OneCycleLR, ReduceLROnPlateau

from recog.models.average import Average
from recog.training.schedule import progress, rate
from recog.training.settings import FitConfig
from recog.training.state import TrainState


def optimiser(rate: float) -> torch.optim.Optimizer:
    return torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], rate)


def new_state() -> TrainState:
    network = torch.nn.Linear(1, 1)
    return TrainState(Path("state.safetensors"), network, optimiser(0.1), Average(network, 0.9))


@pytest.mark.parametrize(
    ("epochs", "minutes", "done"), [(0, 0, 0), (5, 0, 0.5), (5, 6, 0.6), (5, 2, 0.5), (10, 0, 1), (3, 99, 1)]
)
def test_progress_is_by_epochs_or_the_clock(epochs: float, minutes: float, done: float) -> None:
    assert progress(epochs, minutes, FitConfig(epochs=10, minutes=10)) == pytest.approx(done)
    assert progress(epochs, minutes, FitConfig(epochs=10)) == pytest.approx(epochs / 10)


def test_the_rate_warms_up_stays_and_falls() -> None:
    config = FitConfig(peak_rate=1.0, warmup_steps=10, flat=0.4)
    assert [rate(0.0, updates, config) for updates in (0, 4, 9, 10)] == pytest.approx([0.1, 0.5, 1, 1])
    assert rate(0.4, 100, config) == pytest.approx(1)
    assert rate(0.7, 100, config) == pytest.approx(0.01 + 0.99 / 2)  # half a cosine down
    assert rate(1.0, 100, config) == pytest.approx(0.01)
    assert rate(1.0, 0, FitConfig(peak_rate=1.0, warmup_steps=0, flat=1.0)) == pytest.approx(1)


def test_cosine_is_pytorchs() -> None:
    one = optimiser(0.5)
    theirs = CosineAnnealingLR(one, 40, eta_min=0.005)
    config = FitConfig(peak_rate=0.5, schedule="cosine", warmup_steps=0)
    for number in range(40):
        assert rate(number / 40, number, config) == pytest.approx(one.param_groups[0]["lr"], rel=1e-9)
        one.step()
        theirs.step()


def test_one_cycle_is_pytorchs() -> None:
    one = optimiser(0.5)
    # Theirs places the peak at 0.3 * 41 - 1 and the end at step 40 of 41.
    theirs = OneCycleLR(one, 0.5, total_steps=41, pct_start=0.3, cycle_momentum=False)
    config = FitConfig(peak_rate=0.5, schedule="one-cycle", flat=(0.3 * 41 - 1) / 40, warmup_steps=500)
    for number in range(41):
        assert rate(number / 40, number, config) == pytest.approx(one.param_groups[0]["lr"], rel=1e-9)
        if number < 40:
            one.step()
            theirs.step()


@pytest.mark.parametrize("patience", [1, 2, 3])
def test_plateau_cuts_where_pytorchs_does(patience: int) -> None:
    one = optimiser(0.5)
    theirs = ReduceLROnPlateau(one, factor=0.5, patience=patience - 1, threshold=0)
    config = FitConfig(peak_rate=0.5, schedule="plateau", plateau_epochs=patience, warmup_steps=0)
    state = new_state()
    for cer in (0.9, 0.8, 0.85, 0.8, 0.79, 0.8, 0.8, 0.8, 0.8, 0.8, 0.8, 0.7, 0.71, 0.72, 0.73):
        state.judge(cer, patience)
        theirs.step(cer)
        assert rate(0.5, 1000, config, state.cuts) == pytest.approx(one.param_groups[0]["lr"]), cer


def test_only_a_better_score_counts_as_the_best() -> None:
    state = new_state()
    assert [state.judge(cer, 2) for cer in (0.5, 0.5, 0.4, 0.6)] == [True, False, True, False]
    assert (state.best_cer, state.stale) == (0.4, 1)
