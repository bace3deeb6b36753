"""The answer: a learning rate that is safe, or what is missing to name one."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from stability_sweep.analysis.answer import (
    NONE_IS_SAFE,
    NOT_SEARCHED,
    SAFE,
    UNKNOWN,
    Answer,
    answers_of,
    with_wanted,
)
from stability_sweep.analysis.lines import Line, lines_of
from stability_sweep.analysis.ranking import fit_ranking
from stability_sweep.analysis.surface import Surface, fit_surface
from tests.analysis.simulation import curved, definition, simulate, true_limit
from tests.conftest import make_definition

SPACE = definition().space


def timed(frame: pd.DataFrame, horizon: int = 100) -> pd.DataFrame:
    """With steps: half of the divergences come within the first tenth of the horizon."""
    diverged = frame["outcome"] == "diverged"
    early = np.arange(len(frame)) % 2 == 0
    steps = np.where(diverged, np.where(early, horizon // 10, horizon - 10), horizon)
    step = pd.array([int(s) if d else pd.NA for s, d in zip(steps, diverged, strict=True)], dtype="Int64")
    return frame.assign(steps=steps, horizon=horizon, divergence_step=step)


def asked(
    frame: pd.DataFrame, tolerance: float = 0.2, steps: tuple[int | None, ...] = (None,)
) -> tuple[list[Answer], list[Line], Surface]:
    surface = fit_surface(frame, SPACE)
    assert surface is not None
    lines = list(lines_of(surface, SPACE, steps=steps))
    return answers_of(lines, surface, SPACE, fit_ranking(frame, SPACE), [tolerance]), lines, surface


def test_every_rate_up_to_the_answer_s_is_safe_with_nine_tenths_of_the_probability_and_in_truth() -> None:
    (answer,), lines, _ = asked(simulate(curved, 200, 1))
    assert answer.status == SAFE
    assert answer.learning_rate is not None
    line = next(one for one in lines if (one.batch_size, one.clip_norm) == (answer.batch_size, answer.clip_norm))
    sure = (line.draws <= 0.2).mean(axis=0)
    assert (sure[line.rates <= answer.learning_rate] >= 0.9).all()
    assert sure[line.rates > answer.learning_rate][0] < 0.9
    assert isinstance(answer.batch_size, int)
    assert math.log10(answer.learning_rate) <= true_limit(curved, answer.batch_size, 0.2)


def test_it_takes_the_batch_size_whose_yardstick_is_expected_lowest_at_the_safe_rate() -> None:
    frame = simulate(curved, 200, 1)
    for wanted in (16, 512):
        distance = np.abs(np.log2(frame["batch_size"] / wanted))
        (answer,), _, _ = asked(frame.assign(yardstick=30 + 5 * distance))
        assert answer.batch_size == wanted
        assert answer.expected is not None
        assert answer.expected[1] <= answer.expected[0] <= answer.expected[2]


def test_without_yardsticks_it_is_the_usual_batch_size_and_nothing_is_said_of_cost() -> None:
    (answer,), _, _ = asked(simulate(curved, 200, 1).drop(columns="yardstick"))
    assert (answer.batch_size, answer.clip_norm) == (64, math.inf)
    assert (answer.expected, answer.price) == (None, None)


def test_fewer_steps_allow_no_smaller_rate() -> None:
    _, lines, _ = asked(timed(simulate(curved, 120, 1)), steps=(None, 50, 5))
    for horizon, half, few in zip(lines[::3], lines[1::3], lines[2::3], strict=True):
        assert (horizon.steps, half.steps, few.steps) == (None, 50, 5)
        assert (few.median <= half.median + 1e-9).all()
        assert (half.median <= horizon.median + 1e-9).all()
        assert (half.draws <= horizon.draws + 1e-9).all()


def test_where_the_trials_cannot_say_it_tells_how_many_more_would() -> None:
    frame = simulate(curved, 24, 1)
    (answer,), lines, surface = asked(frame, tolerance=0.05)
    assert answer.status == UNKNOWN
    assert answer.learning_rate is None
    wanted = with_wanted(answer, lines, surface, SPACE).wanted
    assert wanted is not None
    assert wanted.trials is not None
    # So many trials there, none of which diverges, do make it known.
    rates = np.geomspace(wanted.lowest_rate, wanted.highest_rate, 5)
    more = pd.DataFrame(
        {
            "number": range(24, 24 + wanted.trials),
            "learning_rate": np.resize(rates, wanted.trials),
            "batch_size": wanted.batch_size,
            "clip_norm": wanted.clip_norm,
            "outcome": "stable",
        }
    )
    (known,), _, _ = asked(pd.concat([frame, more], ignore_index=True), tolerance=0.05)
    assert known.status == SAFE


def test_unknown_is_not_unsafe() -> None:
    frame = simulate(curved, 200, 1)
    (unsafe,), _, _ = asked(frame.assign(outcome="diverged", yardstick=np.nan), tolerance=0.05)
    assert (unsafe.status, unsafe.is_known) == (NONE_IS_SAFE, True)
    (unknown,), _, _ = asked(frame.head(6), tolerance=0.01)
    assert (unknown.status, unknown.is_known) == (UNKNOWN, False)


@pytest.mark.parametrize("tolerance", [0.1, 0.5])
def test_where_nothing_diverged_every_rate_of_the_study_may_be_safe(tolerance: float) -> None:
    frame = simulate(curved, 400, 1)
    (answer,), _, _ = asked(frame.assign(outcome="stable", yardstick=30.0), tolerance=tolerance)
    assert answer.status == SAFE
    assert answer.learning_rate == pytest.approx(0.1)
    assert answer.is_all


def test_where_every_yardstick_is_infinite_the_answer_has_a_rate_and_no_price() -> None:
    frame = simulate(curved, 200, 1)
    (answer,), _, _ = asked(frame.assign(yardstick=np.where(frame["outcome"] == "diverged", np.nan, np.inf)))
    assert answer.status == SAFE
    assert answer.expected == (math.inf, math.inf, math.inf)
    assert answer.price is None


def test_a_study_that_does_not_search_the_learning_rate_says_so() -> None:
    space = make_definition(search_space={"learning_rate": 1e-3, "batch_size": [16, 64]}).space
    frame = simulate(curved, 40, 0).assign(learning_rate=1e-3)
    frame["batch_size"] = np.where(frame["batch_size"] > 64, 64, 16)
    surface = fit_surface(frame, space)
    assert surface is not None
    (answer,) = answers_of(list(lines_of(surface, space)), surface, space, None, [0.05])
    assert answer.status == NOT_SEARCHED
