"""Simulated studies whose boundary is known, run through Optuna as real ones are, with any sampler.

Points are positions in the unit cube: decades of the learning rate, of the batch size, and of the clip norm.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
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
from stability_sweep.typing import Array, Mask
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
    features: list[Mask] = field(default_factory=list)
    """Which points belong to each of the features that are easily missed."""

    @property
    def space(self) -> dict[str, BaseDistribution]:
        """The distributions of the dimensions that have more than one value."""
        return {name: axis for name, axis in self.definition.space.distributions.items() if not axis.single()}


def probability_at(name: str, points: pd.DataFrame) -> Array:
    """True P(diverge) of one of `TRUTHS` at points that have a column per dimension, (points,)."""
    truth = TRUTHS[name]
    return truth.probability(_positions(truth.dimensions, points))


def simulated(name: str) -> Boundary:
    """One of `TRUTHS` as a study."""
    truth = TRUTHS[name]
    dimensions = truth.dimensions
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
        probability = min(float(truth.probability(position)[0]), 1 - 1e-12)
        lived = (generator.exponential() / -math.log1p(-probability)) ** (1 / SHAPE_OF_LIFETIMES)
        if lived < 1.0 and truth.is_late is not None and truth.is_late(position)[0]:
            lived = 0.5 + lived / 2
        # Larger learning rates learn more, as long as they live.
        loss = 1 - 0.5 * position[0, 0] + 0.2 * abs(position[0, 1] - 0.5)
        return Outcome(lived < 1.0, min(lived, 1.0), loss)

    return Boundary(name, definition, points, run, features_of(name, points))


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
        rows.append({"number": trial.number, **trial.params, **fixed, **_life(outcome)})
    return pd.DataFrame(rows).astype({"divergence_step": "Int64", "steps": "Int64", "horizon": "Int64"})


def _life(outcome: Outcome) -> dict[str, Any]:
    """What a frame says of a trial's end."""
    steps = max(1, math.ceil(outcome.lived * HORIZON_STEPS))
    return {
        "outcome": "diverged" if outcome.diverged else "stable",
        "divergence_step": steps if outcome.diverged else None,
        "steps": steps,
        "horizon": HORIZON_STEPS,
    }


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


RIDGE, RIDGE_WIDTH, RIDGE_HEIGHT = 0.6, 0.035, 0.93
"""Where the ridge lies along the learning rate, how wide it is (a standard deviation), and its P(diverge)."""


def _beyond(unit: Array) -> Array:
    """What diverges at large learning rates, with or without the ridge."""
    return expit(60 * (unit[:, 0] - 0.78 + 0.04 * (unit[:, 1] - 0.5)))


def _ridge(unit: Array) -> Array:
    height = RIDGE_HEIGHT * np.exp(-(((unit[:, 0] - RIDGE) / RIDGE_WIDTH) ** 2) / 2)
    return np.asarray(height * expit(30 * (unit[:, 1] - 0.5)))


def ridge(unit: Array) -> Array:
    """A ridge of late divergence below the boundary, at large batches: as in real trainings (`benchmarks/data`)."""
    return np.maximum(_beyond(unit), _ridge(unit))


def _is_late(unit: Array) -> Mask:
    return np.asarray(_ridge(unit) > _beyond(unit))


def band(unit: Array) -> Array:
    """A band of stability inside divergence."""
    tilt = 0.1 * (unit[:, 1] - 0.5)
    inside = np.exp(-(((unit[:, 0] - 0.7 + tilt) / 0.045) ** 2) / 2)
    return np.asarray(expit(60 * (unit[:, 0] - 0.42 + tilt)) * (1 - 0.96 * inside))


ISLANDS = ((0.35, 0.28, 0.12), (0.75, 0.7, 0.13))
"""Middle (learning rate, batch size) and radius."""


def islands(unit: Array) -> Array:
    """Two islands of divergence; one in a hundred trials diverges anywhere."""
    inside = [expit(60 * (radius - np.hypot(unit[:, 0] - rate, unit[:, 1] - batch))) for rate, batch, radius in ISLANDS]
    return np.asarray(0.01 + 0.98 * np.maximum(*inside))


def _around(number: int) -> Callable[[Array], Mask]:
    rate, batch, radius = ISLANDS[number]
    return lambda unit: np.asarray(np.hypot(unit[:, 0] - rate, unit[:, 1] - batch) < 1.5 * radius)


@dataclass(frozen=True)
class Truth:
    """P(diverge) in the unit cube, and what a map must show that has found all of it."""

    probability: Callable[[Array], Array]
    """At (points, dimensions): (points,)."""
    dimensions: int = 2
    features: tuple[Callable[[Array], Mask], ...] = ()
    """Regions, each with a feature that is easily missed: those of its points whose outcome is `surprising`."""
    surprising: bool = True
    """Whether that outcome is divergence."""
    is_late: Callable[[Array], Mask] | None = None
    """Where divergence comes in the second half of the horizon; None for nowhere."""


TRUTHS: dict[str, Truth] = {
    "straight": Truth(straight),
    "curved": Truth(curved),
    "island": Truth(island),
    "soft": Truth(soft),
    "idle third": Truth(idle, 3),
    "corner": Truth(corner),
    "ridge": Truth(ridge, features=(lambda unit: unit[:, 0] < 0.69,), is_late=_is_late),
    "band": Truth(band, features=(lambda unit: unit[:, 0] > 0.55,), surprising=False),
    "islands": Truth(islands, features=(_around(0), _around(1))),
}
"""The last three are crossed more than once along the learning rate."""


def features_of(name: str, points: pd.DataFrame) -> list[Mask]:
    """Which points belong to each feature of one of `TRUTHS`, (points,) each; points have a column per dimension."""
    truth = TRUTHS[name]
    unit = _positions(truth.dimensions, points)
    is_surprising = (truth.probability(unit) > 0.5) == truth.surprising
    return [np.asarray(region(unit) & is_surprising) for region in truth.features]


def is_found(features: list[Mask], is_right: Mask) -> bool:
    """Whether a map shows every feature: at least half of its points are on their right side.

    Args:
        features: which points belong to each, (points,).
        is_right: at which points the map is on the right side of the 50% line, (points,).
    """
    return all(bool(is_right[feature].mean() >= 0.5) for feature in features)
