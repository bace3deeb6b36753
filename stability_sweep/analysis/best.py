"""The best settings that are also safe, and what safety costs."""

from __future__ import annotations

import numpy as np
import pandas as pd

from stability_sweep.analysis.surface import Surface
from stability_sweep.definition.claims import DEFAULT_TOLERANCE
from stability_sweep.results import columns
from stability_sweep.results.outcome import Outcome
from stability_sweep.sources.frame import counted
from stability_sweep.space.search_space import SearchSpace

NEIGHBOUR = 0.8
"""A trial is a neighbour of another where the model thinks their latent values so alike: a correlation."""

FEWEST_NEIGHBOURS = 3
"""With fewer neighbours a good trial may be luck."""

MOST_CANDIDATES = 200
"""Neighbours are counted for at most so many safe trials, those with the lowest loss."""

FIGURES = [
    columns.VALIDATION_LOSS,
    columns.NEIGHBOURS_LOSS,
    columns.PROBABILITY,
    columns.LOW,
    columns.HIGH,
    columns.NEIGHBOURS,
    columns.NEIGHBOURS_DIVERGED,
    columns.PRICE,
]
"""Columns of the table after a trial's number and its settings."""


def best_stable_settings(
    frame: pd.DataFrame,
    space: SearchSpace,
    surface: Surface,
    *,
    tolerance: float = DEFAULT_TOLERANCE,
    count: int = 5,
) -> pd.DataFrame:
    """Stable trials with the lowest validation loss among those whose P(diverge) is at or under the tolerance.

    Never an isolated lucky trial: at least three other trials must be its neighbours (settings that the surface takes
    for alike), and the surface's own P(diverge) rests on them.

    Args:
        frame: a study's trials, from `study_frame`.
        space: its search space.
        surface: fitted to those trials.
        tolerance: P(diverge) up to which a setting is called safe, from 0 to 1.
        count: the most rows of the table.

    Returns:
        Columns ``number``, one per dimension, ``validation_loss``, ``neighbours_loss`` (median over the stable
        neighbours), ``probability``, ``low``, ``high`` (P(diverge), 90% band), ``neighbours``,
        ``neighbours_diverged``, ``price`` (validation loss above that of the best stable trial of all, however risky).
        Best first; empty if no trial is safe enough.
    """
    names = [columns.NUMBER, *space, *FIGURES]
    stable = frame[(frame[columns.OUTCOME] == Outcome.STABLE.value) & np.isfinite(frame[columns.VALIDATION_LOSS])]
    if stable.empty:
        return pd.DataFrame(columns=names)
    safe = stable.join(surface.predict(stable).drop(columns=columns.MEDIAN))
    safe = safe[safe[columns.PROBABILITY] <= tolerance].nsmallest(MOST_CANDIDATES, columns.VALIDATION_LOSS)
    trials = counted(frame)
    is_near = surface.nearness(safe, trials) >= NEIGHBOUR if len(safe) else np.zeros((0, len(trials)), dtype=bool)
    diverged = (trials[columns.OUTCOME] == Outcome.DIVERGED.value).to_numpy()
    losses = trials[columns.VALIDATION_LOSS].where(trials[columns.OUTCOME] == Outcome.STABLE.value).to_numpy()
    safe[columns.NEIGHBOURS] = is_near.sum(axis=1) - 1  # itself
    safe[columns.NEIGHBOURS_DIVERGED] = is_near.astype(int) @ diverged.astype(int)
    safe[columns.NEIGHBOURS_LOSS] = [float(np.nanmedian(losses[near])) for near in is_near]
    safe[columns.PRICE] = safe[columns.VALIDATION_LOSS] - stable[columns.VALIDATION_LOSS].min()
    supported: pd.DataFrame = safe.loc[safe[columns.NEIGHBOURS] >= FEWEST_NEIGHBOURS, names]
    return supported.head(count).reset_index(drop=True)
