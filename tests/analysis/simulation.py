"""Simulated studies whose true P(diverge) is known."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
from scipy.special import expit
from scipy.stats import qmc

from stability_sweep.definition.study import StudyDefinition
from stability_sweep.typing import Array
from tests.conftest import make_definition

Truth = Callable[[Array], Array]
"""From unit coordinates (learning rate, batch size, clip norm), (trials, 3), to P(diverge)."""

BATCHES = np.array([16, 32, 64, 128, 256, 512])


def definition() -> StudyDefinition:
    return make_definition(
        sampler={"name": "qmc"},
        data={"dataset": "mnist", "training_images": 10000, "validation_images": 500},
        search_space={
            "learning_rate": {"low": 1e-6, "high": 1e-1, "log": True},
            "batch_size": BATCHES.tolist(),
            "clip_norm": {"low": 0.1, "high": 1000.0, "log": True, "off_share": 0.2},
        },
    )


def definition_without_clipping() -> StudyDefinition:
    return make_definition(
        data={"dataset": "mnist", "training_images": 10000, "validation_images": 500},
        search_space={
            "learning_rate": {"low": 1e-6, "high": 1e-1, "log": True},
            "batch_size": BATCHES.tolist(),
            "clip_norm": "off",
        },
    )


def soft(unit: Array) -> Array:
    """Chance over nearly two decades; large batches do worse."""
    return expit(14 * (unit[:, 0] - 0.55 + 0.25 * unit[:, 1]))


def curved(unit: Array) -> Array:
    """A sharp, curved boundary."""
    return expit(60 * (unit[:, 0] - 0.6 - 0.1 * np.sin(5 * unit[:, 1])))


def island(unit: Array) -> Array:
    """An island of divergence in a sea of rare failures."""
    return np.asarray(0.02 + 0.9 * expit(30 * (0.25 - np.hypot(unit[:, 0] - 0.6, unit[:, 1] - 0.5))))


def chance(unit: Array) -> Array:
    """Nowhere certain."""
    return np.asarray(0.05 + 0.9 * expit(8 * (unit[:, 0] - 0.5)) * (0.4 + 0.6 * unit[:, 1]))


TRUTHS: dict[str, Truth] = {"soft": soft, "curved": curved, "island": island, "chance": chance}


def simulate(truth: Truth, trials: int, seed: int) -> pd.DataFrame:
    """A study's frame; the column ``truth`` is P(diverge)."""
    power = int(np.ceil(np.log2(trials)))
    unit = qmc.Sobol(3, rng=seed).random_base2(power)[:trials]
    points = unit.copy()
    points[:, 1] = np.floor(unit[:, 1] * len(BATCHES)) / (len(BATCHES) - 1)
    probability = truth(points)
    diverged = np.random.default_rng(seed).random(trials) < probability
    clip = 10 ** (-1 + 5 * unit[:, 2])
    return pd.DataFrame(
        {
            "number": np.arange(trials),
            "learning_rate": 10 ** (-6 + 5 * unit[:, 0]),
            "batch_size": BATCHES[np.floor(unit[:, 1] * len(BATCHES)).astype(int)],
            "clip_norm": np.where(clip > 1000, np.inf, clip),
            "outcome": np.where(diverged, "diverged", "stable"),
            "yardstick": np.where(diverged, np.nan, 30 + 10 * np.abs(unit[:, 0] - 0.5)),
            "truth": probability,
        }
    )


def true_limit(truth: Truth, batch_size: int, tolerance: float) -> float:
    """log10 of the learning rate at which a truth passes a tolerance, without the clip norm, which none looks at."""
    index = list(BATCHES).index(batch_size) / (len(BATCHES) - 1)
    unit = np.column_stack([np.linspace(0, 1, 4001), np.full(4001, index), np.full(4001, 0.5)])
    return float(-6 + 5 * unit[np.argmax(truth(unit) > tolerance), 0])
