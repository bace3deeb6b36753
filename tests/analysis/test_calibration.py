"""Forecasts beside what came of them, bin by bin."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from stability_sweep.analysis.calibration import CALIBRATION_COLUMNS, calibration
from stability_sweep.analysis.proportion import Proportion


def forecasts(model: list[float], event: list[bool]) -> pd.DataFrame:
    return pd.DataFrame({"model": model, "base_rate": 0.5, "event": event})


def test_a_bin_has_its_mean_forecast_and_the_counted_share_with_its_interval() -> None:
    table = calibration(forecasts([0.21, 0.25, 0.29, 0.95], [False, True, False, True]))
    assert list(table.columns) == CALIBRATION_COLUMNS
    first, last = table.to_dict("records")
    assert (first["label"], first["diverged"], first["total"]) == ("20% to 30%", 1, 3)
    assert first["probability"] == pytest.approx(0.25)
    assert (first["low"], first["high"]) == Proportion(1, 3).interval
    assert (last["label"], last["diverged"], last["total"], last["fraction"]) == ("90% to 100%", 1, 1, 1.0)


def test_certainty_belongs_to_the_outermost_bins() -> None:
    table = calibration(forecasts([0.0, 1.0], [False, True]))
    assert list(table["label"]) == ["0% to 10%", "90% to 100%"]


def test_honest_forecasts_lie_within_and_overconfident_ones_do_not() -> None:
    generator = np.random.default_rng(0)
    truth = generator.random(4000)
    event = (generator.random(4000) < truth).tolist()
    assert calibration(forecasts(truth.tolist(), event))["is_within"].sum() >= 9
    bold = np.clip(3 * (truth - 0.5) + 0.5, 0, 1).tolist()
    assert calibration(forecasts(bold, event))["is_within"].sum() <= 3


def test_without_forecasts_there_is_no_row() -> None:
    table = calibration(forecasts([], []))
    assert table.empty
    assert list(table.columns) == CALIBRATION_COLUMNS
