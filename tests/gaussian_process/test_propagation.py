"""Expectation propagation against the exact posterior, which one cell has by quadrature."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import expit, log_expit

from stability_sweep.gaussian_process import Matern52, fit_binomial, propagate


@pytest.mark.parametrize(("diverged", "total", "mean"), [(0.0, 1.0, 0.0), (0.0, 12.0, 0.0), (7.0, 9.0, -2.0)])
def test_one_cell_has_the_mean_and_the_variance_of_the_exact_posterior(
    diverged: float, total: float, mean: float
) -> None:
    point = np.array([[0.5]])
    process = propagate(Matern52(20.0, (0.5,)), point, np.array([diverged]), np.array([total]), mean=mean)

    def moment(power: int) -> float:
        def density(f: float) -> float:
            likelihood = diverged * log_expit(f) + (total - diverged) * log_expit(-f)
            return float(f**power * np.exp(likelihood - (f - mean) ** 2 / 40.0))

        return float(quad(density, -40, 40, limit=500)[0])

    expected = moment(1) / moment(0)
    found, variance = process.latent(point)
    assert found[0] == pytest.approx(expected, abs=0.02)
    assert variance[0] == pytest.approx(moment(2) / moment(0) - expected**2, rel=0.02)


def test_it_is_surer_than_laplace_where_all_trials_ended_alike() -> None:
    """Where both expect more contrary outcomes than there are, it expects less than half as many too many."""
    generator = np.random.default_rng(0)
    points, at = generator.random((120, 2)), generator.random((4000, 2))
    nodes, shares = np.polynomial.hermite_e.hermegauss(40)
    shares = shares / shares.sum()

    def truth(places: np.ndarray) -> np.ndarray:
        return np.asarray(expit(40 * (places[:, 0] - 0.5 + 0.2 * (places[:, 1] - 0.5))))

    diverged, contrary = (generator.random(120) < truth(points)).astype(float), {}
    for name, fit in (("laplace", fit_binomial), ("propagated", propagate)):
        mean, variance = fit(Matern52(40.0, (0.4, 1.4)), points, diverged, np.ones(120)).latent(at)
        probability = expit(mean[:, None] + np.sqrt(variance)[:, None] * nodes) @ shares
        sure = np.minimum(probability, 1 - probability) < 0.1
        expected = np.minimum(probability, 1 - probability)[sure].sum()
        really = np.where(probability > 0.5, 1 - truth(at), truth(at))[sure].sum()
        contrary[name] = expected / really
    assert 1.0 < contrary["propagated"] < 0.5 * contrary["laplace"]


def test_counts_give_what_the_same_trials_give_one_by_one() -> None:
    generator = np.random.default_rng(1)
    distinct = generator.random((12, 2))
    diverged = generator.integers(0, 6, 12).astype(float)
    kernel, at = Matern52(9.0, (0.5, 0.5)), generator.random((20, 2))
    counted = propagate(kernel, distinct, diverged, np.full(12, 5.0)).latent(at)
    outcomes = np.concatenate([np.arange(5) < count for count in diverged]).astype(float)
    single = propagate(kernel, distinct.repeat(5, axis=0), outcomes, np.ones(60)).latent(at)
    # Five sites at one point are not one site of five; both are approximations.
    assert expit(counted[0]) == pytest.approx(expit(single[0]), abs=0.02)
    assert np.sqrt(counted[1]) == pytest.approx(np.sqrt(single[1]), rel=0.1)
