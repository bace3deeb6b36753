"""From the dimensions of a study to the covariates of a proportional hazards model."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from stability_sweep.analysis.baseline import baseline_point
from stability_sweep.space.axes import format_value
from stability_sweep.space.dimensions import Choices, Range, Value
from stability_sweep.space.off import OFF
from stability_sweep.space.roles import BATCH_SIZE, LEARNING_RATE
from stability_sweep.space.search_space import SearchSpace
from stability_sweep.typing import Array, Mask

EVENTS_PER_INTERACTION = 10
"""Fewest events per coefficient in a model with an interaction (P. Peduzzi et al., J. Clin. Epidemiol. 48, 1995)."""

INTERACTING_ROLES = ((LEARNING_RATE, BATCH_SIZE),)
"""The interactions that are looked for, where a study has dimensions with both roles."""

DOUBLINGS_SPAN = 4
"""Choices of positive numbers that span this factor are read as doublings, others from the lowest to the highest."""


@dataclass(frozen=True)
class Covariate:
    """One column of the model's matrix."""

    effect: str
    """In words."""
    dimension: str
    values: Array
    """One per trial; zero is the middle of a range, or the absence of a level."""
    level: Mask | None = None
    """Of an indicator: the trials that have the level."""
    level_words: str | None = None
    """Of an indicator: the level as people write it."""
    middle: str = ""
    """Of a slope: the value at zero, in words."""

    @property
    def subject(self) -> str:
        """The effect without its unit."""
        return self.effect.split(",")[0]

    def reason(self, event: Mask) -> str:
        """Its name, and the reason why its hazard ratio is not finite where that is simple."""
        if self.level is None:
            return self.effect
        total, events = int(self.level.sum()), int(event[self.level].sum())
        how_many = {0: "none", total: "all"}.get(events, str(events))
        return f"{self.effect} ({how_many} of its {total} trials diverged)"


def choose_covariates(trials: pd.DataFrame, space: SearchSpace, events: int) -> tuple[list[Covariate], list[str]]:
    """The covariates that the trials tell apart, in the study's order.

    Args:
        trials: from `with_times`; their order is that of the covariates' values.
        space: the study's search space.
        events: divergences that can be compared with another trial.

    Returns:
        The covariates, and sentences about what was left out and why.
    """
    chosen: list[Covariate] = []
    alike: list[Covariate] = []
    for covariate in _of_space(trials, space):
        (chosen if _adds(chosen, covariate) else alike).append(covariate)
    notes = [f"Constant, or not to be told from the other effects: {_names(alike)}."] if alike else []
    for one, other in INTERACTING_ROLES:
        chosen, more = _with_interaction(chosen, (space.role(one), space.role(other)), events)
        notes += more
    return chosen, notes


def _names(covariates: Sequence[Covariate]) -> str:
    return "; ".join(covariate.effect for covariate in covariates)


# -- what a dimension becomes ------------------------------------------------------------------------------------------


def _of_space(trials: pd.DataFrame, space: SearchSpace) -> list[Covariate]:
    """The covariates of every dimension that is searched."""
    axes, baseline = space.searched, baseline_point(space)
    batch_or_rate = {space.role(BATCH_SIZE), space.role(LEARNING_RATE)}
    found: list[Covariate] = []
    for name, axis in axes.items():
        dimension, values = space[name], trials[name].tolist()
        if isinstance(dimension, Choices) and not (name in batch_or_rate and dimension.is_ordered):
            # What was never tried is nothing to compare with; as a level it is a constant, which the caller names.
            first, *others = sorted(dimension.grid(0), key=lambda level: (level not in values, level != baseline[name]))
            found += [_indicator(name, axis.title, level, values, first) for level in others]
        else:
            found += _of_numbers(name, axis.title, dimension, values)
    return found


def _of_numbers(name: str, title: str, dimension: Range | Choices, values: list[Value]) -> list[Covariate]:
    """One slope, and an indicator of "off" where there is such a level."""
    if isinstance(dimension, Choices):
        numbers = [float(choice) for choice in dimension.choices if choice != OFF]
        low, high, has_off = min(numbers), max(numbers), OFF in dimension.choices
        base = 2 if low > 0 and high >= DOUBLINGS_SPAN * low else None
    else:
        low, high, has_off = dimension.low, dimension.high, dimension.off_share > 0
        base = 10 if dimension.log else None
    found = []
    if low < high:
        scale, unit = _scale(low, high, base)
        # "Off" stands at the high end of the slope; what it does beyond that is its indicator's.
        positions = np.array([scale(min(float(value), high)) for value in values])
        middle = format_value(math.sqrt(low * high) if base else (low + high) / 2)
        found.append(Covariate(f"{title}, {unit}", name, positions, middle=f"{title} {middle}"))
    return [*found, _indicator(name, title, math.inf, values)] if has_off else found


def _scale(low: float, high: float, base: int | None) -> tuple[Callable[[float], float], str]:
    """Where a number lies, zero in the middle of the range, and the unit of that position in words."""
    if base is None:
        unit = f"from {format_value(float(low))} to {format_value(float(high))}"
        return lambda value: (value - low) / (high - low) - 0.5, unit
    middle = math.log(low * high, base) / 2
    return lambda value: math.log(value, base) - middle, "per decade" if base == 10 else "per doubling"


def _indicator(name: str, title: str, level: Value, values: list[Value], baseline: Value | None = None) -> Covariate:
    """Of one level; it is compared with the baseline, or, of "off", with the end of its slope."""
    words = format_value(level)
    has_level = np.array([value == level for value in values], dtype=bool)
    instead = "" if baseline is None else f" instead of {format_value(baseline)}"
    return Covariate(f"{title} {words}{instead}", name, has_level.astype(np.float64), has_level, words)


def _with_interaction(
    chosen: list[Covariate], dimensions: tuple[str | None, str | None], events: int
) -> tuple[list[Covariate], list[str]]:
    """The covariates with the product of two slopes, if both are there and the events allow it; and what to say."""
    slopes = {covariate.dimension: covariate for covariate in chosen if covariate.level is None}
    one, other = (slopes.get(name or "") for name in dimensions)
    if one is None or other is None:
        return chosen, []
    effect = f"{one.subject} x {other.subject}"
    product = Covariate(effect, f"{one.dimension} x {other.dimension}", one.values * other.values)
    if events < EVENTS_PER_INTERACTION * (len(chosen) + 1):
        return chosen, [
            f"Too few divergences ({events} that can be compared, {EVENTS_PER_INTERACTION} are needed per effect) "
            f"for the interaction {effect}."
        ]
    if not _adds(chosen, product):
        return chosen, []
    return [*chosen, product], [
        f"With the interaction in the model, the effect of {one.subject} holds at {other.middle}, and that of "
        f"{other.subject} at {one.middle}."
    ]


# -- numbers -----------------------------------------------------------------------------------------------------------


def _adds(known: list[Covariate], covariate: Covariate) -> bool:
    """Whether a covariate is no combination of a constant and the known ones."""
    columns = [standardized(each.values) for each in [*known, covariate]]
    matrix = np.column_stack([np.ones(len(covariate.values)), *columns])
    rank = np.linalg.matrix_rank(matrix, tol=1e-6 * math.sqrt(len(matrix)))
    return bool(rank == matrix.shape[1])


def standardized(values: Array) -> Array:
    """Values with mean 0 and standard deviation 1, (trials,); zeros for a constant."""
    deviation = spread(values)
    return (values - values.mean()) / deviation if deviation > 0 else np.zeros_like(values)


def spread(values: Array) -> float:
    """The standard deviation; 0 for a constant, whatever rounding says."""
    if not len(values) or np.ptp(values) <= 1e-12 * np.abs(values).max():
        return 0.0
    return float(values.std())
