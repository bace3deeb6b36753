"""Trials as marks in a figure: which are drawn, where, and what the reader sees under the pointer."""

from __future__ import annotations

import math

import pandas as pd

from stability_sweep.results import columns
from stability_sweep.space.axes import Axis

MOST_DRAWN = 1500
"""Trials drawn in a flat figure; of more, a random sample."""

GOLDEN_RATIO = 0.6180339887
SPREAD = 0.7
"""Trials of equal value are spread over this share of their band."""


def drawn(trials: pd.DataFrame, most: int = MOST_DRAWN) -> pd.DataFrame:
    """All trials, or a random sample of so many, always the same one."""
    return trials if len(trials) <= most else trials.sample(most, random_state=0).sort_index()


def hover(trials: pd.DataFrame) -> list[str]:
    """What the reader sees of a trial under the pointer."""
    steps = trials[columns.DIVERGENCE_STEP]
    return [
        f"trial {number}: {outcome}" + ("" if step is pd.NA else f" at step {step}")
        for number, outcome, step in zip(trials[columns.NUMBER], trials[columns.OUTCOME], steps, strict=True)
    ]


def spread(axis: Axis, trials: pd.DataFrame) -> list[float]:
    """Positions; trials of equal value are spread over their band, the same trial always to the same place."""
    width = axis.edges[-1] - axis.edges[-2]
    places = []
    for value, number in zip(trials[axis.name].tolist(), trials[columns.NUMBER].tolist(), strict=True):
        is_single = bool(axis.values) or (isinstance(value, float) and math.isinf(value))
        # Multiples of the golden ratio fill a stretch evenly, however many there are.
        jitter = ((number * GOLDEN_RATIO) % 1.0 - 0.5) * SPREAD * width if is_single else 0.0
        places.append(round(axis.position(value) + jitter, 4))
    return places
