"""Studies of remedies whose truth is known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from scipy.special import logit
from scipy.stats import norm

from stability_sweep.space.dimensions import Choices, Dimension, Range
from stability_sweep.space.search_space import SearchSpace

BATCHES = (16, 64, 256)


def space_of(remedies: int) -> SearchSpace:
    """Learning rate, batch size, and remedies that are on or not."""
    names = [f"remedy_{number}" for number in range(remedies)]
    dimensions: dict[str, Dimension] = {
        "learning_rate": Range(low=10**-2.75, high=10**-1.25, log=True),
        "batch_size": Choices(choices=BATCHES),
        **{name: Choices(choices=("no", "yes")) for name in names},
    }
    roles = {"learning_rate": "learning_rate", "batch_size": "batch_size"}
    return SearchSpace(dimensions, roles, own=dict.fromkeys(names, "no"))


def paired_study(shifts: list[float], blocks: int, *, seed: int = 0, softness: float = 0.15) -> pd.DataFrame:
    """Blocks of one point and seed each: the baseline, and every remedy alone.

    Args:
        shifts: of the 50% line by each remedy, in decades; positive is good.
        blocks: points.
        seed: of everything.
        softness: decades over which log odds rise by one.
    """
    random, runs = np.random.default_rng(seed), len(shifts) + 1
    block, run = np.repeat(np.arange(blocks), runs), np.tile(np.arange(runs), blocks)
    on = run[:, None] == np.arange(1, runs)
    rate, batch = random.uniform(-0.75, 0.75, blocks)[block], random.integers(0, len(BATCHES), blocks)[block]
    noise = np.sqrt(0.5) * random.normal(size=blocks)[block] + np.sqrt(0.5) * random.normal(size=len(block))
    return _frame(rate, batch, on, shifts, softness * logit(norm.cdf(noise)), block)


def joint_study(shifts: list[float], trials: int, *, seed: int = 0, softness: float = 0.15) -> pd.DataFrame:
    """Trials each with a point, a seed and half of the remedies of its own; arguments as in `paired_study`."""
    random = np.random.default_rng(seed)
    on = random.random((trials, len(shifts))) < 0.5
    rate, batch = random.uniform(-0.75, 0.75, trials), random.integers(0, len(BATCHES), trials)
    return _frame(rate, batch, on, shifts, softness * logit(random.random(trials)), np.arange(trials))


def _frame(rate: Any, batch: Any, on: Any, shifts: list[float], noise: Any, seeds: Any) -> pd.DataFrame:
    line = 0.2 - 0.3 * batch / (len(BATCHES) - 1)
    diverged = rate - line - on @ np.array(shifts) + noise > 0
    steps = np.where(diverged, 10, 100)
    return pd.DataFrame(
        {
            "number": np.arange(len(rate)),
            "learning_rate": 10 ** (rate - 2),
            "batch_size": np.array(BATCHES)[batch],
            **{f"remedy_{number}": np.where(on[:, number], "yes", "no") for number in range(len(shifts))},
            "seed": seeds,
            "outcome": np.where(diverged, "diverged", "stable"),
            "divergence_step": pd.array(np.where(diverged, 10, -1), dtype="Int64"),
            "steps": steps,
            "horizon": 100,
            "yardstick": 30.0,
            "yardstick_at_start": 50.0,
            "wall_seconds": 1.0,
        }
    )
