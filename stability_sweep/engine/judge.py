"""From the losses of a run to its result."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from stability_sweep.engine.settings import OutcomeConfig
from stability_sweep.engine.spikes import find_spikes
from stability_sweep.results.outcome import Divergence, Outcome, TrialResult, is_useful, judge_finite_run
from stability_sweep.typing import Array


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
        losses: of all its steps, (steps,); of a run that diverged the last may be NaN or infinite, and so may that of
            any step which the run went back from: it counts as a step, and its loss only for the largest one.
        divergence: where it broke; None for a run that reached its horizon.
        rules: where the outcomes of finite runs begin and end.
        seed: the trial's.
        horizon: steps that it would run if nothing happened.
        evaluation: on held-out data; empty for a run that diverged.
        wall_seconds: what it took.
    """
    kept = losses[np.append(np.isfinite(losses[:-1]), True)]
    first, finite = float(kept[0]), kept[np.isfinite(kept)]
    if divergence is None:
        window = max(1, min(rules.window_steps, horizon // 10))
        final = float(np.median(kept[-window:]))
        outcome = judge_finite_run(first, final, stalled_below=rules.stalled_below, exploded_above=rules.exploded_above)
        if outcome is Outcome.STABLE and not is_useful(evaluation.yardstick, evaluation.yardstick_at_start):
            outcome = Outcome.EXPLODED
    else:
        final, outcome = float(losses[-1]), Outcome.DIVERGED
    spikes = find_spikes(kept)
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
