from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from stability_sweep.analysis.importance import dimension_importance
from tests.analysis.test_effects import DEFINITION, ended, exponential, known_world, points


def test_the_order_of_the_trials_does_not_matter() -> None:
    frame = known_world(60, 3)
    shuffled = frame.sample(frac=1, random_state=1)
    pd.testing.assert_frame_equal(
        dimension_importance(frame, DEFINITION.space), dimension_importance(shuffled, DEFINITION.space)
    )


def test_the_deciding_dimension_comes_first_and_the_others_are_near_zero() -> None:
    frame = points(300, 13)
    table = dimension_importance(
        ended(frame, np.where(frame["learning_rate"] > 1e-3, 3, math.inf)), DEFINITION.space
    ).set_index("dimension")
    assert table.index[0] == "learning_rate"
    assert table["importance"].iloc[0] > 0.3  # a shuffled copy errs in half of the trials, so 0.5 at most
    assert table["low"].iloc[0] > 0.25
    assert (table["importance"].iloc[1:].abs() < 0.02).all()
    assert (table["trials"] == 300).all()


def test_an_interaction_without_main_effects_is_important_for_both() -> None:
    frame = points(400, 14)
    fast, small = frame["learning_rate"] > 1e-3, frame["batch_size"] <= 32
    table = dimension_importance(ended(frame, np.where(fast ^ small, 5, math.inf)), DEFINITION.space).set_index(
        "dimension"
    )
    assert set(table.index[:2]) == {"learning_rate", "batch_size"}
    assert (table["low"].iloc[:2] > 0.1).all()


def test_chance_is_not_important_even_if_points_are_repeated() -> None:
    # Ten trials at every point, and a coin per point: whoever recognizes a point in the test set would look clever.
    frame = points(30, 15).loc[lambda f: f.index.repeat(10)].reset_index(drop=True)
    frame["number"] = np.arange(len(frame))
    coins = np.random.default_rng(1).random(30).repeat(10) < 0.5
    table = dimension_importance(ended(frame, np.where(coins, 5, math.inf)), DEFINITION.space)
    assert (table["importance"] < 0.05).all()
    assert (table["low"] < 0).all()


def test_a_dimension_with_one_value_has_no_importance() -> None:
    frame = points(60, 16).assign(batch_size=64)
    table = dimension_importance(ended(frame, exponential(frame, np.zeros(60), 0)), DEFINITION.space)
    assert set(table["dimension"]) == {"learning_rate", "clip_norm"}


@pytest.mark.parametrize(
    "times",
    [[], [5], [5] * 4 + [math.inf] * 5, [5] * 30, [math.inf] * 30, [5] + [math.inf] * 30],
    ids=["no trials", "one trial", "nine trials", "all diverged", "none diverged", "one diverged"],
)
def test_without_two_outcomes_to_learn_from_there_is_no_importance(times: list[float]) -> None:
    table = dimension_importance(ended(points(len(times), 17), times), DEFINITION.space)
    assert table.empty
    assert table.columns.tolist() == ["dimension", "importance", "low", "high", "trials"]


def test_one_point_with_all_divergences_gives_no_importance_rather_than_an_error() -> None:
    frame = points(2, 18).loc[lambda f: f.index.repeat(10)].reset_index(drop=True)
    frame["number"] = np.arange(20)
    assert dimension_importance(ended(frame, [5] * 10 + [math.inf] * 10), DEFINITION.space).empty
