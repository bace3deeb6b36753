"""Settings are ranked by what all finite trials make one expect of them."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

from stability_sweep.analysis.ranking import fit_ranking
from tests.analysis.simulation import definition, simulate, soft

SPACE = definition().space


def study(trials: int = 120, *, noise: float = 1.0, seed: int = 0) -> pd.DataFrame:
    """Yardsticks that fall with the learning rate, with noise; ``truth`` is without."""
    frame = simulate(soft, trials, seed).assign(outcome="stable")
    truth = 100 - 15 * (6 + np.log10(frame["learning_rate"]))
    return frame.assign(truth=truth, yardstick=truth + noise * np.random.default_rng(seed).normal(size=trials))


def test_a_setting_is_expected_to_give_what_its_neighbours_gave() -> None:
    covered = []
    for seed in range(3):
        frame = study(noise=5.0, seed=seed)
        ranking = fit_ranking(frame, SPACE)
        assert ranking is not None
        found = ranking.predict(frame)
        assert spearmanr(found["expected"], frame["truth"])[0] > 0.97
        covered.append(frame["truth"].between(found["expected_low"], found["expected_high"]).mean())
    assert np.mean(covered) > 0.75


def test_one_lucky_trial_makes_no_setting_the_best() -> None:
    frame = study(noise=5.0)
    lucky = int(frame["learning_rate"].to_numpy().argmin())
    frame.loc[lucky, "yardstick"] = -17.9
    ranking = fit_ranking(frame, SPACE)
    assert ranking is not None
    found = ranking.predict(frame)
    assert found["expected"].rank()[lucky] > len(frame) / 2


def test_infinite_yardsticks_and_those_that_are_not_numbers_are_the_worst() -> None:
    frame = study()
    broken = frame["learning_rate"] > 1e-2
    frame.loc[broken, "yardstick"] = np.where(np.arange(int(broken.sum())) % 2, math.inf, math.nan)
    frame = frame.assign(never_measured=0)  # as in a study's frame: a NaN that was measured
    ranking = fit_ranking(frame, SPACE)
    assert ranking is not None
    found = ranking.predict(frame)
    assert np.isinf(found.loc[frame["learning_rate"] > 5e-2, "expected"]).all()
    assert np.isfinite(found.loc[frame["learning_rate"] < 1e-3, "expected"]).all()


def test_where_every_yardstick_is_infinite_nothing_better_is_expected() -> None:
    ranking = fit_ranking(study(20).assign(yardstick=math.inf), SPACE)
    assert ranking is not None
    assert np.isinf(ranking.predict(study(20))["expected"]).all()


@pytest.mark.parametrize("outcome", ["diverged", "failed"])
def test_trials_that_did_not_end_well_have_no_yardstick(outcome: str) -> None:
    frame = study(40)
    frame.loc[frame.index >= 7, "outcome"] = outcome
    assert fit_ranking(frame, SPACE) is None


def test_a_study_of_an_earlier_version_has_none() -> None:
    assert fit_ranking(study(40).drop(columns="yardstick"), SPACE) is None
