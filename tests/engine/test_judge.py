"""Spikes: explosions that came back."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from stability_sweep.engine.spikes import SpikeRule, SpikeWatch, find_spikes

SPIKE_WINDOW_STEPS = SpikeRule().window_steps


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


@pytest.mark.parametrize("seed", range(5))
def test_a_watch_sees_spikes_begin_where_they_are_found_afterwards(seed: int) -> None:
    generator = np.random.default_rng(seed)
    losses = quiet(seed=seed)
    starts = np.sort(generator.choice(np.arange(30, 190, 8), size=4, replace=False))
    for start in starts:
        losses[start : start + generator.integers(1, 5)] += generator.uniform(200, 1e5)
    watch = SpikeWatch(SpikeRule())
    seen = [step for step, loss in enumerate(losses) if watch.begins(float(loss))]
    assert seen == starts.tolist()
    assert find_spikes(losses).count == len(starts)


def test_a_watch_that_forgets_needs_a_whole_window_again() -> None:
    watch = SpikeWatch(SpikeRule(window_steps=3, sigmas=2.0))
    assert [watch.begins(loss) for loss in (1.0, 1.0, 1.0, 9.0, 9.0, 1.0, 9.0)] == [False] * 3 + [True] + [False] * 3
    watch.forget()
    assert [watch.begins(loss) for loss in (1.0, 1.0, 9.0, 1.0, 9.0)] == [False] * 4 + [True]
