"""What each dimension does to the hazard of divergence: the ratios of a proportional hazards model.

They speak of the search space as a whole: one number for an effect that may differ from place to place.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from stability_sweep.analysis.proportion import CONFIDENCE
from stability_sweep.analysis.survival import with_times
from stability_sweep.space.axes import format_value
from stability_sweep.space.dimensions import Choices, Range, Value
from stability_sweep.space.off import OFF
from stability_sweep.space.search_space import SearchSpace
from stability_sweep.typing import Array

MOST_COX_TRIALS = 4000
"""A study with more trials is judged by a random sample of them, for speed."""

EVENTS_PER_COEFFICIENT = 5
"""Fewest events for a coefficient of a dimension (E. Vittinghoff, C. E. McCulloch, Am. J. Epidemiol. 165, 2007)."""

EVENTS_PER_INTERACTION = 10
"""Fewest events per coefficient in a model with an interaction (P. Peduzzi et al., J. Clin. Epidemiol. 48, 1995)."""

INTERACTIONS = (("learning_rate", "batch_size"),)

DOUBLINGS_SPAN = 4
"""Choices of positive numbers that span this factor are read as doublings, others from the lowest to the highest."""

RIDGE = 1e-3
"""Penalty on squared coefficients of standardized covariates: a separated effect ends far out, not at infinity."""

MOST_RIDGE_SHARE = 0.01
"""An effect is reported only if the ridge holds at most this share of what is known about it, so it moves nothing."""

HEAVY_TIES = 0.25


Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class HazardEffects:
    """Hazard ratios, and what to know about them."""

    table: pd.DataFrame
    """Columns as in `hazard_effects`."""
    note: str
    """What was left out and why, and where main effects beside an interaction hold, in sentences; may be empty."""


@dataclass(frozen=True)
class _Covariate:
    effect: str
    dimension: str
    values: Array
    """One per trial; zero is the middle of a range, or the absence of a level."""
    level: Mask | None = None
    """Of an indicator: the trials that have the level."""
    middle: str = ""
    """Of a slope: the value at zero, in words."""

    def reason(self, event: Mask) -> str:
        """Its name, and the reason why its hazard ratio is not finite where that is simple."""
        if self.level is None:
            return self.effect
        total, events = int(self.level.sum()), int(event[self.level].sum())
        how_many = {0: "none", total: "all"}.get(events, str(events))
        return f"{self.effect} ({how_many} of its {total} trials diverged)"


def hazard_effects(frame: pd.DataFrame, space: SearchSpace, *, seed: int = 0) -> HazardEffects:
    """By which factor each dimension multiplies the hazard of divergence, the others held fixed.

    A proportional hazards model (D. R. Cox, J. R. Stat. Soc. B 34, 1972) with Efron's treatment of trials that diverge
    in the same step (B. Efron, J. Am. Stat. Assoc. 72, 1977), and Wald's intervals. Log ranges count in decades,
    choices of positive numbers over a factor of 4 or more in doublings, other numbers from the low end to the high end;
    of unordered choices every one is compared with the first. "Off" is compared with the high end of its range.

    The interaction of learning rate and batch size is in the model where there are 10 events per coefficient: the
    factor by which one dimension's hazard ratio changes per unit of the other. The main effects then hold at the middle
    of the other's range.

    Args:
        frame: a study's trials, from `study_frame`.
        space: its search space.
        seed: of the sample that is taken where there are more than 4,000 trials.

    Returns:
        One row per effect that the trials can tell: ``effect`` (in words), ``dimension``, ``hazard_ratio``, ``low``,
        ``high`` (95%), ``p_value`` (of no effect), ``trials`` and ``events`` (all of the model's; those with the level
        for an effect of one level). The note names every effect that is missing. It is also the place of warnings:
        trials that all diverge in a few steps make hazard ratios too close to 1 (I. Hertz-Picciotto, B. Rockhill,
        Biometrics 53, 1997).
    """
    trials = with_times(frame)
    notes = []
    if len(trials) > MOST_COX_TRIALS:
        notes.append(f"From a random sample of {MOST_COX_TRIALS} of {len(trials)} trials.")
        trials = trials.sample(MOST_COX_TRIALS, random_state=seed)
    time, event = trials["time"].to_numpy(), trials["event"].to_numpy()
    informative = event & ~_last_to_go(time, event)
    chosen: list[_Covariate] = []
    if informative.any():
        chosen = _choose(_covariates(trials, space), int(informative.sum()), notes)
    else:
        nothing = "No trial outlasted another's divergence: there is nothing to compare."
        notes.append(nothing if event.any() else "No trial diverged.")
    rows = _fit(time, event, informative, chosen, notes) if chosen else []
    notes += _tie_note(time[informative], len(trials))
    names = ["effect", "dimension", "hazard_ratio", "low", "high", "p_value", "trials", "events"]
    return HazardEffects(pd.DataFrame(rows, columns=names), " ".join(notes))


def _last_to_go(time: npt.NDArray[np.int64], event: Mask) -> Mask:
    """Trials of the last step if all of them diverged in it: with nobody left to compare with they tell nothing.

    Efron's approximation would read "no difference" into them.
    """
    last: Mask = time == time.max(initial=0)
    return last & bool(event[last].all())


def _tie_note(steps: npt.NDArray[np.int64], trials: int) -> list[str]:
    if not len(steps):
        return []
    distinct, counts = np.unique(steps, return_counts=True)
    most = int(counts.max())
    if most < 2 or most <= HEAVY_TIES * len(steps):
        return []
    step = int(distinct[counts.argmax()])
    return [f"{most} of {trials} trials diverged in step {step}; such ties pull hazard ratios towards 1."]


def _covariates(trials: pd.DataFrame, space: SearchSpace) -> list[list[_Covariate]]:
    """The covariates of every dimension that is searched."""
    axes = space.axes
    return [
        _of_dimension(name, axes[name].title, dimension, trials[name].tolist())
        for name, dimension in space.items()
        if not (isinstance(dimension, Choices) and len(dimension.choices) == 1)
    ]


def _of_dimension(name: str, title: str, dimension: Range | Choices, values: list[Value]) -> list[_Covariate]:
    if isinstance(dimension, Choices) and not dimension.is_ordered:
        # The first that was tried; a level that never was is a constant, which `_choose` names.
        first, *others = sorted(dimension.grid(0), key=lambda level: level not in values)
        texts = {value: f"{title} {format_value(value)} instead of {format_value(first)}" for value in others}
        return [_indicator(texts[other], name, [value == other for value in values]) for other in others]
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
        positions = np.array([scale(min(float(value), high)) for value in values])
        middle = format_value(math.sqrt(low * high) if base else (low + high) / 2)
        found.append(_Covariate(f"{title}, {unit}", name, positions, middle=f"{title} {middle}"))
    if has_off:
        found.append(_indicator(f"{title} off", name, [math.isinf(float(value)) for value in values]))
    return found


def _scale(low: float, high: float, base: int | None) -> tuple[Callable[[float], float], str]:
    """Where a number lies, zero in the middle of the range, and the unit of that place in words."""
    if base is None:
        unit = f"from {format_value(float(low))} to {format_value(float(high))}"
        return lambda value: (value - low) / (high - low) - 0.5, unit
    middle = math.log(low * high, base) / 2
    return lambda value: math.log(value, base) - middle, "per decade" if base == 10 else "per doubling"


def _indicator(effect: str, dimension: str, has_level: Sequence[bool]) -> _Covariate:
    level = np.array(has_level, dtype=bool)
    return _Covariate(effect, dimension, level.astype(np.float64), level)


def _choose(dimensions: list[list[_Covariate]], events: int, notes: list[str]) -> list[_Covariate]:
    """The covariates that the trials tell apart, as many dimensions as the events allow, in the study's order."""
    chosen: list[_Covariate] = []
    alike: list[_Covariate] = []
    crowded: list[_Covariate] = []
    for dimension in dimensions:
        fresh: list[_Covariate] = []
        for covariate in dimension:
            (fresh if _adds([*chosen, *fresh], covariate) else alike).append(covariate)
        if events < EVENTS_PER_COEFFICIENT * len([*chosen, *fresh]):
            crowded += fresh
        else:
            chosen += fresh
    if alike:
        notes.append(f"Constant, or not to be told from the other effects: {_names(alike)}.")
    if crowded:
        notes.append(
            f"Too few divergences ({events} that can be compared, {EVENTS_PER_COEFFICIENT} are needed per effect) for: "
            f"{_names(crowded)}."
        )
    return _with_interactions(chosen, events, notes)


def _adds(known: list[_Covariate], covariate: _Covariate) -> bool:
    """Whether a covariate is no combination of a constant and the known ones."""
    columns = [_standardized(each.values) for each in [*known, covariate]]
    matrix = np.column_stack([np.ones(len(covariate.values)), *columns])
    rank = np.linalg.matrix_rank(matrix, tol=1e-6 * math.sqrt(len(matrix)))
    return bool(rank == matrix.shape[1])


def _standardized(values: Array) -> Array:
    spread = _spread(values)
    return (values - values.mean()) / spread if spread > 0 else np.zeros_like(values)


def _spread(values: Array) -> float:
    """The standard deviation; 0 for a constant, whatever rounding says."""
    if not len(values) or np.ptp(values) <= 1e-12 * np.abs(values).max():
        return 0.0
    return float(values.std())


def _names(covariates: Sequence[_Covariate]) -> str:
    return "; ".join(covariate.effect for covariate in covariates)


def _with_interactions(chosen: list[_Covariate], events: int, notes: list[str]) -> list[_Covariate]:
    slopes = {covariate.dimension: covariate for covariate in chosen if covariate.level is None}
    for first, second in INTERACTIONS:
        if first not in slopes or second not in slopes:
            continue
        one, other = slopes[first], slopes[second]
        effect = f"{one.effect.split(',')[0]} x {other.effect.split(',')[0]}"
        product = _Covariate(effect, f"{first} x {second}", one.values * other.values)
        if events < EVENTS_PER_INTERACTION * (len(chosen) + 1):
            notes.append(
                f"Too few divergences ({events} that can be compared, {EVENTS_PER_INTERACTION} are needed per effect) "
                f"for the interaction {effect}."
            )
        elif _adds(chosen, product):
            chosen = [*chosen, product]
            names = [each.effect.split(",")[0] for each in (one, other)]
            notes.append(
                f"With the interaction in the model, the effect of {names[0]} holds at {other.middle}, and that of "
                f"{names[1]} at {one.middle}."
            )
    return chosen


def _fit(
    time: npt.NDArray[np.int64], event: Mask, informative: Mask, covariates: list[_Covariate], notes: list[str]
) -> list[dict[str, Any]]:
    """The rows of the table: effects whose estimate rests on the trials and not on the ridge."""
    from scipy.stats import norm
    from statsmodels.duration.hazard_regression import PHReg  # type: ignore[import-untyped]  # slow to import

    matrix = np.column_stack([_standardized(covariate.values) for covariate in covariates])
    model = PHReg(time.astype(np.float64), matrix, status=informative.astype(np.float64), ties="efron")
    coefficients, variances = _maximize(model, matrix.shape[1])
    rows, endless = [], []
    for covariate, coefficient, variance in zip(covariates, coefficients, variances, strict=True):
        if not variance * RIDGE <= MOST_RIDGE_SHARE:
            endless.append(covariate)
            continue
        error = math.sqrt(variance)
        reach = float(norm.isf((1 - CONFIDENCE) / 2)) * error
        ends = np.array([coefficient, coefficient - reach, coefficient + reach]) / _spread(covariate.values)
        ratio, low, high = np.exp(np.clip(ends, -700, 700)).tolist()
        among = covariate.level if covariate.level is not None else np.ones(len(event), dtype=bool)
        rows.append(
            {
                "effect": covariate.effect,
                "dimension": covariate.dimension,
                "hazard_ratio": ratio,
                "low": low,
                "high": high,
                "p_value": float(2 * norm.sf(abs(coefficient) / error)),
                "trials": int(among.sum()),
                "events": int(event[among].sum()),
            }
        )
    if endless:
        notes.append(f"The trials give no finite estimate of: {'; '.join(each.reason(event) for each in endless)}.")
    return rows


def _maximize(model: Any, size: int) -> tuple[Array, Array]:
    """Coefficients and their variances at the maximum of the partial likelihood with its ridge.

    Newton's method with halved steps. `PHReg.fit` takes full steps, and overflows where the likelihood has no maximum.
    """
    coefficients = np.zeros(size)

    def height(at: Array) -> float:
        return float(model.loglike(at)) - RIDGE / 2 * float(at @ at)

    def curvature(at: Array) -> Array:
        return -np.asarray(model.hessian(at), dtype=np.float64) + RIDGE * np.eye(size)

    with np.errstate(all="ignore"):
        best = height(coefficients)
        for _ in range(100):
            step = np.linalg.solve(curvature(coefficients), model.score(coefficients) - RIDGE * coefficients)
            steps = (coefficients + step / 2**halvings for halvings in range(20))
            # Far out all weights of a risk set underflow, and the height is infinite: such a step is too long, too.
            higher = next((at for at in steps if best < height(at) < math.inf), None)
            if higher is None:
                break
            gain, coefficients = height(higher) - best, higher
            best += gain
            if gain < 1e-9:
                break
        variances = np.diag(np.linalg.inv(curvature(coefficients)))
    return coefficients, variances
