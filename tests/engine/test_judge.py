"""Spikes: explosions that came back."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from stability_sweep.engine.judge import SPIKE_WINDOW_STEPS, find_spikes


def quiet(steps: int = 200, level: float = 100.0, seed: int = 0) -> NDArray[np.float64]:
    return level + np.random.default_rng(seed).standard_normal(steps)


def test_a_quiet_run_has_no_spikes_for_any_of_200_seeds() -> None:
    assert all(find_spikes(quiet(seed=seed)).count == 0 for seed in range(200))


@pytest.mark.parametrize("level", [100.0, -40.0, 0.0])
def test_spikes_are_counted_with_the_height_of_the_highest(level: float) -> None:
    losses = quiet(level=level)
    losses[60] = level + 1e6
    losses[100:104] = level + 500.0
    losses[150] = level + 900.0
    spikes = find_spikes(losses)
    assert spikes.count == 3
    assert spikes.height == pytest.approx(1e6, rel=1e-3)


def test_what_never_comes_back_is_no_spike() -> None:
    losses = quiet()
    losses[-3:] = 1e9
    assert find_spikes(losses).count == 0
    losses[-1] = math.nan
    assert find_spikes(losses).count == 0
    losses[-1] = math.inf
    assert find_spikes(losses).count == 0


def test_a_small_bump_in_a_very_quiet_run_is_no_spike() -> None:
    losses = np.full(200, 100.0)
    losses[80] = 120.0  # infinitely many standard deviations, but a fifth of the level
    assert find_spikes(losses).count == 0


def test_a_falling_loss_is_no_spike() -> None:
    assert find_spikes(1e6 * np.exp(-np.arange(300) / 20)).count == 0


def test_a_run_shorter_than_the_window_has_none() -> None:
    assert find_spikes(quiet(SPIKE_WINDOW_STEPS)).height is None
