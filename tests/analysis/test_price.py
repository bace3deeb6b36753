from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import wilcoxon

from stability_sweep.analysis.price import median_difference
from stability_sweep.analysis.remedies import judge_remedies
from stability_sweep.space.dimensions import Point
from stability_sweep.space.roles import BATCH_SIZE
from tests.analysis.simulated import joint_study, paired_study, space_of


def priced(frame: pd.DataFrame, **options: Any) -> dict[str, float]:
    table = judge_remedies(frame, space_of(1), **options).table.set_index("dimension")
    return dict(table.loc["remedy_0"])


def with_price(frame: pd.DataFrame, price: float, seed: int = 0) -> pd.DataFrame:
    """Yardsticks that depend on the point, with a remedy that adds to them and takes half as much time again."""
    noise = np.random.default_rng(seed).normal(scale=0.5, size=len(frame))
    has_it = frame["remedy_0"] == "yes"
    yardstick = 30 - 4 * np.log10(frame["learning_rate"]) + price * has_it + noise
    return frame.assign(yardstick=yardstick, wall_seconds=np.where(has_it, 1.5, 1.0) * np.exp(noise / 10))


@pytest.mark.parametrize("study", [paired_study([0.4], 60), joint_study([0.4], 160)])
def test_the_price_is_what_stable_trials_pay_at_the_same_settings(study: pd.DataFrame) -> None:
    row = priced(with_price(study, 2.0))
    assert row["price_low"] < 2.0 < row["price_high"]
    assert row["price_low"] > 0
    assert row["seconds_low"] < 1.5 < row["seconds_high"]
    assert row["speed_ratio"] < 1


def test_a_lucky_trial_makes_no_price() -> None:
    frame = with_price(paired_study([0.4], 60), 0.0)
    lucky = frame.index[(frame["remedy_0"] == "yes") & (frame["outcome"] == "stable")][0]
    frame.loc[lucky, "yardstick"] = -1e6
    row = priced(frame)
    assert row["price_low"] < 0 < row["price_high"]
    assert abs(row["price"]) < 0.5


def test_there_is_no_price_at_unequal_numbers_of_images() -> None:
    frame = with_price(paired_study([0.4], 60), 2.0)
    half = frame["steps"].where(frame["remedy_0"] == "no", frame["steps"] // 2)

    def epochs_of(point: Point) -> float:
        return 1000 / float(point[BATCH_SIZE])

    assert math.isnan(priced(frame.assign(steps=half), epochs_of=epochs_of)["price"])
    assert priced(frame, epochs_of=epochs_of)["price"] == pytest.approx(2.0, abs=0.3)


def test_the_partner_of_a_remedy_is_the_baseline_and_no_trial_with_another_remedy() -> None:
    frame = paired_study([0.0, 0.4], 60)
    dear = frame["remedy_1"] == "yes"
    table = judge_remedies(frame.assign(yardstick=np.where(dear, 90.0, 30.0)), space_of(2)).table
    prices = table.set_index("dimension")["price"]
    assert (prices["remedy_0"], prices["remedy_1"]) == (0.0, 60.0)


def test_too_few_stable_pairs_have_no_price() -> None:
    assert math.isnan(priced(with_price(paired_study([0.4], 6), 2.0))["price"])


def test_the_interval_of_a_median_difference_leaves_out_zero_as_wilcoxons_test_does() -> None:
    random = np.random.default_rng(0)
    agreed = 0
    for _ in range(200):
        differences = random.normal(loc=0.4, size=25)
        found = median_difference(differences)
        rejects = wilcoxon(differences, method="exact").pvalue < 0.05
        agreed += (found.low > 0 or found.high < 0) == rejects
        assert found.low <= found.value <= found.high
    assert agreed >= 194  # the normal approximation of a rank
