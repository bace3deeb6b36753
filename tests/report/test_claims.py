"""Claims on the page: the five verdicts, what each changes in its own unit, whether it avoids, and its price."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import pandas as pd
import pytest

from stability_sweep.analysis import Analysis
from stability_sweep.analysis.remedies import HARMS, HELPS, UNDECIDED, USELESS
from stability_sweep.report.panels.judged_claims import PANEL, claims_finding, contrast_in_words
from tests.report.test_roles import PLAIN, analysed

NAN = math.nan


def claim(says: str, verdict: str, **others: Any) -> dict[str, Any]:
    return {
        "claim": says,
        "source": "a paper",
        "verdict": verdict,
        "contrast": -0.12,
        "low": -0.19,
        "high": -0.05,
        "avoids": "",
        "tolerance": 0.05,
        "diverged": 0,
        "total": 72,
        "fraction": 0.0,
        "fraction_low": 0.0,
        "fraction_high": 0.05,
        "others_diverged": 7,
        "others_total": 10,
        "learned": 60,
        "stalled": 12,
        "price": 0.4,
        "price_low": 0.1,
        "price_high": 0.8,
        "more_trials": NAN,
        **others,
    }


CLAIMS = [
    claim("batch_size = 16 avoids divergence", HELPS, avoids="yes"),
    claim("clip_norm = 1 avoids divergence", USELESS, avoids="unknown"),
    claim("warmup = 200 allows a larger learning rate", HELPS, contrast=0.32, low=0.12, high=0.55),
    claim("n_lf = 1 reduces divergence", UNDECIDED, contrast=0.004, low=-0.1, high=0.1, price=NAN, more_trials=300.0),
    claim("clip_norm = 9 instead of off reduces divergence", HARMS, contrast=NAN, low=NAN, high=NAN),
]


def test_claims_are_counted_by_the_five_verdicts_and_by_whether_they_avoid() -> None:
    assert claims_finding(pd.DataFrame(CLAIMS)) == (
        "Of 5 claims: helps 2, harms 1, not enough evidence 1, true but useless 1. Divergence is avoided: yes 1, "
        "unknown 1."
    )
    assert claims_finding(pd.DataFrame(CLAIMS[2:3])) == "Of 1 claim: helps 1."


@pytest.mark.parametrize(
    ("place", "words"),
    [
        (0, "P(diverge) -12 points (-19 to -5)"),
        (2, "0.32 decades (0.12 to 0.55)"),
        (3, "P(diverge) +0.4 points (-10 to +10)"),
        (4, ""),
    ],
)
def test_what_a_claim_changes_is_told_in_its_own_unit(place: int, words: str) -> None:
    assert contrast_in_words(CLAIMS[place]) == words


def test_the_table_has_verdict_change_counts_and_price(analysis: Analysis) -> None:
    (exhibit,) = PANEL.build(analysis).exhibits
    assert exhibit.table is not None
    assert exhibit.table.rows[0] == [
        "batch size = 16 avoids divergence", HELPS, "P(diverge) -12 points (-19 to -5)", "yes", "0 of 72 (0% to 5%)",
        "7 of 10", "60", "12", "+0.4 (0.1 to 0.8)", "–", "a paper",
    ]  # fmt: skip
    assert exhibit.table.rows[3][2:4] == ["P(diverge) +0.4 points (-10 to +10)", "–"]
    assert exhibit.table.rows[3][8:10] == ["–", "300"]


@pytest.fixture(scope="module")
def analysis() -> Analysis:
    return dataclasses.replace(analysed(PLAIN), claims=pd.DataFrame(CLAIMS))
