"""Sentences that say what the numbers say, also where there are few of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from stability_sweep.analysis import analyse
from stability_sweep.analysis.maps import pair_map, pair_maps
from stability_sweep.analysis.surface import fit_surface
from stability_sweep.report.panels.final_losses import beyond_scale, final_losses, losses_finding
from stability_sweep.report.panels.key_figures import Trust
from stability_sweep.report.panels.limit_words import LimitInWords
from stability_sweep.report.panels.map_drawing import slice_labels, stability_map, trials_on_slices
from stability_sweep.report.panels.map_words import map_finding, slice_finding
from stability_sweep.report.panels.what_decides import importance_finding
from stability_sweep.report.summary import summary_sentences
from stability_sweep.report.wording import rates_sentence
from stability_sweep.sources import facts_of
from stability_sweep.sources.frame import column_names, frame_of
from tests.analysis.simulation import definition, simulate, soft
from tests.conftest import make_definition


def trials_at(finite: list[float], diverged: list[float]) -> pd.DataFrame:
    outcomes = ["stable"] * len(finite) + ["diverged"] * len(diverged)
    return pd.DataFrame(
        {
            "number": range(len(outcomes)),
            "learning_rate": [*finite, *diverged],
            "batch_size": 16,
            "clip_norm": 1.0,
            "outcome": outcomes,
            "horizon": 100,
            "steps": [100 if outcome == "stable" else 3 for outcome in outcomes],
            "divergence_step": pd.array([pd.NA if outcome == "stable" else 3 for outcome in outcomes], dtype="Int64"),
            "yardstick": 30.0,
        }
    )


@pytest.mark.parametrize(
    ("finite", "diverged", "sentence"),
    [
        (
            [1e-5, 1e-4, 1e-2],
            [3.51e-2, 8e-2],
            "Up to a learning rate of 0.01, none of 3 trials diverged; from 0.0351 on, both did.",
        ),
        (
            [1e-5],
            [1e-2],
            "Up to a learning rate of 1e-5, the one trial stayed finite; from 0.01 on, the one trial did.",
        ),
        (
            [1e-5, 1e-4, 2e-3],
            [1e-3, 1e-2, 2e-2, 3e-2],
            "Below a learning rate of 0.001, none of 2 trials diverged; at learning rates from 0.001 to 0.002, 1 of 2 "
            "trials diverged; above 0.002, all 3 did.",
        ),
        (
            [1e-3],
            [1e-4, 1e-2],
            "At learning rates from 0.0001 to 0.001, 1 of 2 trials diverged; above 0.001, the one trial did.",
        ),
        ([1e-3, 1e-3], [1e-3], "At a learning rate of 0.001, 1 of 3 trials diverged."),
        (
            [1e-4, 1e-2],
            [1e-3, 1e-2],
            "Below a learning rate of 0.001, the one trial stayed finite; at learning rates from 0.001 to 0.01, 2 of 3 "
            "trials diverged.",
        ),
        ([1e-3], [], "No trial diverged, up to a learning rate of 0.001."),
        ([], [1e-3], "Every trial diverged, down to a learning rate of 0.001."),
    ],
)
def test_the_stretches_of_the_learning_rate_never_contradict_each_other(
    finite: list[float], diverged: list[float], sentence: str
) -> None:
    """ "Below 0.0351 none of 6 diverged; above 0.0101 all 2 did" speaks twice of what lies between."""
    assert rates_sentence(trials_at(finite, diverged), "learning_rate") == sentence


def test_one_divergence_has_no_median() -> None:
    facts = facts_of(make_definition())
    records = [{str(key): value for key, value in row.items()} for row in trials_at([1e-4], [1e-2]).to_dict("records")]
    told = summary_sentences(analyse(facts, frame_of(records, column_names(facts.space))))
    assert "The one divergence came at step 3." in told


def test_a_dimension_whose_importance_may_be_nothing_does_not_decide_most() -> None:
    table = pd.DataFrame({"dimension": ["batch_size"], "importance": [0.02], "low": [-0.01], "high": [0.05]})
    assert "No dimension's importance is told from none" in importance_finding(table)
    assert importance_finding(table.assign(low=0.01)).startswith("Batch size decides most")


def markers(figure: Any, slices: int) -> list[int]:
    """How many trials are drawn in full, slice by slice."""
    found = [place for t in figure.data if (t.meta or {}).get("trials") for place in t.meta["first"]]
    return [int(count) for count in np.bincount(found, minlength=slices)]


def test_a_map_counts_the_trials_that_it_draws_on_every_slice() -> None:
    trials = simulate(soft, 48, 0)
    trials["divergence_step"] = pd.array([pd.NA] * 48, dtype="Int64")
    surface = fit_surface(trials, definition().space)
    assert surface is not None
    pair = pair_maps(surface, definition().space)[0]
    counts = trials_on_slices(trials, pair)
    assert markers(stability_map(trials, pair.x, pair.y, pair, definition().space), len(pair.slices)) == counts
    assert sum(counts) == 48
    for index, count in enumerate(counts):
        assert slice_finding(pair, counts, 48, index).startswith(f"{count} of 48 trials belong")
    assert slice_labels(pair, counts)[-1] == f"off ({counts[-1]} of 48 trials)"


def test_of_more_trials_than_a_map_draws_the_sample_is_counted() -> None:
    assert slice_finding(None, [3000], 6000, 0).startswith("3000 random ones of 6000 trials are drawn")
    assert slice_finding(None, [48], 48, 0).startswith("All 48 trials are drawn")


@pytest.mark.parametrize("losses", [[30.0, 31.0, np.nan, 1e9], [30.0, 31.0, 32.0, 33.0]])
def test_only_trials_on_the_dotted_line_are_said_to_lie_there(losses: list[float]) -> None:
    trials = trials_at([1e-4, 1e-3], [1e-2, 2e-2]).assign(final_loss=losses)
    drawn, beyond = beyond_scale(trials)
    told = losses_finding(trials, "learning_rate", drawn=drawn, beyond=beyond)
    space = make_definition().space
    has_line = bool(final_losses(trials, space.axes["learning_rate"], space).layout.shapes)
    assert has_line is ("on the dotted line" in told)
    assert has_line is (beyond > 0)
    assert "All 4 trials are drawn" in told


def test_a_line_that_runs_straight_across_a_map_is_found_along_the_other_axis() -> None:
    """The picture showed a line, and the words said that none is crossed."""
    trials = simulate(lambda unit: (unit[:, 2] < 0.5).astype(float), 200, 0)
    surface = fit_surface(trials, definition().space)
    assert surface is not None
    axes = definition().space.axes
    pair = pair_map(surface, definition().space, axes["batch_size"], axes["clip_norm"])
    told = map_finding(pair, pair.x, pair.y, definition().space, pair.first)
    assert told.startswith("P(diverge) passes 50% at clip norm ")
    assert " for batch size 16 and at " in told


@pytest.mark.parametrize(("trials", "has_doubt"), [(8, True), (400, False)])
def test_without_a_line_the_words_say_what_the_band_leaves_open(trials: int, has_doubt: bool) -> None:
    surface = fit_surface(simulate(lambda unit: np.zeros(len(unit)), trials, 0), definition().space)
    assert surface is not None
    pair = pair_maps(surface, definition().space)[0]
    told = map_finding(pair, pair.x, pair.y, definition().space, pair.first)
    assert "training stays finite more often than not everywhere" in told
    assert ("the 90% band holds the other side, too" in told) is has_doubt


@pytest.mark.parametrize(
    ("row", "parts", "sentence"),
    [
        (
            {"status": "reached", "limit": 1.2e-3, "low": 8e-4, "high": 2e-3},
            ("0.0012", "", "90% band 0.0008 to 0.002"),
            "0.0012 (90% band 0.0008 to 0.002)",
        ),
        (
            {"status": "not reached", "limit": np.nan, "low": np.inf, "high": np.inf},
            ("not reached", "every learning rate of the study is safe", ""),
            "not reached: every learning rate of the study is safe",
        ),
        (
            {"status": "none is safe", "limit": np.nan, "low": 0.0, "high": 0.0},
            ("none is safe", "even the smallest learning rate of the study is over the tolerance", ""),
            "none is safe: even the smallest learning rate of the study is over the tolerance",
        ),
        (
            {"status": "unknown", "limit": np.nan, "low": 8e-4, "high": np.inf},
            ("unknown above 0.0008", "not enough trials to say", "90% band 0.0008 to beyond the range"),
            "unknown above 0.0008: not enough trials to say (90% band 0.0008 to beyond the range)",
        ),
        (
            {"status": "unknown", "limit": np.nan, "low": 0.0, "high": np.inf},
            ("unknown", "not enough trials to say", "90% band none to beyond the range"),
            "unknown: not enough trials to say (90% band none to beyond the range)",
        ),
    ],
)
def test_a_speed_limit_is_worded_from_its_parts(
    row: dict[str, Any], parts: tuple[str, str, str], sentence: str
) -> None:
    found = LimitInWords.of({"again_from": np.nan, "again_to": np.nan, **row})
    assert (found.value, found.reason, found.band) == parts
    assert str(found) == sentence


def test_larger_rates_that_are_safe_again_are_told_after_the_limit() -> None:
    limit = {"status": "reached", "limit": 1.2e-3, "low": 8e-4, "high": 2e-3}
    within, on = ({**limit, "again_from": 3e-3, "again_to": end} for end in (1e-2, np.inf))
    assert str(LimitInWords.of(within)) == "0.0012 (90% band 0.0008 to 0.002); again safe between 0.003 and 0.01"
    assert str(LimitInWords.of(on)) == "0.0012 (90% band 0.0008 to 0.002); again safe from 0.003 on"


def test_how_far_a_map_is_to_be_trusted_is_worded_from_its_parts() -> None:
    scores = pd.DataFrame({"score": ["log loss", "Brier score"], "model": [0.35, 0.1], "base_rate": [0.7, 0.25]})
    trust = Trust.of(scores)
    assert (trust.explained, trust.verdict) == ("50%", "the map is informative")
    assert str(trust) == "the map is informative: cross-validated log loss 0.35, against 0.70 by the base rate alone"
    assert str(Trust.of(scores.head(0))) == "not to be tested: there are too few trials, or all ended alike"
    worse = Trust.of(scores.assign(model=1.4))
    assert (worse.explained, worse.verdict) == ("0%", "the map knows next to nothing")
