"""The best settings that are also safe, and what safety costs."""

from __future__ import annotations

import numpy as np
import pandas as pd

from stability_sweep.analysis.ranking import Ranking
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
"""Neighbours are counted for at most so many safe trials, those of which most is expected."""

FIGURES = [
    columns.EXPECTED,
    columns.EXPECTED_LOW,
    columns.EXPECTED_HIGH,
    columns.YARDSTICK,
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
    ranking: Ranking | None,
    *,
    tolerance: float = DEFAULT_TOLERANCE,
    count: int = 5,
) -> pd.DataFrame:
    """Settings of stable trials with P(diverge) at or under the tolerance, ranked by what their setting gives.

    Never by what one trial gave: the yardstick of a setting is what all finite trials make one expect of it, with its
    band, and at least three other trials must be its neighbours (settings that the surface takes for alike).

    Args:
        frame: a study's trials, from `study_frame`.
        space: its search space.
        surface: fitted to those trials.
        ranking: of their yardsticks; None where there are too few.
        tolerance: P(diverge) up to which a setting is called safe, from 0 to 1.
        count: the most rows of the table.

    Returns:
        Columns ``number``, one per dimension, ``expected``, ``expected_low``, ``expected_high`` (the yardstick of the
        setting's finite trials: median, 90% band), ``yardstick`` (this trial's), ``probability``, ``low``, ``high``
        (P(diverge), 90% band), ``neighbours``, ``neighbours_diverged``, ``price`` (expected yardstick above that of
        the stable trial's setting, however risky, whose band ends lowest). Best first; empty if no trial is safe
        enough, or there are too few yardsticks.
    """
    names = [columns.NUMBER, *space, *FIGURES]
    stable = frame[frame[columns.OUTCOME] == Outcome.STABLE.value]
    if ranking is None or stable.empty:
        return pd.DataFrame(columns=names)
    stable = stable.join(ranking.predict(stable))
    # Of all the best promises, the surest: a lone trial promises much, within a wide band.
    promised = stable[columns.EXPECTED].iloc[int(stable[columns.EXPECTED_HIGH].to_numpy().argmin())]
    stable[columns.PRICE] = stable[columns.EXPECTED] - promised
    safe = stable.join(surface.predict(stable).drop(columns=columns.MEDIAN))
    safe = safe[safe[columns.PROBABILITY] <= tolerance].nsmallest(MOST_CANDIDATES, columns.EXPECTED)
    trials = counted(frame)
    is_near = surface.nearness(safe, trials) >= NEIGHBOUR if len(safe) else np.zeros((0, len(trials)), dtype=bool)
    diverged = (trials[columns.OUTCOME] == Outcome.DIVERGED.value).to_numpy()
    safe[columns.NEIGHBOURS] = is_near.sum(axis=1) - 1  # itself
    safe[columns.NEIGHBOURS_DIVERGED] = is_near.astype(int) @ diverged.astype(int)
    supported: pd.DataFrame = safe.loc[safe[columns.NEIGHBOURS] >= FEWEST_NEIGHBOURS, names]
    return supported.head(count).reset_index(drop=True)
