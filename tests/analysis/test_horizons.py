"""The horizon at a point."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from stability_sweep.analysis.horizons import Horizons
from stability_sweep.analysis.periods import Lives


def test_one_horizon_is_everywhere_the_same() -> None:
    trials = pd.DataFrame({"outcome": "stable", "steps": [150, 3], "divergence_step": [None, None], "horizon": 150})
    horizons = Horizons.of(trials, np.array([[0.0], [1.0]]), Lives.of(trials))
    assert horizons.at(np.array([[0.3], [7.0]])).tolist() == [150.0, 150.0]


def test_a_horizon_of_epochs_is_that_of_the_batch_size_also_between_trials() -> None:
    """10 epochs of 10,000 images."""
    batches = np.array([16, 64, 256])
    trials = pd.DataFrame(
        {"outcome": "stable", "steps": 100_000 // batches, "divergence_step": None, "horizon": 100_000 // batches}
    )
    encoded = np.log2(batches / 16)[:, None] / 4
    horizons = Horizons.of(trials, encoded, Lives.of(trials))
    assert horizons.at(np.log2(np.array([16, 32, 128, 256]) / 16)[:, None] / 4) == pytest.approx(
        100_000 / np.array([16, 32, 128, 256]), rel=0.01
    )
    assert horizons.at(np.array([[9.0]]))[0] == 390  # never beyond what the trials have
