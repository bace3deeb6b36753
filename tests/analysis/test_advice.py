from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest

from stability_sweep.analysis.advice import judge_claims
from stability_sweep.definition.claims import Claim
from tests.analysis.simulated import joint_study, paired_study, space_of

HELPFUL = joint_study([0.6], 240, seed=1)
SAFE = HELPFUL["learning_rate"] < 10**-2.4
"""Rates at which hardly a trial diverges."""


def judged(frame: pd.DataFrame, says: str, **options: Any) -> dict[str, Any]:
    remedies = sum(str(name).startswith("remedy") for name in frame)
    return dict(judge_claims([Claim(says=says, **options)], frame, space_of(remedies)).iloc[0])


def test_advice_that_reduces_divergence_is_found_by_its_contrast() -> None:
    row = judged(HELPFUL, "remedy_0 = yes reduces divergence")
    assert row["verdict"] == "helps"
    assert row["low"] < row["contrast"] < row["high"] < 0
    assert row["avoids"] == ""


def test_the_opposite_advice_harms() -> None:
    assert judged(HELPFUL, "remedy_0 = no reduces divergence")["verdict"] == "harms"


def test_one_setting_instead_of_another_is_judged_against_that_one_alone() -> None:
    row = judged(HELPFUL, "remedy_0 = yes instead of remedy_0 = no")
    assert row["verdict"] == "helps"
    assert row["total"] + row["others_total"] == 240


def test_what_allows_a_larger_rate_is_told_in_decades() -> None:
    row = judged(HELPFUL, "remedy_0 = yes allows a larger learning rate")
    assert row["verdict"] == "helps"
    assert 0 < row["low"] < 0.6 < row["high"]


def test_a_claim_about_batch_or_rate_is_judged_too() -> None:
    assert judged(HELPFUL, "learning_rate <= 3e-3 reduces divergence")["verdict"] == "helps"
    assert judged(HELPFUL, "batch_size = 16 reduces divergence")["contrast"] < 0


def test_doing_nothing_is_never_supported_however_few_diverged_under_it_and_at_any_tolerance() -> None:
    frame = joint_study([0.0], 300, seed=2)
    frame = frame[frame["learning_rate"] < 10**-2.3]
    row = judged(frame, "remedy_0 = no avoids divergence", tolerance=0.9)
    assert row["avoids"] == "yes"
    assert row["verdict"] in ("no effect", "not enough evidence")


def test_whether_it_avoids_divergence_is_told_beside_the_verdict() -> None:
    row = judged(HELPFUL, "remedy_0 = yes avoids divergence")
    assert (row["verdict"], row["avoids"]) == ("helps", "no")
    assert row["fraction_low"] > 0.05
    row = judged(HELPFUL[SAFE], "remedy_0 = yes avoids divergence", tolerance=0.2)
    assert row["avoids"] == "yes"


@pytest.mark.parametrize(("diverged", "avoids"), [(0, "unknown"), (5, "no")])
def test_avoiding_needs_the_whole_interval_on_one_side(diverged: int, avoids: str) -> None:
    frame = joint_study([0.0], 40).assign(remedy_0=np.tile(["yes", "no"], 20), outcome="stable")
    frame.loc[frame.index[: 2 * diverged : 2], "outcome"] = "diverged"
    row = judged(frame, "remedy_0 = yes avoids divergence")
    assert (row["diverged"], row["total"], row["avoids"]) == (diverged, 20, avoids)


def test_advice_under_which_hardly_any_trial_learned_is_useless() -> None:
    idle = (HELPFUL["remedy_0"] == "yes") & (HELPFUL["outcome"] == "stable")
    row = judged(HELPFUL.assign(outcome=HELPFUL["outcome"].mask(idle, "stalled")), "remedy_0 = yes reduces divergence")
    assert row["verdict"] == "true but useless"
    assert row["learned"] == 0
    assert row["stalled"] == idle.sum()


def test_failed_trials_say_nothing() -> None:
    failed = HELPFUL.assign(outcome="failed", number=HELPFUL["number"] + 1000)
    both = pd.concat([HELPFUL, failed], ignore_index=True)
    says = "remedy_0 = yes reduces divergence"
    assert judged(both, says)["contrast"] == pytest.approx(judged(HELPFUL, says)["contrast"])


def test_the_price_is_that_of_stable_trials_at_the_same_settings() -> None:
    frame = paired_study([0.4], 60)
    noise = np.random.default_rng(0).normal(size=len(frame))
    frame["yardstick"] = 30 + 2.0 * (frame["remedy_0"] == "yes") + noise
    row = judged(frame, "remedy_0 = yes reduces divergence")
    assert row["price_low"] < 2.0 < row["price_high"]


@pytest.mark.parametrize("says", ["batch_size = 999 avoids divergence", "batch_size >= 16 reduces divergence"])
def test_a_claim_with_nobody_on_one_side_is_not_judged(says: str) -> None:
    row = judged(HELPFUL, says)
    assert row["verdict"] == "not enough evidence"
    assert math.isnan(row["contrast"])


def test_no_claims_give_an_empty_table() -> None:
    assert judge_claims([], HELPFUL, space_of(1)).empty
