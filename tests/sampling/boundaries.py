"""Simulated studies whose boundary is known, run through Optuna as real ones are, with any sampler.

Points are positions in the unit cube: decades of the learning rate, of the batch size, and of the clip norm.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import optuna
import pandas as pd
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.trial import TrialState
from scipy.special import expit
from scipy.stats import qmc

from stability_sweep.definition.study import StudyDefinition
from stability_sweep.sampling.evidence import DIVERGED_CONSTRAINT
from stability_sweep.typing import Array
from tests.conftest import make_definition

HORIZON_STEPS = 150
PLACES = 4096
SHAPE_OF_LIFETIMES = 0.6
"""Of the Weibull distribution that says when a trial diverges: the risk falls with time."""

RANGES: dict[str, dict[str, Any]] = {
    "learning_rate": {"low": 1e-6, "high": 1e-1, "log": True},
    "batch_size": {"low": 16, "high": 1024, "log": True},
    "clip_norm": {"low": 0.1, "high": 1000.0, "log": True},
}


@dataclass(frozen=True)
class Outcome:
    """What a trial came to."""

    diverged: bool
    lived: float
    """Until then, in horizons."""
    loss: float


@dataclass(frozen=True)
class Boundary:
    """A search space with a known P(diverge)."""

    name: str
    definition: StudyDefinition
    points: pd.DataFrame
    """Points all over the space, with the column ``truth``."""
    run: Callable[[Mapping[str, Any], np.random.Generator], Outcome]
    """A trial at a point."""

    @property
    def space(self) -> dict[str, BaseDistribution]:
        """The distributions of the dimensions that have more than one value."""
        return {name: axis for name, axis in self.definition.space.distributions.items() if not axis.single()}


def probability_at(name: str, points: pd.DataFrame) -> Array:
    """True P(diverge) of one of `TRUTHS` at points that have a column per dimension, (points,)."""
    truth, dimensions = TRUTHS[name]
    return truth(_positions(dimensions, points))


def simulated(name: str) -> Boundary:
    """One of `TRUTHS` as a study."""
    truth, dimensions = TRUTHS[name]
    names = list(RANGES)[:dimensions]
    space: dict[str, Any] = {name: RANGES[name] if name in names else "off" for name in RANGES}
    definition = make_definition(
        search_space=space, data={"dataset": "mnist", "training_images": 10000, "validation_images": 500}
    )
    unit = qmc.Sobol(dimensions, rng=12345).random(PLACES)
    points = pd.DataFrame(
        {
            name: RANGES[name]["low"] * (RANGES[name]["high"] / RANGES[name]["low"]) ** column
            for name, column in zip(names, unit.T, strict=True)
        }
    )
    points["batch_size"] = points["batch_size"].round().astype(int)
    if dimensions < 3:
        points["clip_norm"] = math.inf
    points["truth"] = probability_at(name, points)

    def run(point: Mapping[str, Any], generator: np.random.Generator) -> Outcome:
        position = _positions(dimensions, point)
        probability = min(float(truth(position)[0]), 1 - 1e-12)
        lived = (generator.exponential() / -math.log1p(-probability)) ** (1 / SHAPE_OF_LIFETIMES)
        # Larger learning rates learn more, as long as they live.
        loss = 1 - 0.5 * position[0, 0] + 0.2 * abs(position[0, 1] - 0.5)
        return Outcome(lived < 1.0, min(lived, 1.0), loss)

    return Boundary(name, definition, points, run)


def run_study(
    boundary: Boundary,
    sampler: BaseSampler,
    trials: int,
    *,
    seed: int,
    workers: int = 1,
    watch: AbstractContextManager[None] | None = None,
) -> pd.DataFrame:
    """Run a study with so many workers at once; return its frame, in the order in which they ended.

    A worker is free again when its trial's life ends, so diverged trials free theirs sooner.

    Args:
        boundary: the study.
        sampler: of its points.
        trials: how many.
        seed: of the outcomes.
        workers: how many trials run at once.
        watch: entered around every `ask`, as a clock.
    """
    generator = np.random.default_rng([seed, 77])
    study = optuna.create_study(sampler=sampler)
    space = boundary.space
    fixed = {name: math.inf for name in RANGES if name not in space}
    running: list[tuple[float, int, optuna.Trial, Outcome]] = []
    rows: list[dict[str, Any]] = []
    now, asked = 0.0, 0
    while len(rows) < trials:
        while len(running) < workers and asked < trials:
            for ends, _, busy, of_busy in running:
                _report(busy, now - (ends - of_busy.lived), of_busy)
            with watch or nullcontext():
                trial = study.ask(space)
            outcome = boundary.run(trial.params, generator)
            heapq.heappush(running, (now + outcome.lived, asked, trial, outcome))
            asked += 1
        now, _, trial, outcome = heapq.heappop(running)
        _tell(study, trial, outcome)
        rows.append(
            {"number": trial.number, **trial.params, **fixed, "outcome": "diverged" if outcome.diverged else "stable"}
        )
    return pd.DataFrame(rows)


def _report(trial: optuna.Trial, lived: float, outcome: Outcome) -> None:
    """A running trial's progress."""
    step = math.floor(lived * HORIZON_STEPS)
    if (
        1 <= step < math.ceil(outcome.lived * HORIZON_STEPS)
        and step not in trial._cached_frozen_trial.intermediate_values
    ):
        trial.report(outcome.loss, step)


def _tell(study: optuna.Study, trial: optuna.Trial, outcome: Outcome) -> None:
    """As `stability_sweep.workers.objective.tell` does."""
    trial.set_constraint(DIVERGED_CONSTRAINT, float(outcome.diverged))
    trial.report(math.nan if outcome.diverged else outcome.loss, max(1, math.ceil(outcome.lived * HORIZON_STEPS)))
    if outcome.diverged:
        study.tell(trial, state=TrialState.PRUNED)
    else:
        study.tell(trial, outcome.loss)


def _positions(dimensions: int, points: Mapping[str, Any] | pd.DataFrame) -> Array:
    """Where one point, or points with a column per dimension, lie in the unit cube: (points, dimensions)."""
    columns = []
    for name, axis in list(RANGES.items())[:dimensions]:
        values = np.asarray(points[name], dtype=np.float64)
        columns.append(np.log(values / axis["low"]) / math.log(axis["high"] / axis["low"]))
    return np.column_stack(columns)


def straight(unit: Array) -> Array:
    """A sharp, straight boundary: nine tenths of the change within a quarter of a decade."""
    return expit(80 * (unit[:, 0] - 0.55 + 0.2 * (unit[:, 1] - 0.5)))


def curved(unit: Array) -> Array:
    """A sharp boundary that bends over two decades."""
    return expit(80 * (unit[:, 0] - 0.6 - 0.2 * np.sin(5 * unit[:, 1])))


def island(unit: Array) -> Array:
    """Divergence in the middle only; one in a hundred trials diverges anywhere."""
    return np.asarray(0.01 + 0.98 * expit(60 * (0.22 - np.hypot(unit[:, 0] - 0.6, unit[:, 1] - 0.45))))


def soft(unit: Array) -> Array:
    """The outcome is chance over a decade."""
    return expit(22 * (unit[:, 0] - 0.55 + 0.25 * (unit[:, 1] - 0.5)))


def idle(unit: Array) -> Array:
    """A sharp, bent boundary, and a third dimension that plays no part."""
    return expit(80 * (unit[:, 0] - 0.6 - 0.1 * np.sin(5 * unit[:, 1])))


def corner(unit: Array) -> Array:
    """Nearly everything diverges: only one twentieth of the space lives."""
    return expit(80 * (unit[:, 0] - 0.25 + 0.3 * unit[:, 1]))


TRUTHS: dict[str, tuple[Callable[[Array], Array], int]] = {
    "straight": (straight, 2),
    "curved": (curved, 2),
    "island": (island, 2),
    "soft": (soft, 2),
    "idle third": (idle, 3),
    "corner": (corner, 2),
}
"""P(diverge) in the unit cube, and the number of dimensions."""
