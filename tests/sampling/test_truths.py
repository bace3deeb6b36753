"""The simulated boundaries are what the benchmark says of them."""

from __future__ import annotations

import numpy as np
import pytest

from tests.sampling.boundaries import TRUTHS, is_found, simulated

CROSSED_AGAIN = ["ridge", "band", "islands"]


@pytest.mark.parametrize("name", CROSSED_AGAIN)
def test_a_truth_with_features_is_crossed_more_than_once_along_the_learning_rate(name: str) -> None:
    rates = np.linspace(0, 1, 1001)
    crossings = [
        int(np.diff(TRUTHS[name].probability(np.column_stack([rates, np.full(1001, y)])) > 0.5).sum())
        for y in (0.28, 0.7)
    ]
    assert max(crossings) >= 2


def test_divergence_on_the_ridge_is_late_and_beyond_the_boundary_it_is_not() -> None:
    boundary, generator = simulated("ridge"), np.random.default_rng(0)

    def lives(rate: float) -> list[float]:
        outcomes = [boundary.run({"learning_rate": rate, "batch_size": 700}, generator) for _ in range(200)]
        return [outcome.lived for outcome in outcomes if outcome.diverged]

    ridge, beyond = lives(1e-3), lives(5e-2)
    assert len(ridge) > 150
    assert min(ridge) > 0.5
    assert np.median(beyond) < 0.1


def test_a_map_of_one_island_has_not_found_both() -> None:
    boundary = simulated("islands")
    diverges = (boundary.points["truth"] > 0.5).to_numpy()
    first, second = boundary.features
    assert is_found(boundary.features, np.ones(len(diverges), dtype=bool))
    assert not is_found(boundary.features, ~diverges)
    assert not is_found(boundary.features, ~second)
    half = second & (np.cumsum(second) <= 0.4 * second.sum())
    assert is_found(boundary.features, ~half)
    assert not (first & second).any()
