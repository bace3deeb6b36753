"""What each dimension does to the hazard of divergence: the ratios of a proportional hazards model.

They speak of the search space as a whole: one number for an effect that may differ from region to region.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from stability_sweep.analysis.covariates import Covariate, choose_covariates, spread, standardized
from stability_sweep.analysis.groups import with_times
from stability_sweep.analysis.proportion import CONFIDENCE
from stability_sweep.results import columns
from stability_sweep.space.search_space import SearchSpace
from stability_sweep.typing import Array, Integers, Mask

MOST_COX_TRIALS = 4000
"""A study with more trials is judged by a random sample of them, for speed."""

PRIOR_SCALE = 5.0
"""Standard deviation of the prior of a log hazard ratio: a weak one, that keeps a separated effect finite."""

MOST_PRIOR_SHARE = 0.1
"""The note names an effect if the prior holds more than this share of what is known about it."""

HEAVY_TIES = 0.25
"""The note warns where more than this share of the divergences that can be compared happened in one step."""

MOST_STEPS, MOST_HALVINGS = 100, 20
"""Of Newton's method."""

CONVERGED = 1e-9
"""It ends where a step raises the log likelihood by less."""

COLUMNS = [
    columns.EFFECT,
    columns.DIMENSION,
    columns.LEVEL,
    columns.HAZARD_RATIO,
    columns.LOW,
    columns.HIGH,
    columns.P_VALUE,
    columns.TRIALS,
    columns.EVENTS,
]
"""Of the table."""


@dataclass(frozen=True)
class HazardEffects:
    """Hazard ratios, and what to know about them."""

    table: pd.DataFrame
    """Columns as in `hazard_effects`."""
    note: str
    """What cannot be told and why, and where main effects beside an interaction hold, in sentences; may be empty."""


def hazard_effects(frame: pd.DataFrame, space: SearchSpace, *, seed: int = 0) -> HazardEffects:
    """By which factor each dimension multiplies the hazard of divergence, the others held fixed.

    A proportional hazards model (D. R. Cox, J. R. Stat. Soc. B 34, 1972) with Efron's treatment of trials that diverge
    in the same step (B. Efron, J. Am. Stat. Assoc. 72, 1977), and Wald's intervals. A weak normal prior keeps effects
    finite and no effect out: however few trials diverged, its interval says how little is known. Log ranges count in
    decades, batch sizes in doublings, other ranges from the low end to the high end; of other choices every one is
    compared with the baseline. "Off" is compared with the high end of its range.

    The interaction of learning rate and batch size is in the model where there are 10 events per coefficient: the
    factor by which one dimension's hazard ratio changes per unit of the other. The main effects then hold at the middle
    of the other's range.

    Args:
        frame: a study's trials, from `study_frame`.
        space: its search space.
        seed: of the sample that is taken where there are more than 4,000 trials.

    Returns:
        One row per effect: ``effect`` (in words), ``dimension``, ``level`` (that is compared with the baseline; None of
        a slope), ``hazard_ratio``, ``low``, ``high`` (95%), ``p_value`` (of no effect), ``trials`` and ``events`` (all
        of the model's; those with the level for an effect of one level). The note names every effect that is missing,
        and those that the prior holds. It also warns: trials that all diverge in a few steps make hazard ratios too
        close to 1 (I. Hertz-Picciotto, B. Rockhill, Biometrics 53, 1997).
    """
    trials = with_times(frame)
    notes: list[str] = []
    if len(trials) > MOST_COX_TRIALS:
        notes.append(f"From a random sample of {MOST_COX_TRIALS} of {len(trials)} trials.")
        trials = trials.sample(MOST_COX_TRIALS, random_state=seed)
    time, event = trials[columns.TIME].to_numpy(), trials[columns.EVENT].to_numpy()
    informative = event & ~_last_to_go(time, event)
    rows: list[dict[str, Any]] = []
    if informative.any():
        chosen, left_out = choose_covariates(trials, space, int(informative.sum()))
        notes += left_out
        if chosen:
            rows, held = _fit(time, event, informative, chosen)
            notes += held
    else:
        nothing = "No trial outlasted another's divergence: there is nothing to compare."
        notes.append(nothing if event.any() else "No trial diverged.")
    notes += _tie_note(time[informative], len(trials))
    return HazardEffects(pd.DataFrame(rows, columns=COLUMNS), " ".join(notes))


def _last_to_go(time: Integers, event: Mask) -> Mask:
    """Trials of the last step if all of them diverged in it: with nobody left to compare with they tell nothing.

    Efron's approximation would read "no difference" into them.
    """
    last: Mask = time == time.max(initial=0)
    return last & bool(event[last].all())


def _tie_note(steps: Integers, trials: int) -> list[str]:
    if not len(steps):
        return []
    distinct, counts = np.unique(steps, return_counts=True)
    most = int(counts.max())
    if most < 2 or most <= HEAVY_TIES * len(steps):
        return []
    step = int(distinct[counts.argmax()])
    return [f"{most} of {trials} trials diverged in step {step}; such ties pull hazard ratios towards 1."]


def _fit(
    time: Integers, event: Mask, informative: Mask, covariates: Sequence[Covariate]
) -> tuple[list[dict[str, Any]], list[str]]:
    """The rows of the table, and what to say of effects that the prior holds.

    Args:
        time: steps under observation, (trials,).
        event: whether a trial diverged, (trials,).
        informative: the divergences that can be compared with another trial, (trials,).
        covariates: at least one.
    """
    from statsmodels.duration.hazard_regression import PHReg  # type: ignore[import-untyped]  # slow to import

    matrix = np.column_stack([standardized(covariate.values) for covariate in covariates])
    model = PHReg(time.astype(np.float64), matrix, status=informative.astype(np.float64), ties="efron")
    precision = np.array([1 / (PRIOR_SCALE * spread(covariate.values)) ** 2 for covariate in covariates])
    coefficients, variances = _maximize(model, precision)
    rows, held = [], []
    for covariate, coefficient, variance, prior in zip(covariates, coefficients, variances, precision, strict=True):
        rows.append(_row(covariate, coefficient, math.sqrt(variance), event))
        if variance * prior > MOST_PRIOR_SHARE:  # 1 / variance is what is known of the coefficient, prior included
            held.append(covariate.reason(event))
    return rows, [f"Mostly held by the prior, for lack of evidence: {'; '.join(held)}."] if held else []


def _row(covariate: Covariate, coefficient: float, error: float, event: Mask) -> dict[str, Any]:
    """One effect, from the coefficient of its standardized covariate and that coefficient's standard error."""
    from scipy.stats import norm

    reach = float(norm.isf((1 - CONFIDENCE) / 2)) * error
    ends = np.array([coefficient, coefficient - reach, coefficient + reach]) / spread(covariate.values)
    ratio, low, high = np.exp(np.clip(ends, -700, 700)).tolist()  # exp(710) is no float
    among = covariate.level if covariate.level is not None else np.ones(len(event), dtype=bool)
    return {
        columns.EFFECT: covariate.effect,
        columns.DIMENSION: covariate.dimension,
        columns.LEVEL: covariate.level_words,
        columns.HAZARD_RATIO: ratio,
        columns.LOW: low,
        columns.HIGH: high,
        columns.P_VALUE: float(2 * norm.sf(abs(coefficient) / error)),
        columns.TRIALS: int(among.sum()),
        columns.EVENTS: int(event[among].sum()),
    }


def _maximize(model: Any, precision: Array) -> tuple[Array, Array]:
    """Coefficients and their variances at the maximum of the partial likelihood with its prior.

    Newton's method with halved steps. `PHReg.fit` takes full steps, and overflows where the likelihood has no maximum.
    """
    coefficients = np.zeros(len(precision))

    def height(at: Array) -> float:
        return float(model.loglike(at)) - float(precision @ at**2) / 2

    def curvature(at: Array) -> Array:
        return -np.asarray(model.hessian(at), dtype=np.float64) + np.diag(precision)

    with np.errstate(all="ignore"):
        best = height(coefficients)
        for _ in range(MOST_STEPS):
            step = np.linalg.solve(curvature(coefficients), model.score(coefficients) - precision * coefficients)
            steps = (coefficients + step / 2**halvings for halvings in range(MOST_HALVINGS))
            # Far out all weights of a risk set underflow, and the height is infinite: such a step is too long, too.
            higher = next((at for at in steps if best < height(at) < math.inf), None)
            if higher is None:
                break
            gain, coefficients = height(higher) - best, higher
            best += gain
            if gain < CONVERGED:
                break
        variances = np.diag(np.linalg.inv(curvature(coefficients)))
    return coefficients, variances
