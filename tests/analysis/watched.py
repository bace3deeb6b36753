"""Trials that are watched until they diverge or reach their horizon, without a database."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from stability_sweep.analysis.survival import survival_curves
from stability_sweep.sources.frame import RESULT_COLUMNS, frame_of
from stability_sweep.space.axes import Axis
from tests.conftest import make_definition

SPACE: dict[str, Any] = {
    "learning_rate": {"low": 1e-6, "high": 1e-1, "log": True},
    "batch_size": [16, 32, 48, 64, 96, 128],
    "clip_norm": {"low": 0.1, "high": 1000.0, "log": True, "off_share": 0.2},
    "model.reconstruction_loss": ["mse", "bce"],
    "model.temperature": {"low": 0.5, "high": 2.0},
}
AXES = make_definition(search_space=SPACE).space.axes
COLUMNS = ["number", *SPACE, *RESULT_COLUMNS]
WHOLE = Axis("learning_rate", (-6.0, -1.0), ("all",), (), True, False)
"""An axis of one band, which holds every trial."""


def trial(number: int, step: int, outcome: str = "diverged", horizon: int = 10, **point: Any) -> dict[str, Any]:
    return {
        "number": number,
        "learning_rate": 1e-3,
        "batch_size": 16,
        "clip_norm": math.inf,
        "outcome": outcome,
        "divergence_step": step if outcome == "diverged" else None,
        "steps": step,
        "horizon": horizon,
        **point,
    }


def frame_from(trials: list[dict[str, Any]]) -> pd.DataFrame:
    return frame_of([{**dict.fromkeys(COLUMNS), **t} for t in trials], COLUMNS)


def frame_of_times(times: npt.ArrayLike, horizon: int) -> pd.DataFrame:
    """Trials that would diverge at `times`, watched to their horizon."""
    steps = np.asarray(times, dtype=np.int64)
    diverged = steps <= horizon
    watched = pd.Series(np.minimum(steps, horizon), dtype="Int64")
    return pd.DataFrame(
        {
            "number": np.arange(len(steps)),
            "learning_rate": 1e-3,
            "outcome": np.where(diverged, "diverged", "stable"),
            "divergence_step": watched.where(diverged),
            "steps": watched,
            "horizon": horizon,
        }
    )


def row_at(curve: pd.DataFrame, step: int) -> dict[Any, Any]:
    (found,) = curve[curve.index == step].to_dict("records")
    return found


def mixed(diverged: list[int], others: list[int]) -> pd.DataFrame:
    numbers = iter(range(1000))
    return frame_from(
        [*(trial(next(numbers), s) for s in diverged), *(trial(next(numbers), s, "stable") for s in others)]
    )


def curve_of(frame: pd.DataFrame) -> pd.DataFrame:
    return survival_curves(frame, WHOLE).set_index("step")
