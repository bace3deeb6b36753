"""Time to divergence: survival curves, hazards, and the chance of divergence at a horizon that nobody has run.

A diverged trial is an event at its divergence step. Every other trial is *censored* at the steps that it ran: all we
know is that it would have diverged later, if at all. Failed trials are left out. Steps count from 1.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from stability_sweep.analysis.proportion import CONFIDENCE
from stability_sweep.results.outcome import Outcome
from stability_sweep.sources.frame import counted
from stability_sweep.space.axes import Axis
from stability_sweep.space.dimensions import Value
from stability_sweep.typing import Array

MOST_GROUPS = 5
"""More curves than these cannot be told apart in one figure."""

MOST_ROWS = 300
"""Rows of one curve; a thinned curve is nowhere wrong by more than about a 300th of its whole drop."""

HAZARD_STEPS = 1000
"""Hazards are events per this many steps."""

TAIL = (1 - CONFIDENCE) / 2

SUREST = 0.999
"""The low end of an extrapolated P(diverge) is at most this: an assumption makes nothing certain."""

Integers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class BandGroups:
    """An axis cut into a few groups of neighbouring bands."""

    axis: Axis
    labels: tuple[str, ...]
    """What each group holds, in words."""
    of_band: tuple[int, ...]
    """The group of every band of the axis."""

    @classmethod
    def of_axis(cls, axis: Axis) -> BandGroups:
        """At most `MOST_GROUPS` groups, about equally many bands in each; "off" is never merged."""
        bands = range(len(axis.labels))
        off = [band for band in bands if axis.labels[band] == "off"]
        others = [band for band in bands if band not in off]
        if len(axis.labels) <= MOST_GROUPS:
            runs = [[band] for band in bands]
        else:
            parts = np.array_split(np.array(others), MOST_GROUPS - len(off))
            runs = [*(part.tolist() for part in parts), *([band] for band in off)]
        group_of = {band: group for group, run in enumerate(runs) for band in run}
        return cls(axis, tuple(_label(axis, run) for run in runs), tuple(group_of[band] for band in bands))

    def of_values(self, values: Iterable[Value]) -> Integers:
        """The group of every value."""
        return np.array(self.of_band, dtype=np.int64)[self.axis.bands(values)]


def _label(axis: Axis, run: Sequence[int]) -> str:
    texts = [axis.labels[band] for band in run]
    if len(texts) == 1:
        return texts[0]
    if axis.values and not all(isinstance(axis.values[band], (int, float)) for band in run):
        return ", ".join(texts)
    return f"{texts[0].split(' to ')[0]} to {texts[-1].split(' to ')[-1]}"


def with_times(frame: pd.DataFrame) -> pd.DataFrame:
    """The trials that survival analysis can use, in the order of their numbers, with two columns more.

    Returns:
        The frame without failed trials and without those that began no step; ``time`` (steps under observation, at
        least 1) and ``event`` (whether the trial diverged in the last of them).
    """
    trials = counted(frame)
    event = trials["outcome"] == Outcome.DIVERGED.value
    times = trials["divergence_step"].where(event, trials["steps"])
    trials = trials.assign(time=times, event=event)[times.fillna(0) >= 1]
    return trials.astype({"time": "int64", "event": "bool"}).sort_values("number")


@dataclass(frozen=True)
class _KaplanMeier:
    """The product-limit estimate (E. L. Kaplan, P. Meier, J. Am. Stat. Assoc. 53, 1958) of one group of trials.

    Arrays hold one entry per step in which a trial diverged, after a first entry for step 0.
    """

    times: Integers
    """Every trial's time under observation, ascending."""
    steps: Integers
    survival: Array
    low: Array
    high: Array
    events: Integers
    """Events up to and including the step."""

    @classmethod
    def of(cls, trials: pd.DataFrame) -> _KaplanMeier:
        """From the rows of `with_times`; at least one."""
        from statsmodels.duration.survfunc import SurvfuncRight  # type: ignore[import-untyped]  # slow to import

        times, event = trials["time"].to_numpy(), trials["event"].to_numpy()
        ordered = np.sort(times)
        if not event.any():
            one = np.ones(1)
            return cls(ordered, np.zeros(1, dtype=np.int64), one, one, one, np.zeros(1, dtype=np.int64))
        found = SurvfuncRight(times, event.astype(np.float64))
        low, high = _limits(found.surv_prob, found.surv_prob_se, int(found.n_risk[-1]))
        return cls(
            ordered,
            np.concatenate([[0], found.surv_times]).astype(np.int64),
            np.concatenate([[1.0], found.surv_prob]),
            np.concatenate([[1.0], low]),
            np.concatenate([[1.0], high]),
            np.concatenate([[0], np.cumsum(found.n_events)]).astype(np.int64),
        )

    @property
    def last_step(self) -> int:
        """The longest time under observation."""
        return int(self.times[-1])

    def at(self, steps: npt.ArrayLike) -> pd.DataFrame:
        """The estimate at any steps up to `last_step`, ascending; columns as in `survival_curves`."""
        wanted = np.asarray(steps, dtype=np.int64)
        place = np.searchsorted(self.steps, wanted, side="right") - 1
        at_risk = len(self.times) - np.searchsorted(self.times, wanted, side="left")
        # Where nothing has diverged yet the band has no width; how sure we are follows from the number of trials.
        no_event = (place == 0) & (wanted > 0)
        low = np.where(no_event, TAIL ** (1 / at_risk), self.low[place])
        return pd.DataFrame(
            {
                "step": wanted,
                "survival": self.survival[place],
                "low": low,
                "high": self.high[place],
                "at_risk": at_risk,
                "events": np.diff(self.events[place], prepend=0),
                "total": len(self.times),
            }
        )


def _limits(survival: Array, error: Array, last_at_risk: int) -> tuple[Array, Array]:
    """The pointwise 95% band behind `survival_curves`, at the steps with events; `error` is Greenwood's."""
    from scipy.stats import norm

    inside = survival > 0
    inner = survival[inside]
    spread = np.exp(norm.isf(TAIL) * error[inside] / (inner * -np.log(inner)))
    low, high = np.zeros_like(survival), np.ones_like(survival)
    low[inside], high[inside] = inner**spread, inner ** (1 / spread)
    if not inside[-1]:  # the last trials at risk all diverged: neither logarithm nor error exists
        before = high[-2] if len(high) > 1 else 1.0
        high[-1] = min(before, 1 - TAIL ** (1 / last_at_risk))
    return low, high


def survival_curves(frame: pd.DataFrame, axis: Axis) -> pd.DataFrame:
    """The share of trials that have not diverged yet, by step, for every group of an axis' bands.

    The band is pointwise, 95%, with Greenwood's variance on the log(-log) scale, which keeps it in [0, 1]
    (J. D. Kalbfleisch, R. L. Prentice, The Statistical Analysis of Failure Time Data, 1980, section 1.3). Where that
    scale ends it is exact binomial (C. J. Clopper, E. S. Pearson, Biometrika 26, 1934): before the first event the low
    end is that of no event among the trials at risk; after the last trial has diverged the high end is that of no
    survivor among the last ones at risk, or the one before if that is lower.

    Args:
        frame: a study's trials, from `study_frame`.
        axis: the dimension whose bands are compared; more than 5 are merged (`BandGroups`).

    Returns:
        Columns ``group`` (index), ``label``, ``step``, ``survival`` (after the step), ``low``, ``high``, ``at_risk``
        (trials just before the step), ``events`` (since the row before), ``total`` (trials of the group). A curve
        starts at step 0 with 1, goes on at step 1, and ends at the longest time under observation; between two rows
        it is flat. It has at most 300 rows. Groups without trials are left out.
    """
    tables = []
    for group, label, trials in _grouped(frame, axis):
        curve = _KaplanMeier.of(trials)
        table = curve.at(_thinned(curve))
        table.insert(0, "group", group)
        table.insert(1, "label", label)
        tables.append(table)
    names = ["group", "label", "step", "survival", "low", "high", "at_risk", "events", "total"]
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=names)


def _grouped(frame: pd.DataFrame, axis: Axis) -> Iterator[tuple[int, str, pd.DataFrame]]:
    """Index, label and trials of every group that has trials."""
    trials, groups = with_times(frame), BandGroups.of_axis(axis)
    places = groups.of_values(trials[axis.name].tolist())
    for group, label in enumerate(groups.labels):
        inside = places == group
        if inside.any():
            yield group, label, trials[inside]


def _thinned(curve: _KaplanMeier) -> Integers:
    """The steps of a curve's rows: the first in every bin of the drop, so that no drawn step is missed by more."""
    steps: Integers = np.unique(np.concatenate([curve.steps, [1, curve.last_step]]))
    if len(steps) <= MOST_ROWS:
        return steps
    lost = 1 - curve.at(steps)["survival"].to_numpy()
    bins = np.floor(lost / lost[-1] * (MOST_ROWS - 3))
    keep = np.diff(bins, prepend=-1) > 0
    keep[[0, 1, -1]] = True
    kept: Integers = steps[keep]
    return kept


def hazard_by_band(frame: pd.DataFrame, axis: Axis) -> pd.DataFrame:
    """How many trials diverge per 1,000 steps trained, for the groups of `survival_curves`.

    The interval is the exact one for a Poisson count (F. Garwood, Biometrika 28, 1936), 95%; it takes the hazard to
    be constant over steps and trials of a group, so a curve that is steep at first has no such single number.

    Returns:
        Columns ``group``, ``label``, ``trials``, ``events``, ``steps`` (trained, the diverging ones included),
        ``hazard``, ``low``, ``high`` (per 1,000 steps). Groups without trials are left out.
    """
    rows = []
    for group, label, trials in _grouped(frame, axis):
        events, steps = int(trials["event"].sum()), int(trials["time"].sum())
        low, high = poisson_interval(events)
        scale = HAZARD_STEPS / steps
        rows.append((group, label, len(trials), events, steps, events * scale, low * scale, high * scale))
    return pd.DataFrame(rows, columns=["group", "label", "trials", "events", "steps", "hazard", "low", "high"])


def poisson_interval(count: int) -> tuple[float, float]:
    """Exact 95% interval for the mean of a Poisson variable that was seen to be `count` (Garwood, 1936)."""
    from scipy.stats import chi2

    low = float(chi2.ppf(TAIL, 2 * count)) / 2 if count else 0.0
    return low, float(chi2.isf(TAIL, 2 * count + 2)) / 2


@dataclass(frozen=True)
class HorizonEstimate:
    """The probability that a trial diverges within some number of steps."""

    horizon_steps: int
    probability: float
    """NaN without trials, and beyond the horizon of trials that had all diverged: nobody lived that long."""
    low: float
    high: float
    """95% interval; (0, 1) without trials."""
    trials: int
    events: int
    """Trials that diverged, at whatever step."""
    is_extrapolated: bool
    """Whether no trial was observed for so long, so that the number rests on an assumption."""
    late_events: int
    late_steps: int
    """Divergences, and steps trained, in the second half of the observed steps."""


def divergence_at_horizon(frame: pd.DataFrame, horizon_steps: int) -> HorizonEstimate:
    """The probability that a trial has diverged by the end of `horizon_steps`, were it run for so long.

    Up to the longest time under observation L it is one minus the Kaplan-Meier estimate S, with its band. Beyond, it
    is assumed that the hazard h = late events / late steps of the second half (L/2, L] of the observed steps goes on:
    1 - S(L) exp(-h (T - L)) at T steps. The interval takes the ends together, 1 - S_high exp(-h_low (T - L)) and
    1 - S_low exp(-h_high (T - L)), with the exact Poisson interval of h. It is sure to hold in 90% by Bonferroni's
    inequality, and holds in more than 95% where the hazard is constant, because S and h err in the same direction.

    If every trial had diverged by L, none was left whose hazard could go on: beyond their horizons the probability is
    unknown (NaN), and all that is known is that it is no lower than before (the low end stays, the high end is 1).

    The constant hazard is an assumption. Where the hazard falls with the steps (the unstable settings are gone early;
    training calms down) the estimate is too high; where it grows (a learning rate that still warms up) too low.

    Raises:
        ValueError: if the horizon is shorter than one step.
    """
    if horizon_steps < 1:
        raise ValueError(f"expected a horizon of at least 1 step, got {horizon_steps}")
    trials = with_times(frame)
    if trials.empty:
        return HorizonEstimate(horizon_steps, math.nan, 0.0, 1.0, 0, 0, False, 0, 0)
    return _at_horizon(trials, _KaplanMeier.of(trials), horizon_steps)


def horizon_table(frame: pd.DataFrame, axis: Axis, horizons: Sequence[int]) -> pd.DataFrame:
    """`divergence_at_horizon` for every group of `survival_curves` that has trials, and for every horizon in steps.

    Returns:
        Columns ``group``, ``label``, then those of `HorizonEstimate`.
    """
    rows = []
    for group, label, trials in _grouped(frame, axis):
        curve = _KaplanMeier.of(trials)
        rows += [{"group": group, "label": label, **asdict(_at_horizon(trials, curve, steps))} for steps in horizons]
    return pd.DataFrame(rows, columns=["group", "label", *HorizonEstimate.__dataclass_fields__])


def _at_horizon(trials: pd.DataFrame, curve: _KaplanMeier, horizon_steps: int) -> HorizonEstimate:
    last = curve.last_step
    survival, low, high = curve.at([min(horizon_steps, last)])[["survival", "low", "high"]].to_numpy()[0].tolist()
    # Once every trial has diverged, the rest of their horizons is known without being run.
    known = last if survival > 0 else max(last, int(trials["horizon"].max()))
    times, event = trials["time"].to_numpy(), trials["event"].to_numpy()
    late_events = int((event & (times > last // 2)).sum())
    late_steps = int(np.maximum(times - last // 2, 0).sum())
    beyond = max(0, horizon_steps - known) / late_steps
    fewest, most = poisson_interval(late_events)
    is_extrapolated = horizon_steps > known
    probability, ends = 1 - survival, (1 - high, 1 - low)
    if is_extrapolated and survival == 0:
        probability, ends = math.nan, (1 - high, 1.0)
    elif is_extrapolated:
        probability = 1 - survival * math.exp(-late_events * beyond)
        ends = min(1 - high * math.exp(-fewest * beyond), max(SUREST, 1 - high)), 1 - low * math.exp(-most * beyond)
    return HorizonEstimate(
        horizon_steps,
        probability=probability,
        low=ends[0],
        high=ends[1],
        trials=len(trials),
        events=int(event.sum()),
        is_extrapolated=is_extrapolated,
        late_events=late_events,
        late_steps=late_steps,
    )
