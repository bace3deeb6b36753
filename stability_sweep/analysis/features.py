"""The features of a regression of outcomes on settings: what a contrast is adjusted for.

The dimensions with a role are *graded*: smooth, with squares and products, so that the line may bend. Every other
dimension that lists choices has an indicator for each level that is not the baseline's; a range is a straight slope,
with an indicator of "off" where it has that.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from stability_sweep.analysis.baseline import baseline_point
from stability_sweep.space.coordinates import Coordinates
from stability_sweep.space.dimensions import Choices, Dimension, Point, Value
from stability_sweep.space.parameters import distribution_of
from stability_sweep.space.roles import BATCH_SIZE, LEARNING_RATE, ROLES
from stability_sweep.space.search_space import SearchSpace
from stability_sweep.typing import Array

RATE_SCALE, GRADED_SCALE, LEVEL_SCALE = 30.0, 10.0, 5.0
"""Standard deviations of the priors of log odds: from one end of an axis to the middle, and of a level."""

POINTS = 256
"""At which an average over the search space is taken."""


@dataclass(frozen=True)
class Feature:
    """One column."""

    values: Callable[[pd.DataFrame], Array]
    """From points to numbers, (points,)."""
    scale: float
    """Standard deviation of its coefficient's prior."""
    about: tuple[str, ...] = ()
    """The dimensions that it tells of."""


@dataclass(frozen=True)
class Features:
    """The columns of a study's regression."""

    space: SearchSpace
    baseline: Point
    columns: tuple[Feature, ...]
    """The constant is the first."""
    rate: str | None
    """The learning rate, where it is searched over more than one value."""

    @classmethod
    def of(cls, space: SearchSpace) -> Features:
        """Those of a search space."""
        baseline, graded = baseline_point(space), _graded(space)
        columns = [Feature(lambda points: np.ones(len(points)), 1e3)]
        slopes = {name: _slope(name, space[name]) for name in graded}
        columns += [
            Feature(slope, RATE_SCALE if name == space.role(LEARNING_RATE) else GRADED_SCALE, (name,))
            for name, slope in slopes.items()
        ]
        columns += [
            Feature(_product(slopes[one], slopes[other]), GRADED_SCALE, (one, other))
            for one, other in itertools.combinations_with_replacement(graded, 2)
            if one != other or len(space.axes[one].values) != 2
        ]
        for name in space.searched:
            columns += _levels(name, space[name], baseline[name], is_graded=name in slopes)
        rate = space.role(LEARNING_RATE)
        return cls(space, baseline, tuple(columns), rate if rate in slopes else None)

    def matrix(self, points: pd.DataFrame, *, but: Collection[str] = ()) -> Array:
        """(points, features).

        Args:
            points: a column per dimension.
            but: dimensions whose features are left out.
        """
        kept = [feature for feature in self.columns if not set(feature.about) & set(but)]
        return np.column_stack([feature.values(points) for feature in kept])

    @property
    def precision(self) -> Array:
        """Of the coefficients' priors, (features,)."""
        return np.array([1 / feature.scale**2 for feature in self.columns])

    @property
    def decades(self) -> float:
        """How many of the learning rate are searched."""
        assert self.rate is not None
        low, high = _ends(self.space[self.rate])
        return math.log10(high / low)

    def rate_slope(self, points: pd.DataFrame) -> Array:
        """The derivative of every feature by the learning rate, per decade, (points, features)."""
        assert self.rate is not None
        axis = self.space[self.rate]
        low, high = _ends(axis)
        by_axis = 2 / self.decades  # the axis runs from -1 to 1
        moved = [
            points.assign(**{self.rate: np.clip(points[self.rate] * 10**step, low, high)}) for step in (-0.02, 0.02)
        ]
        down, up = (self.matrix(each) for each in moved)
        at = _slope(self.rate, axis)
        span = at(moved[1]) - at(moved[0])
        return (up - down) / span[:, None] * by_axis


def typical_points(space: SearchSpace, baseline: Point) -> pd.DataFrame:
    """Points spread evenly over the learning rate, the batch size and every range; other dimensions at the baseline.

    Args:
        space: a study's.
        baseline: from `baseline_point`.
    """
    from scipy.stats.qmc import Sobol

    spread = [name for name in space.searched if name in _graded(space) or not isinstance(space[name], Choices)]
    coordinates = Coordinates.of({name: distribution_of(space[name]) for name in spread}, space.off_above)
    units = Sobol(max(1, len(coordinates.dimensions)), scramble=False).random(POINTS)
    rows = [baseline | space.point_of(coordinates.params_at(unit)) for unit in units] if spread else [baseline]
    return pd.DataFrame(rows)


def _graded(space: SearchSpace) -> list[str]:
    """The searched dimensions with a role whose values are numbers, but for clipping that lists choices."""
    named = [space.role(role) for role in ROLES]
    return [
        name
        for name in named
        if name is not None
        and name in space.searched
        and (not isinstance(space[name], Choices) or (name in (space.role(LEARNING_RATE), space.role(BATCH_SIZE))))
        and _is_numeric(space[name])
    ]


def _is_numeric(dimension: Dimension) -> bool:
    return not isinstance(dimension, Choices) or (
        dimension.is_ordered and all(math.isfinite(float(value)) for value in dimension.grid(0))
    )


def _ends(dimension: Dimension) -> tuple[float, float]:
    if isinstance(dimension, Choices):
        numbers = [float(value) for value in dimension.grid(0) if math.isfinite(float(value))]
        return min(numbers), max(numbers)
    return float(dimension.low), float(dimension.high)


def _slope(name: str, dimension: Dimension) -> Callable[[pd.DataFrame], Array]:
    """Position along an axis, from -1 to 1; "off" lies at the high end. Positive numbers count in proportion."""
    low, high = _ends(dimension)
    is_log = low > 0 and (isinstance(dimension, Choices) or dimension.log)

    def position(points: pd.DataFrame) -> Array:
        values = points[name].to_numpy(np.float64).clip(low, high)
        if is_log:
            return np.asarray(2 * np.log(values / low) / math.log(high / low) - 1)
        return np.asarray(2 * (values - low) / (high - low) - 1)

    return position


def _product(
    one: Callable[[pd.DataFrame], Array], other: Callable[[pd.DataFrame], Array]
) -> Callable[[pd.DataFrame], Array]:
    return lambda points: one(points) * other(points)


def _levels(name: str, dimension: Dimension, baseline: Value, *, is_graded: bool) -> list[Feature]:
    """What a dimension adds beside being graded."""
    if isinstance(dimension, Choices):
        others: Sequence[Value] = [] if is_graded else [value for value in dimension.grid(0) if value != baseline]
        return [Feature(_is(name, value), LEVEL_SCALE, (name,)) for value in others]
    found = [] if is_graded else [Feature(_slope(name, dimension), LEVEL_SCALE, (name,))]
    return [*found, Feature(_is(name, math.inf), LEVEL_SCALE, (name,))] if dimension.off_share else found


def _is(name: str, level: Value) -> Callable[[pd.DataFrame], Array]:
    return lambda points: np.array(points[name] == level, dtype=np.float64)
