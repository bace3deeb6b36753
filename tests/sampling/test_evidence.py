"""What trials of any Optuna study say about divergence."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.distributions import FloatDistribution
from optuna.trial import FrozenTrial, TrialState

from stability_sweep.sampling.evidence import EvidenceReader, has_diverged
from stability_sweep.space.coordinates import Coordinates

RATE = FloatDistribution(1e-6, 1e-1, log=True)


def trial(state: TrialState, *, number: int = 0, rate: float = 1e-3, **more: Any) -> FrozenTrial:
    made = optuna.trial.create_trial(state=state, params={"rate": rate}, distributions={"rate": RATE}, **more)
    made.number = number
    return made


def survivors(count: int) -> list[FrozenTrial]:
    return [trial(TrialState.COMPLETE, number=1000 + i, value=1.0) for i in range(count)]


def read(trials: list[FrozenTrial], horizon: float | None = 100.0) -> Any:
    reader = EvidenceReader(Coordinates.of({"rate": RATE}), None if horizon is None else lambda _: horizon)
    return reader.read(trials, leaving_out=-1)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (trial(TrialState.COMPLETE, value=1.0), False),
        (trial(TrialState.COMPLETE, value=math.inf), True),
        (trial(TrialState.PRUNED, intermediate_values={1: 5.0, 7: math.nan}), True),
        (trial(TrialState.PRUNED, intermediate_values={1: math.inf, 7: 5.0}), False),
        (trial(TrialState.PRUNED), None),
        (trial(TrialState.FAIL, intermediate_values={3: math.nan}), True),
        (trial(TrialState.FAIL, intermediate_values={3: 1.0}), None),
        (trial(TrialState.FAIL), None),
        (trial(TrialState.COMPLETE, value=math.inf, constraints={"diverged": 0.0}), False),
        (trial(TrialState.PRUNED, constraints={"diverged": 1.0}), True),
        (trial(TrialState.PRUNED, intermediate_values={3: math.nan}, constraints={"memory": 1.0}), True),
    ],
)
def test_divergence_is_told_by_the_constraint_or_by_what_is_not_finite(
    given: FrozenTrial, expected: bool | None
) -> None:
    assert has_diverged(given) is expected


def test_a_late_divergence_counts_for_less_than_an_early_one_while_survivors_are_few() -> None:
    dead = [trial(TrialState.PRUNED, number=step, intermediate_values={step: math.nan}) for step in (1, 50, 100)]
    assert read(dead).weight == pytest.approx([0.995, 0.75, 0.5])
    assert read([*dead, *survivors(7)]).weight[:3] == pytest.approx([0.995, 0.75, 0.5])
    assert read([*dead, *survivors(8)]).weight.tolist() == [1.0] * 11


def test_a_trial_that_a_pruner_stopped_is_a_survivor_for_as_long_as_it_lived() -> None:
    stopped = trial(TrialState.PRUNED, intermediate_values={25: 3.0})
    found = read([stopped, *survivors(8)])
    assert found.diverged[0] == 0
    assert found.weight[0] == 0.25


def test_without_a_horizon_the_longest_trial_tells_it() -> None:
    dead = [trial(TrialState.PRUNED, number=step, intermediate_values={step: math.nan}) for step in (20, 40)]
    assert read(dead, horizon=None).weight == pytest.approx([0.75, 0.5])


def test_running_trials_are_pending_and_those_of_another_space_are_left_out() -> None:
    other = optuna.trial.create_trial(params={"x": 1.0}, distributions={"x": FloatDistribution(0, 1)}, value=1.0)
    other.number = 1
    running = [trial(TrialState.RUNNING, number=2, rate=1e-2), trial(TrialState.RUNNING, number=3, rate=1e-4)]
    reader = EvidenceReader(Coordinates.of({"rate": RATE}), None)
    found = reader.read([*survivors(1), other, *running], leaving_out=3)
    assert found.values.tolist() == [[1e-3]]
    assert found.pending.tolist() == [[1e-2]]


def test_a_trial_that_ends_moves_from_the_pending_to_the_finished() -> None:
    reader = EvidenceReader(Coordinates.of({"rate": RATE}), None)
    assert len(reader.read([trial(TrialState.RUNNING)], leaving_out=-1).pending) == 1
    found = reader.read([trial(TrialState.PRUNED, intermediate_values={1: math.nan})], leaving_out=-1)
    assert len(found.pending) == 0
    assert np.array_equal(found.diverged, [1.0])


def test_a_running_trial_counts_for_what_it_has_lived() -> None:
    running = [trial(TrialState.RUNNING, number=2, intermediate_values={40: 3.0}), trial(TrialState.RUNNING, number=3)]
    about_to_end = trial(TrialState.RUNNING, number=4, intermediate_values={90: math.nan})
    found = read([*survivors(8), *running, about_to_end])
    assert found.pending_weight.tolist() == [0.4, 0.0]
    assert len(found.diverged) == 8


SILENT = [
    trial(TrialState.FAIL, number=50),
    trial(TrialState.FAIL, number=51, intermediate_values={3: 1.0}),
    trial(TrialState.PRUNED, number=52),
]


def read_as(trials: list[FrozenTrial], failed_is_diverged: bool | None) -> Any:
    reader = EvidenceReader(Coordinates.of({"rate": RATE}), lambda _: 100.0, failed_is_diverged=failed_is_diverged)
    return reader.read(trials, leaving_out=-1)


@pytest.mark.parametrize("silent", SILENT)
def test_until_a_divergence_is_told_a_silent_trial_is_half_a_divergence(silent: FrozenTrial) -> None:
    found = read([silent, *survivors(8)])
    assert (found.diverged[0], found.weight[0], found.guessed) == (1.0, 0.5, 1)


@pytest.mark.parametrize("silent", SILENT)
def test_once_a_divergence_is_told_a_silent_trial_was_asked_and_says_no_more(silent: FrozenTrial) -> None:
    told = trial(TrialState.PRUNED, number=60, constraints={"diverged": 1.0})
    found = read([silent, told, *survivors(8)])
    assert len(found.diverged) == 9
    assert found.pending.tolist() == [[silent.params["rate"]]]
    assert (found.pending_weight.tolist(), found.guessed) == ([0.0], 0)


@pytest.mark.parametrize("silent", SILENT[:2])
def test_a_failed_trial_is_a_divergence_or_only_a_point_that_was_seen_where_that_was_said(silent: FrozenTrial) -> None:
    counted, ignored = (read_as([silent, *survivors(8)], meaning) for meaning in (True, None))
    assert (counted.diverged[0], counted.weight[0], counted.guessed) == (1.0, 1.0, 0)
    assert (len(ignored.diverged), len(ignored.pending), ignored.guessed) == (8, 0, 0)
    assert ignored.crashed.tolist() == [[silent.params["rate"]]]
