"""The best settings that are also safe, and what safety costs."""

from __future__ import annotations

from collections.abc import Hashable, Iterable

import numpy as np
import pandas as pd

from stability_sweep.analysis.answer import Question
from stability_sweep.analysis.ranking import Ranking
from stability_sweep.analysis.surface import Surface
from stability_sweep.definition.claims import DEFAULT_TOLERANCE
from stability_sweep.results import columns
from stability_sweep.results.outcome import Outcome
from stability_sweep.sources.frame import counted
from stability_sweep.space.search_space import SearchSpace
from stability_sweep.typing import Mask

NEIGHBOUR = 0.8
"""A trial is a neighbour of another where the model thinks their latent values so alike: a correlation."""

FEWEST_NEIGHBOURS = 3
"""With fewer neighbours a good trial may be luck."""

MOST_CANDIDATES = 200
"""Neighbours are counted for at most so many safe trials, those of which most is expected."""

MOST_LOOKED_AT = 500
"""Trials, however risky by the horizon, that are looked at within fewer steps: those of which most is expected."""

MOST_SHOWN = 5
"""Rows of a table."""

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
    count: int = MOST_SHOWN,
) -> pd.DataFrame:
    """Settings of stable trials with P(diverge) at or under the tolerance, ranked by what their setting gives.

    Never by what one trial gave: the yardstick of a setting is what all finite trials make one expect of it, with its
    band, and at least three other trials must be its neighbours (settings that the surface takes for alike).

    Args:
        frame: a study's trials, from `study_frame`.
        space: its search space.
        surface: fitted to those trials.
        ranking: of their yardsticks; None where there are too few.
        tolerance: P(diverge) by the horizon up to which a setting is called safe, from 0 to 1.
        count: the most rows of the table.

    Returns:
        Columns ``number``, one per dimension, ``expected``, ``expected_low``, ``expected_high`` (the yardstick of the
        setting's finite trials: median, 90% band), ``yardstick`` (this trial's), ``probability``, ``low``, ``high``
        (P(diverge), 90% band), ``neighbours``, ``neighbours_diverged``, ``price`` (expected yardstick above that of
        the stable trial's setting, however risky, whose band ends lowest). Best first; empty if no trial is safe
        enough, or there are too few yardsticks.
    """
    question = Question(None, tolerance)
    return best_by_question(frame, space, surface, ranking, [question], count=count)[question]


def best_by_question(
    frame: pd.DataFrame,
    space: SearchSpace,
    surface: Surface,
    ranking: Ranking | None,
    questions: Iterable[Question],
    *,
    count: int = MOST_SHOWN,
) -> dict[Question, pd.DataFrame]:
    """`best_stable_settings` within any number of steps, at any tolerance.

    Args:
        frame: as there.
        space: as there.
        surface: as there.
        ranking: as there.
        questions: none of them beyond the shortest horizon of a trial, but for the horizon itself.
        count: the most rows of each table.
    """
    names = [columns.NUMBER, *space, *FIGURES]
    asked = list(dict.fromkeys(questions))
    stable = frame[frame[columns.OUTCOME] == Outcome.STABLE.value]
    if ranking is None or stable.empty:
        return {question: pd.DataFrame(columns=names) for question in asked}
    stable = stable.join(ranking.predict(stable))
    # Of all the best promises, the surest: a lone trial promises much, within a wide band.
    promised = stable[columns.EXPECTED].iloc[int(stable[columns.EXPECTED_HIGH].to_numpy().argmin())]
    stable[columns.PRICE] = stable[columns.EXPECTED] - promised
    stable = stable.sort_values(columns.EXPECTED, kind="stable")
    by_horizon = surface.predict(stable).drop(columns=columns.MEDIAN)
    tolerances = {question.tolerance for question in asked}
    risks: dict[int | None, pd.DataFrame] = {None: stable.join(by_horizon)}
    if any(question.steps is not None for question in asked):
        looked_at = stable[_is_worth_a_look(by_horizon[columns.PROBABILITY], tolerances)]
        for steps in {question.steps for question in asked} - {None}:
            risks[steps] = looked_at.join(surface.predict(looked_at, steps).drop(columns=columns.MEDIAN))
    neighbours = _Neighbours(surface, counted(frame))
    return {
        question: neighbours.supported(_safe(risks[question.steps], question.tolerance), count)[names]
        for question in asked
    }


def _is_worth_a_look(probability: pd.Series[float], tolerances: Iterable[float]) -> Mask:
    """Which trials are looked at within fewer steps: of a large study those that can be among the best.

    Whoever is safe by the horizon is safe before, so the best of these are there, and the best of all, however risky.

    Args:
        probability: P(diverge) by the horizon, the best trial first.
        tolerances: that are asked for.
    """
    worth = np.arange(len(probability)) < MOST_LOOKED_AT
    for tolerance in tolerances:
        safe = (probability <= tolerance).to_numpy()
        worth |= safe & (np.cumsum(safe) <= MOST_CANDIDATES)
    return np.asarray(worth)


def _safe(risks: pd.DataFrame, tolerance: float) -> pd.DataFrame:
    """Those that are safe, the best first."""
    return risks[risks[columns.PROBABILITY] <= tolerance].head(MOST_CANDIDATES)


class _Neighbours:
    """Who stands by a trial, counted once for all questions.

    Args:
        surface: that says who is alike.
        trials: that count.
    """

    def __init__(self, surface: Surface, trials: pd.DataFrame) -> None:
        self._surface, self._trials = surface, trials
        self._diverged = (trials[columns.OUTCOME] == Outcome.DIVERGED.value).to_numpy()
        self._counts: dict[Hashable, tuple[int, int]] = {}

    def supported(self, safe: pd.DataFrame, count: int) -> pd.DataFrame:
        """The first so many trials that have enough neighbours, with how many these are, and how many diverged."""
        new = safe.loc[[label for label in safe.index if label not in self._counts]]
        if len(new):
            is_near = self._surface.nearness(new, self._trials) >= NEIGHBOUR
            others = is_near.sum(axis=1) - 1  # itself
            diverged = is_near.astype(int) @ self._diverged.astype(int)
            self._counts |= dict(zip(new.index, zip(others.tolist(), diverged.tolist(), strict=True), strict=True))
        found = np.array([self._counts[label] for label in safe.index], dtype=np.int64).reshape(-1, 2)
        told = safe.assign(**{columns.NEIGHBOURS: found[:, 0], columns.NEIGHBOURS_DIVERGED: found[:, 1]})
        supported: pd.DataFrame = told[told[columns.NEIGHBOURS] >= FEWEST_NEIGHBOURS]
        return supported.head(count).reset_index(drop=True)
