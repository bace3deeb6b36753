"""Lives cut into periods."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from stability_sweep.analysis.periods import Lives, Periods


@pytest.mark.parametrize("longest", [1, 2, 3, 10, 150, 100_000])
def test_periods_follow_each_other_up_to_the_longest_horizon(longest: int) -> None:
    periods = Periods.until(longest)
    assert periods.longest == longest
    assert list(periods.ends) == sorted(set(periods.ends))
    assert periods.coordinates[-1] == pytest.approx(1.0)


def test_a_trial_goes_through_every_period_until_it_ends() -> None:
    periods = Periods((2, 10, 50))
    lives = Lives(np.array([1.0, 10.0, 50.0]), np.array([True, True, False]))
    where, counts = lives.rows(np.array([[0.1], [0.2], [0.3]]), periods)
    rows = sorted(
        (x, round(period, 3), diverged, total) for (x, period), (diverged, total) in zip(where, counts, strict=True)
    )
    first, second, third = np.round(periods.coordinates, 3)
    assert rows == [
        (0.1, first, 1.0, 1.0),
        (0.2, first, 0.0, 1.0),
        (0.2, second, 1.0, 1.0),
        (0.3, first, 0.0, 1.0),
        (0.3, second, 0.0, 1.0),
        (0.3, third, 0.0, 1.0),
    ]


def test_a_trial_that_is_cut_off_within_a_period_counts_by_its_share_of_it() -> None:
    periods = Periods((1, 100))
    _, counts = Lives(np.array([10.0]), np.array([False])).rows(np.array([[0.5]]), periods)
    assert counts[:, 1].tolist() == pytest.approx([1.0, 0.5])


def test_periods_beyond_the_longest_go_on_to_the_steps_that_are_asked() -> None:
    periods = Periods.until(150).beyond(1000)
    assert periods.ends[: len(Periods.until(150).ends)] == Periods.until(150).ends
    assert periods.longest == 1000


def test_without_steps_a_life_has_one() -> None:
    lives = Lives.of(pd.DataFrame({"outcome": ["stable", "diverged", "stalled"]}))
    assert lives.steps.tolist() == [1.0, 1.0, 1.0]
    assert lives.diverged.tolist() == [False, True, False]
