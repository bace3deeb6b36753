"""The surface against simulated studies whose truth is known."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from stability_sweep.analysis.calibration import cross_validation
from stability_sweep.analysis.surface import fit_surface, unseen_forecasts
from stability_sweep.analysis.timing import MOST_CELLS
from stability_sweep.space.encoding import Encoding
from stability_sweep.typing import Array
from tests.analysis.simulation import TRUTHS, curved, definition, simulate, soft
from tests.conftest import make_definition

SEEDS = range(4)


@pytest.mark.parametrize("shape", TRUTHS)
def test_the_surface_is_near_the_truth_and_its_band_covers_it(shape: str) -> None:
    """The issue's limits; `benchmarks/surface.py` does the same with 20 seeds."""
    points = simulate(TRUTHS[shape], 512, seed=9999)
    errors, covered = [], []
    for seed in SEEDS:
        surface = fit_surface(simulate(TRUTHS[shape], 200, seed), definition().space)
        assert surface is not None
        found = surface.predict(points)
        errors.append((found["probability"] - points["truth"]).abs().median())
        covered.append(((points["truth"] >= found["low"]) & (points["truth"] <= found["high"])).mean())
    assert np.median(errors) <= 0.08
    assert np.mean(covered) >= 0.80


def test_ten_thousand_trials_are_pooled_and_come_nearer_to_the_truth() -> None:
    points = simulate(soft, 512, seed=9999)
    surface = fit_surface(simulate(soft, 10_000, 0), definition().space)
    assert surface is not None
    assert surface.trials == 10_000
    assert len(surface.cells.trials) <= MOST_CELLS
    assert surface.cells.spread < 0.1
    assert (surface.predict(points)["probability"] - points["truth"]).abs().median() < 0.02


def test_the_order_of_the_trials_is_irrelevant() -> None:
    frame, points = simulate(soft, 100, 0), simulate(soft, 64, 1)
    one = fit_surface(frame, definition().space)
    other = fit_surface(frame.sample(frac=1, random_state=5), definition().space)
    assert one is not None
    assert other is not None
    assert one.predict(points).to_numpy() == pytest.approx(other.predict(points).to_numpy(), abs=1e-3)


@pytest.mark.parametrize("outcome", ["stable", "diverged"])
def test_one_outcome_only_gives_a_surface_on_that_side_with_a_band(outcome: str) -> None:
    surface = fit_surface(simulate(soft, 30, 0).assign(outcome=outcome), definition().space)
    assert surface is not None
    found = surface.predict(simulate(soft, 64, 1))
    of_outcome = found["probability"] if outcome == "diverged" else 1 - found["probability"]
    assert of_outcome.min() > 0.5
    assert of_outcome.mean() > 0.8
    assert (found["high"] - found["low"]).min() > 0.005


def test_far_from_all_trials_the_band_is_wide() -> None:
    frame, points = simulate(curved, 400, 0), simulate(curved, 256, 1)
    surface = fit_surface(frame[frame["learning_rate"] < 1e-4], definition().space)
    assert surface is not None
    found = surface.predict(points)
    width = found["high"] - found["low"]
    assert width[points["learning_rate"] > 3e-2].median() > 3 * width[points["learning_rate"] < 1e-4].median()


@pytest.mark.parametrize("trials", [0, 1, 4])
def test_too_few_trials_give_no_surface(trials: int) -> None:
    assert fit_surface(simulate(soft, 8, 0).head(trials), definition().space) is None


def test_nothing_searched_gives_no_surface() -> None:
    fixed = make_definition(search_space={"learning_rate": 1e-3, "batch_size": 16, "clip_norm": "off"})
    assert fit_surface(simulate(soft, 50, 0), fixed.space) is None


def test_cross_validation_beats_the_base_rate_where_there_is_something_to_know() -> None:
    frame = simulate(soft, 200, 0)
    surface = fit_surface(frame, definition().space)
    assert surface is not None
    table = cross_validation(unseen_forecasts(frame, surface))
    assert list(table["score"]) == ["log loss", "Brier score"]
    assert (table["model"] < 0.6 * table["base_rate"]).all()


def test_cross_validation_does_not_beat_the_base_rate_where_outcomes_are_noise() -> None:
    """Over 5 seeds, since a fold may be lucky."""
    ratios = []
    for seed in range(5):
        frame = simulate(lambda unit: np.full(len(unit), 0.5), 100, seed)
        surface = fit_surface(frame, definition().space)
        assert surface is not None
        row = cross_validation(unseen_forecasts(frame, surface)).iloc[0]
        ratios.append(row["model"] / row["base_rate"])
    assert np.median(ratios) > 0.9


def test_off_has_a_coordinate_of_its_own_beside_the_high_end() -> None:
    points = pd.DataFrame({"learning_rate": 1e-3, "batch_size": 16, "clip_norm": [0.1, 1000.0, np.inf]})
    encoded = Encoding.of(definition().space).encode(points)
    assert encoded[:, 2].tolist() == [0.0, 1.0, 1.0]
    assert encoded[:, 3].tolist() == [0.0, 0.0, 1.0]


def test_choices_without_numbers_have_a_coordinate_each_and_fixed_dimensions_none() -> None:
    study = make_definition(
        search_space={"learning_rate": 1e-3, "batch_size": [64, 16], "model.activation": ["relu", "tanh", "elu"]}
    )
    points = pd.DataFrame(
        {"learning_rate": 1e-3, "batch_size": [16, 64], "clip_norm": np.inf, "model.activation": ["tanh", "elu"]}
    )
    encoding = Encoding.of(study.space)
    assert "learning_rate" not in encoding.names
    columns = dict(zip(encoding.names, range(9), strict=False))
    assert encoding.encode(points)[:, columns["batch_size"]].tolist() == [0.0, 1.0]
    assert encoding.encode(points)[:, -3:].tolist() == [[0, 1, 0], [0, 0, 1]]


def test_the_mean_probability_is_that_of_many_joint_draws() -> None:
    surface = fit_surface(lived(60, 0), definition().space)
    assert surface is not None
    points = simulate(soft, 16, 1)
    ((_, drawn),) = surface.along(points, 20_000, [None], seed=0)
    found = surface.predict(points)
    assert found["probability"].to_numpy() == pytest.approx(drawn.mean(axis=0), abs=0.02)
    assert found["low"].to_numpy() == pytest.approx(np.quantile(drawn, 0.05, axis=0), abs=0.04)


def lived(trials: int, seed: int, horizon: int = 150, *, longest: int = 150) -> pd.DataFrame:
    """Trials of the soft boundary with a risk that falls with time, cut off at a horizon.

    Args:
        trials: how many.
        seed: of all of it.
        horizon: steps after which they are stable.
        longest: steps by which `soft` is the probability.
    """
    frame = simulate(soft, trials, seed)
    generator = np.random.default_rng([seed, 1])
    risk = -np.log1p(-frame["truth"].clip(upper=1 - 1e-9))
    steps = np.ceil(longest * (generator.exponential(size=trials) / risk) ** (1 / 0.6)).clip(1, None)
    is_event = steps <= horizon
    return frame.assign(
        outcome=np.where(is_event, "diverged", "stable"),
        divergence_step=pd.Series(np.where(is_event, steps, np.nan)).astype("Int64"),
        steps=pd.Series(np.minimum(steps, horizon)).astype("Int64"),
        horizon=horizon,
    )


def truth_by(points: pd.DataFrame, steps: int, longest: int = 150) -> Array:
    return np.asarray(-np.expm1(np.log1p(-points["truth"].clip(upper=1 - 1e-9)) * (steps / longest) ** 0.6))


def test_the_probability_grows_with_the_steps_and_covers_the_truth_at_each() -> None:
    points = simulate(soft, 256, 9)
    surface = fit_surface(lived(300, 2), definition().space)
    assert surface is not None
    by_steps = [surface.predict(points, steps) for steps in (1, 5, 20, 75, 150)]
    for earlier, later in pairwise(by_steps):
        assert (later["probability"] >= earlier["probability"] - 1e-9).all()
    assert by_steps[-1].to_numpy() == pytest.approx(surface.predict(points).to_numpy())
    held = []
    for steps, found in zip((1, 5, 20, 75, 150), by_steps, strict=True):
        truth = truth_by(points, steps)
        held.append(((truth >= found["low"] - 0.01) & (truth <= found["high"] + 0.01)).mean())
        assert np.abs(found["probability"] - truth).median() < 0.08
    assert np.mean(held) >= 0.8


def test_the_line_is_the_same_whether_or_not_anybody_wrote_down_steps() -> None:
    """Also where trials lie along the boundary, as a sampler puts them: lives say when, and not whether."""
    frame, points = lived(300, 4), simulate(soft, 256, 9)
    frame = frame[(frame["truth"] > 0.1) & (frame["truth"] < 0.9)]
    timed, bare = (
        fit_surface(trials, definition().space) for trials in (frame, frame.drop(columns=["steps", "divergence_step"]))
    )
    assert timed is not None
    assert bare is not None
    assert timed.predict(points).to_numpy() == pytest.approx(bare.predict(points).to_numpy(), abs=1e-9)


def test_trials_with_different_horizons_are_fitted_by_steps_and_not_mixed() -> None:
    """Half of the trials are cut off after 10 of 150 steps: as bare outcomes they would say that all is well."""
    points = simulate(soft, 256, 9)
    frame = pd.concat([lived(200, 3), lived(200, 4, horizon=10)], ignore_index=True)
    surface, bare = (
        fit_surface(trials, definition().space) for trials in (frame, frame.drop(columns=["steps", "horizon"]))
    )
    assert surface is not None
    assert bare is not None
    found, mixed = surface.predict(points, 150)["probability"], bare.predict(points)["probability"]
    truth = points["truth"]
    assert abs((found - truth).mean()) < 0.03
    assert (mixed - truth).mean() < -0.08
    assert np.abs(surface.predict(points, 10)["probability"] - truth_by(points, 10)).median() < 0.06


def test_beyond_the_longest_horizon_the_band_widens_and_nothing_is_certain() -> None:
    points = simulate(soft, 256, 9)
    surface = fit_surface(lived(300, 5), definition().space)
    assert surface is not None
    assert surface.longest_steps == 150
    widths = []
    for steps in (150, 600, 2400):
        found = surface.predict(points, steps)
        widths.append((found["high"] - found["low"]).mean())
        assert (found["high"] > found["low"]).all()
    assert widths == sorted(widths)
    assert widths[2] > 1.3 * widths[0]


@pytest.mark.parametrize("steps", [0, -5])
def test_less_than_a_step_is_refused(steps: int) -> None:
    surface = fit_surface(lived(30, 0), definition().space)
    assert surface is not None
    with pytest.raises(ValueError, match="at least 1 step"):
        surface.predict(simulate(soft, 4, 1), steps)
