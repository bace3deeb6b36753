from __future__ import annotations

import math

import numpy as np
import pytest
import statsmodels.api as sm  # type: ignore[import-untyped]

from stability_sweep.analysis.logistic import LogisticFit, fit_logistic
from stability_sweep.typing import Array

FLAT = 1e-9


def trials(count: int, seed: int) -> tuple[Array, Array]:
    """A constant, two features, and outcomes that they decide in part."""
    random = np.random.default_rng(seed)
    features = np.column_stack([np.ones(count), random.normal(size=(count, 2))])
    odds = features @ [-0.3, 1.5, 0.0]
    return features, (random.random(count) < 1 / (1 + np.exp(-odds))).astype(np.float64)


def fitted(count: int = 300, seed: int = 0, precision: float = FLAT) -> LogisticFit:
    features, diverged = trials(count, seed)
    return fit_logistic(features, diverged, np.full(3, precision))


def test_with_a_flat_prior_it_is_the_librarys_regression() -> None:
    fit = fitted()
    theirs = sm.Logit(fit.diverged, fit.features).fit(disp=False)
    assert fit.coefficients == pytest.approx(theirs.params, abs=1e-4)
    assert fit.covariance == pytest.approx(theirs.cov_params(), rel=1e-3, abs=1e-6)


def test_a_profile_ends_where_the_likelihood_ratio_says() -> None:
    fit = fitted()
    contrast = np.array([0.0, 0.0, 1.0])
    for end in fit.ends(contrast, 1.96):
        fixed = end @ contrast
        offset = fit.features[:, 2] * fixed
        theirs = sm.GLM(fit.diverged, fit.features[:, :2], sm.families.Binomial(), offset=offset).fit()
        assert 2 * (fit.height - theirs.llf) == pytest.approx(1.96**2, rel=0.02)
        assert end[:2] == pytest.approx(theirs.params, abs=1e-3)


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    contrast = np.array([0.0, 1.0, -1.0])
    held = 0
    for seed in range(200):
        fit = fitted(120, seed, precision=1 / 25)
        low, high = (float(end @ contrast) for end in fit.ends(contrast, 1.96))
        held += low <= 1.5 <= high
    assert 182 <= held <= 198  # 0.95 of 200, and three standard deviations


def test_a_separated_level_has_a_finite_estimate_and_an_end_far_out() -> None:
    level = np.repeat([0.0, 1.0], 24)
    diverged = np.where(level == 1, 0.0, np.tile([1.0, 0.0], 24))
    fit = fit_logistic(np.column_stack([np.ones(48), level]), diverged, np.array([1e-6, 1 / 25]))
    low, high = (end[1] for end in fit.ends(np.array([0.0, 1.0]), 1.96))
    assert -math.inf < low < -6
    assert -4 < high < -1


def test_the_ratio_of_two_coefficients_holds_zero_if_and_only_if_the_contrast_does() -> None:
    contrast, slope = np.array([0.0, 0.0, 1.0]), np.array([0.0, 1.0, 0.0])
    signs = set()
    for seed in range(60):
        features, diverged = trials(80, seed)
        features[:, 2] *= 1 if seed % 2 else -1
        fit = fit_logistic(features, diverged, np.full(3, 1 / 25))
        low, high = fit.ratio_ends(contrast, slope, 1.5, 10.0)
        odds = [float(end @ contrast) for end in fit.ends(contrast, 1.5)]
        assert (low > 0) == (odds[1] < 0)
        assert (high < 0) == (odds[0] > 0)
        signs.add((low > 0) - (high < 0))
    assert signs == {-1, 0, 1}


def test_trials_that_repeat_each_other_are_no_new_evidence() -> None:
    features, diverged = trials(100, 1)
    twice = fit_logistic(np.repeat(features, 2, axis=0), np.repeat(diverged, 2), np.full(3, FLAT))
    once = fit_logistic(features, diverged, np.full(3, FLAT))
    clustered = twice.clustered_covariance(np.repeat(np.arange(100), 2))
    alone = once.clustered_covariance(np.arange(100))
    assert clustered == pytest.approx(alone, rel=1e-4, abs=1e-8)
    assert (np.diag(twice.covariance) < 0.6 * np.diag(alone)).all()
