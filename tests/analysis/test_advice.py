from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from stability_sweep.analysis.advice import judge_claims
from stability_sweep.definition.claims import Claim


def study(counts: dict[str, int], rate: float = 1e-6, loss: float = 90.0) -> list[dict[str, Any]]:
    return [
        {"learning_rate": rate, "batch_size": 16, "outcome": outcome, "yardstick": loss}
        for outcome, count in counts.items()
        for _ in range(count)
    ]


def judged(trials: list[dict[str, Any]], says: str = "learning_rate <= 1e-6 avoids divergence") -> dict[str, Any]:
    table = judge_claims([Claim(says=says)], pd.DataFrame(trials))
    return dict(table.iloc[0])


@pytest.mark.parametrize(
    ("counts", "verdict"),
    [
        ({"stable": 80}, "supported"),
        ({"stable": 40}, "not enough evidence"),  # 0 of 40: up to 9% are possible
        ({"stable": 20, "diverged": 10}, "contradicted"),
        ({"stable": 38, "diverged": 2}, "not enough evidence"),
        ({"failed": 100}, "not enough evidence"),
    ],
)
def test_a_verdict_needs_the_whole_interval_on_one_side(counts: dict[str, int], verdict: str) -> None:
    row = judged(study(counts))
    assert row["verdict"] == verdict
    assert row["total"] == sum(count for outcome, count in counts.items() if outcome != "failed")


@pytest.mark.parametrize(
    ("counts", "verdict"),
    [
        ({"stalled": 76}, "true, but useless"),
        ({"stalled": 74, "stable": 6}, "true, but useless"),
        ({"exploded": 40, "stalled": 40}, "true, but useless"),
        ({"stalled": 70, "stable": 10}, "supported"),
        ({"stalled": 20}, "not enough evidence"),
        ({"stalled": 20, "diverged": 10}, "contradicted"),
    ],
)
def test_advice_under_which_hardly_any_trial_learned_is_not_supported(counts: dict[str, int], verdict: str) -> None:
    row = judged(study(counts))
    assert row["verdict"] == verdict
    assert row["learned"] == counts.get("stable", 0)


def test_the_others_are_counted_for_comparison() -> None:
    row = judged(study({"stable": 5}) + study({"diverged": 7, "stable": 3}, rate=1e-2))
    assert (row["others_diverged"], row["others_total"]) == (7, 10)


def test_the_cost_is_the_median_yardstick_above_that_of_the_other_finite_trials() -> None:
    row = judged(study({"stalled": 5}) + study({"stable": 5}, rate=1e-3, loss=30.0))
    assert row["cost"] == pytest.approx(60.0)
    assert row["stalled"] == 5


def test_a_claim_about_nothing_that_was_tried_is_not_judged() -> None:
    row = judged(study({"stable": 5}), says="batch_size = 999 avoids divergence")
    assert row["verdict"] == "not enough evidence"
    assert row["total"] == 0


def test_no_claims_give_an_empty_table() -> None:
    assert judge_claims([], pd.DataFrame(study({"stable": 1}))).empty
