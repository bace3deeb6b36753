"""From the losses of a run to its result."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from stability_sweep.engine.settings import OutcomeConfig
from stability_sweep.results.outcome import Divergence, Outcome, TrialResult, is_useful, judge_finite_run
from stability_sweep.typing import Array

SPIKE_WINDOW_STEPS = 25
"""A loss is compared with so many losses before it."""

SPIKE_SIGMAS = 8.0
"""A spike rises so many robust standard deviations above their median."""

SPIKE_SHARE = 0.5
"""It also rises by at least this share of |median|, so that a very quiet run has no spikes of noise."""

MAD_TO_SIGMA = 1.4826
"""A normal distribution's standard deviation over its median absolute deviation."""


@dataclass(frozen=True)
class Spikes:
    """Explosions that came back."""

    count: int
    height: float | None
    """How far the highest rose above the median before it; None without one."""


def find_spikes(losses: Array) -> Spikes:
    """Count the loss spikes of a run.

    A spike begins where a loss exceeds ``m + max(8 σ, 0.5 |m|)``, with m the median of the 25 losses before it and σ
    1.4826 times their median absolute deviation (Hampel's identifier, J. Am. Stat. Assoc. 69, 1974, with a wide
    threshold), and ends where the loss is back under that level. One that lasts to the end of the run did not come
    back and does not count.

    Args:
        losses: (steps,), of all steps; what is not finite ends a spike that never came back.
    """
    if len(losses) <= SPIKE_WINDOW_STEPS:
        return Spikes(0, None)
    before = np.lib.stride_tricks.sliding_window_view(losses, SPIKE_WINDOW_STEPS)[:-1]
    median = np.median(before, axis=1)
    deviation = np.median(np.abs(before - median[:, None]), axis=1)
    levels = median + np.maximum(SPIKE_SIGMAS * MAD_TO_SIGMA * deviation, SPIKE_SHARE * np.abs(median))
    later = losses[SPIKE_WINDOW_STEPS:]
    heights = []
    step = 0
    while step < len(later):
        if not later[step] > levels[step]:
            step += 1
            continue
        back = np.flatnonzero(later[step:] <= levels[step])
        if not len(back):
            break
        end = step + int(back[0])
        heights.append(float(later[step:end].max() - median[step]))
        step = end
    return Spikes(len(heights), max(heights) if heights else None)


@dataclass(frozen=True)
class Evaluation:
    """What was measured on held-out data after the last step; None is what never was."""

    validation_loss: float | None = None
    """The model's own evaluation."""
    yardstick: float | None = None
    """The figure by which settings are ranked."""
    yardstick_at_start: float | None = None
    """The same, of the model before its first step."""


def judge(
    losses: Array,
    divergence: Divergence | None,
    rules: OutcomeConfig,
    *,
    seed: int,
    horizon: int,
    evaluation: Evaluation,
    wall_seconds: float,
) -> TrialResult:
    """The result of a run that reached its horizon or diverged.

    Args:
        losses: of all its steps, (steps,); of a run that diverged the last may be NaN or infinite.
        divergence: where it broke; None for a run that reached its horizon.
        rules: where the outcomes of finite runs begin and end.
        seed: the trial's.
        horizon: steps that it would run if nothing happened.
        evaluation: on held-out data; empty for a run that diverged.
        wall_seconds: what it took.
    """
    first, finite = float(losses[0]), losses[np.isfinite(losses)]
    if divergence is None:
        window = max(1, min(rules.window_steps, horizon // 10))
        final = float(np.median(losses[-window:]))
        outcome = judge_finite_run(first, final, stalled_below=rules.stalled_below, exploded_above=rules.exploded_above)
        if outcome is Outcome.STABLE and not is_useful(evaluation.yardstick, evaluation.yardstick_at_start):
            outcome = Outcome.EXPLODED
    else:
        final, outcome = float(losses[-1]), Outcome.DIVERGED
    spikes = find_spikes(losses)
    return TrialResult(
        seed=seed,
        outcome=outcome,
        horizon=horizon,
        steps=len(losses),
        divergence=divergence,
        first_loss=first,
        final_loss=final,
        best_loss=float(finite.min()) if len(finite) else None,
        max_loss=None if np.isnan(losses).all() else float(np.nanmax(losses)),
        validation_loss=evaluation.validation_loss,
        yardstick=evaluation.yardstick,
        yardstick_at_start=evaluation.yardstick_at_start,
        spikes=spikes.count,
        spike_height=spikes.height,
        wall_seconds=wall_seconds,
    )
