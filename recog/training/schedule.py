"""How far a run is, and the learning rate there: functions of the position alone, so that a resumed run needs no memory."""

import math

from recog.training.settings import FitConfig


def progress(epochs: float, minutes: float, config: FitConfig) -> float:
    """Share of the run that is done, 0 to 1: by epochs, or by the clock where it is set and ahead."""
    by_clock = minutes / config.minutes if config.minutes else 0.0
    return min(1.0, max(epochs / config.epochs, by_clock))


def rate(done: float, updates: int, config: FitConfig, cuts: int = 0) -> float:
    """The learning rate at share `done` of the run, before update number `updates` (from 0).

    flat-cosine  linear warm-up, the peak for the share `flat`, then half a cosine down to 1 % of it
    cosine       the same without the flat part (Loshchilov & Hutter 2017)
    one-cycle    half a cosine up from 1/25 of the peak during the share `flat`, then one down to 1e-4 of that start
                 (Smith & Topin 2018); no other warm-up
    plateau      linear warm-up, the peak, times `plateau_factor` for each of the `cuts` that dev epochs without gain have made
    """
    warm = min(1.0, (updates + 1) / max(1, config.warmup_steps))
    if config.schedule == "one-cycle":
        return config.peak_rate * _one_cycle(done, config.flat)
    if config.schedule == "plateau":
        return config.peak_rate * warm * config.plateau_factor**cuts
    flat = config.flat if config.schedule == "flat-cosine" else 0.0
    return config.peak_rate * warm * _cosine(1.0, 0.01, (done - flat) / max(1e-9, 1 - flat))


def _one_cycle(done: float, rise: float) -> float:
    start, end = 1 / 25, 1 / 25 * 1e-4
    if done < rise:
        return _cosine(start, 1.0, done / rise)
    return _cosine(1.0, end, (done - rise) / max(1e-9, 1 - rise))


def _cosine(start: float, end: float, share: float) -> float:
    """Half a cosine from `start` at share 0 to `end` at share 1, level outside."""
    return end + (start - end) * 0.5 * (1 + math.cos(math.pi * min(1.0, max(0.0, share))))
