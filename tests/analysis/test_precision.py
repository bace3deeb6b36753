"""How well a study knows its 50% line, against simulated studies whose line is known."""

from __future__ import annotations

import pytest

from stability_sweep.analysis.precision import line_precision
from stability_sweep.analysis.speed_limit import speed_limits
from stability_sweep.analysis.surface import fit_surface
from tests.analysis.simulation import curved, definition, simulate, soft


def test_more_trials_give_a_narrower_band_at_its_widest_point() -> None:
    found = [line_precision(simulate(soft, trials, 0), definition().space) for trials in (64, 256, 1024)]
    decades = [precision.decades for precision in found if precision is not None]
    assert decades == sorted(decades, reverse=True)
    assert decades[0] > 2 * decades[-1]
    assert [precision.trials for precision in found if precision is not None] == [64, 256, 1024]


def test_the_figure_is_half_the_widest_band_of_the_line_over_batch_sizes_and_clipping() -> None:
    frame = simulate(curved, 256, 0)
    found = line_precision(frame, definition().space)
    surface = fit_surface(frame, definition().space)
    assert found is not None
    assert surface is not None
    lines = speed_limits(surface, definition().space, tolerance=0.5)
    widest = lines[(lines["batch_size"] == found.batch_size) & (lines["clip"] == found.clip)].iloc[0]
    low, high = max(widest["low"], 1e-6), min(widest["high"], 1e-1)
    assert 10 ** (2 * found.decades) == pytest.approx(high / low)
    assert len(lines) == len(lines["batch_size"].unique()) * len(lines["clip"].unique()) > 6


def test_the_truth_lies_within_the_band_that_is_told() -> None:
    """The line of `soft` at batch size 16 is at 0.55 of five decades above 1e-6."""
    for seed in range(3):
        frame = simulate(soft, 512, seed)
        surface = fit_surface(frame, definition().space)
        assert surface is not None
        lines = speed_limits(surface, definition().space, tolerance=0.5)
        lines = lines[lines["batch_size"] == 16]
        truth = 10 ** (-6 + 5 * 0.55)
        assert ((lines["low"] <= truth) & (truth <= lines["high"])).mean() >= 0.5


@pytest.mark.parametrize("trials", [0, 4])
def test_too_few_trials_say_nothing(trials: int) -> None:
    assert line_precision(simulate(soft, 8, 0).head(trials), definition().space) is None


@pytest.mark.parametrize("outcome", ["stable", "diverged"])
def test_a_study_of_one_outcome_does_not_claim_to_know_the_line(outcome: str) -> None:
    found = line_precision(simulate(soft, 24, 0).assign(outcome=outcome), definition().space)
    assert found is not None
    assert found.decades > 0.1
