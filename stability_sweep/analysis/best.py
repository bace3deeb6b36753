"""The best settings that are also safe, and what safety costs."""

from __future__ import annotations

import numpy as np
import pandas as pd

from stability_sweep.analysis.surface import Surface
from stability_sweep.definition.claims import DEFAULT_TOLERANCE
from stability_sweep.results.outcome import Outcome
from stability_sweep.sources.frame import counted
from stability_sweep.space.search_space import SearchSpace

NEIGHBOUR = 0.95
"""A trial is a neighbour of another where the model thinks them so alike, of 1."""

FEWEST_NEIGHBOURS = 3
"""With fewer neighbours a good trial may be luck."""

MOST_CANDIDATES = 200


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

    Returns:
        Columns ``number``, one per dimension, ``validation_loss``, ``neighbours_loss`` (median over the stable
        neighbours), ``probability``, ``low``, ``high`` (P(diverge), 90% band), ``neighbours``,
        ``neighbours_diverged``, ``price`` (validation loss above that of the best stable trial of all, however risky).
        Best first; empty if no trial is safe enough.
    """
    names = list(space)
    columns = [
        "number", *names, "validation_loss", "neighbours_loss", "probability", "low", "high", "neighbours",
        "neighbours_diverged", "price",
    ]  # fmt: skip
    stable = frame[(frame["outcome"] == Outcome.STABLE.value) & np.isfinite(frame["validation_loss"])]
    if stable.empty:
        return pd.DataFrame(columns=columns)
    safe = stable.join(surface.predict(stable).drop(columns="median"))
    safe = safe[safe["probability"] <= tolerance].nsmallest(MOST_CANDIDATES, "validation_loss")
    trials = counted(frame)
    is_near = surface.nearness(safe, trials) >= NEIGHBOUR if len(safe) else np.zeros((0, len(trials)), dtype=bool)
    diverged = (trials["outcome"] == Outcome.DIVERGED.value).to_numpy()
    losses = trials["validation_loss"].where(trials["outcome"] == Outcome.STABLE.value).to_numpy()
    safe["neighbours"] = is_near.sum(axis=1) - 1  # itself
    safe["neighbours_diverged"] = is_near.astype(int) @ diverged.astype(int)
    safe["neighbours_loss"] = [float(np.nanmedian(losses[near])) for near in is_near]
    safe["price"] = safe["validation_loss"] - stable["validation_loss"].min()
    supported: pd.DataFrame = safe.loc[safe["neighbours"] >= FEWEST_NEIGHBOURS, columns]
    return supported.head(count).reset_index(drop=True)
