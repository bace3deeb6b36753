"""How well a study knows its 50% line, with all its crossings, and whether it may stop because it knows enough.

The figure alone is only as good as the model: a crossing that no trial has met is not in its band. So a study may stop
only if besides no stretch of the learning rate is unseen, and if the trials that filled gaps came out as the model of
the other trials would have forecast.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from stability_sweep.analysis.forecast import ForecastCheck, check_forecast
from stability_sweep.analysis.lines import Line, lines_of
from stability_sweep.analysis.surface import Surface, fit_surface
from stability_sweep.analysis.unseen import UnseenStretch, widest_unseen
from stability_sweep.space.axes import format_value
from stability_sweep.space.dimensions import Choices, Range
from stability_sweep.space.roles import BATCH_SIZE, LEARNING_RATE
from stability_sweep.space.search_space import SearchSpace
from stability_sweep.typing import Array

HALF = 0.5

SHARE = 0.95
"""Of the draws from the posterior that are on the wrong side over no longer stretch than the figure says."""

FINE = 8
"""Parts into which the space between two rates is divided."""

MOST_UNSEEN_DECADES = 0.5
"""A study may not stop while a wider stretch of the learning rate is unseen at any batch size."""

NEAR_THE_LINE = 0.5
"""Share of the trials that a sampler can spend at the line: the rest looks elsewhere."""


@dataclass(frozen=True)
class Precision:
    """How well the 50% line is known where it is known least, and what else there is to know before a study stops."""

    decades: float
    """The longest stretch of log10(learning rate) at one batch size and band of clipping over which the map may have
    the wrong side, at 95%."""
    trials: int
    """Trials that it rests on."""
    batch_size: float | None
    """Where the line is known least; None in a study that has no batch size."""
    clip: str | None
    """The band of clipping there, in words; None in a study that has no clip norm."""
    unseen: UnseenStretch
    """The widest stretch of the learning rate without a trial."""
    forecast: ForecastCheck
    """Whether trials that filled gaps came out as forecast."""
    attainable_decades: float | None
    """About what the whole budget can give where the outcome is chance over the widest stretch; None without a budget,
    or where the map has no crossing."""

    def why_not(self, asked_decades: float) -> list[str]:
        """What keeps the study from stopping, one reason each; empty if nothing does."""
        reasons = []
        if self.decades > asked_decades:
            place = self._place() and f", at {self._place()}"
            reasons.append(f"the line is known to within {self.decades:.2g} decades only{place}")
        if self.unseen.decades > MOST_UNSEEN_DECADES:
            reasons.append(f"{self.unseen} ({MOST_UNSEEN_DECADES:g} may be)")
        if not self.forecast.passed:
            reasons.append(str(self.forecast))
        return reasons

    def is_out_of_reach(self, asked_decades: float) -> bool:
        """Whether this problem's own noise does not allow the precision within the budget."""
        return self.attainable_decades is not None and self.attainable_decades > asked_decades

    def in_words(self, asked_decades: float) -> str:
        """``known to within 0.14 decades after 83 trials (asked: 0.1). Not enough to stop: ...``."""
        least = self._place() and f"; least known at {self._place()}"
        asked = f"(asked: {asked_decades:g}{least})"
        known = f"known to within {self.decades:.2g} decades after {self.trials} trials {asked}"
        reasons = self.why_not(asked_decades)
        enough = f"Enough to stop: {self.forecast}, and {self.unseen}"
        parts = [known, f"Not enough to stop: {'; '.join(reasons)}" if reasons else enough]
        if self.is_out_of_reach(asked_decades):
            parts.append(f"Out of reach here: the budget gives about {self.attainable_decades:.2g} decades")
        return ". ".join(parts)

    def _place(self) -> str:
        parts = [
            *([] if self.batch_size is None else [f"batch size {format_value(self.batch_size)}"]),
            *([] if self.clip is None else [f"clip norm {self.clip}"]),
        ]
        return ", ".join(parts)


def line_precision(
    frame: pd.DataFrame, space: SearchSpace, *, budget_trials: int | None = None, seed: int = 0
) -> Precision | None:
    """How well the 50% line is known, where it is known least; None where there is no line.

    There is none with too few trials for a surface, and none in a study without a learning rate. Dimensions without a
    role stand at the baseline (`analysis.baseline`).

    Args:
        frame: trials from `study_frame`; failed ones are left out.
        space: its search space; the learning rate is a logarithmic range.
        budget_trials: of the study, for what it can attain.
        seed: of the draws.
    """
    if not isinstance(space.get(space.role(LEARNING_RATE) or ""), Range):
        return None
    surface = fit_surface(frame, space, seed=seed)
    lines = [] if surface is None else list(lines_of(surface, space, seed=seed))
    if surface is None or not lines:
        return None
    return precision_of(frame, space, surface, lines, budget_trials=budget_trials, seed=seed)


def precision_of(
    frame: pd.DataFrame,
    space: SearchSpace,
    surface: Surface,
    lines: list[Line],
    *,
    budget_trials: int | None = None,
    seed: int = 0,
) -> Precision:
    """`line_precision` of a surface that is there already.

    Args:
        frame: trials from `study_frame`.
        space: its search space.
        surface: of those trials.
        lines: of the surface, at least one, by the horizon.
        budget_trials: of the study, for what it can attain.
        seed: of the choice of trials.
    """
    figures = [wrong_stretch(line) for line in lines]
    worst = lines[int(np.argmax(figures))]
    return Precision(
        decades=max(figures),
        trials=surface.trials,
        batch_size=None if worst.batch_size is None else float(worst.batch_size),
        clip=worst.clip,
        unseen=widest_unseen(frame, space),
        forecast=check_forecast(frame, surface, space, seed=seed),
        attainable_decades=None if budget_trials is None else _attainable(lines, surface, space, budget_trials),
    )


def wrong_stretch(line: Line) -> float:
    """The longest stretch, in decades, over which 95% of the draws are at most on another side than the median.

    Where the line is crossed once, that is how far off the crossing may be; a second crossing that may be there counts
    by the width of what lies between.
    """
    positions = np.log10(line.rates)
    fine = np.interp(np.arange((len(positions) - 1) * FINE + 1) / FINE, np.arange(len(positions)), positions)
    side = _logits_at(fine, positions, line.median[None, :]) > 0
    other = (_logits_at(fine, positions, line.draws) > 0) != side
    widths = np.gradient(fine)
    return float(np.quantile([_longest(row, widths) for row in other], SHARE))


def _logits_at(fine: Array, positions: Array, probability: Array) -> Array:
    """Logits between the rates, (curves, fine positions): there the line is nearly straight."""
    logits = np.log(probability / (1 - probability))
    return np.stack([np.interp(fine, positions, row) for row in logits])


def _longest(other: Array, widths: Array) -> float:
    """The greatest sum of widths over a run of true values."""
    total, longest = 0.0, 0.0
    for is_other, width in zip(other, widths, strict=True):
        total = total + width if is_other else 0.0
        longest = max(longest, total)
    return longest


def _attainable(lines: list[Line], surface: Surface, space: SearchSpace, trials: int) -> float | None:
    """The figure that so many trials would give, were half of them at the line: what a logistic curve allows.

    Where P rises with a slope of b logits per decade, one trial at the line tells its place to within 2 / b decades
    (the square root of the inverse Fisher information b^2 / 4), and n trials to within 2 / (b sqrt(n)). Batch sizes
    within a length of the kernel share their trials.
    """
    slopes = [slope for line in lines for slope in _slopes(line)]
    if not slopes:
        return None
    batch, share = space.role(BATCH_SIZE), 1.0
    if batch is not None and batch in surface.encoding.names:
        along = surface.by_horizon.processes[0].kernel.lengths[surface.encoding.first_coordinate(batch)]
        choices = space[batch]
        share = min(1.0, max(along, 1 / len(choices.grid(0)) if isinstance(choices, Choices) else 0.1))
    near = max(1.0, trials * NEAR_THE_LINE * share)
    return 2 * 1.96 / (min(slopes) * math.sqrt(near))


def _slopes(line: Line) -> Iterator[float]:
    """How steeply the median passes one half at every crossing, in logits per decade."""
    logits = np.log(line.median / (1 - line.median))
    positions = np.log10(line.rates)
    for upper in np.flatnonzero(np.diff(np.sign(logits)) != 0) + 1:
        yield float(max(abs(logits[upper] - logits[upper - 1]) / (positions[upper] - positions[upper - 1]), 1e-3))
