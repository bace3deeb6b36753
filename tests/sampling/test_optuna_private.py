"""What the samplers take Optuna's private parts for; a new version of Optuna that does otherwise fails here."""

from __future__ import annotations

from typing import Any

import optuna
import pytest
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import TrialState

from stability_sweep.sampling.optuna_private import cached_trials, contains


def test_the_cache_holds_all_trials_and_is_filled_once_per_asked_trial(monkeypatch: pytest.MonkeyPatch) -> None:
    study = optuna.create_study()
    study.tell(study.ask(), 1.0)
    reads = []
    read_all = study._storage.get_all_trials

    def counted(*args: Any, **kwargs: Any) -> Any:
        reads.append(args)
        return read_all(*args, **kwargs)

    monkeypatch.setattr(study._storage, "get_all_trials", counted)
    study.ask()
    before = len(reads)
    states = [trial.state for trial in cached_trials(study)]
    assert states == [TrialState.COMPLETE, TrialState.RUNNING]
    assert cached_trials(study) is cached_trials(study)
    assert len(reads) <= before + 1
    study.ask()
    assert len(cached_trials(study)) == 3


@pytest.mark.parametrize(
    ("distribution", "inside", "outside"),
    [
        (FloatDistribution(1e-4, 1.0, log=True), [1e-4, 0.5, 1], [0.0, 1.1, "a text"]),
        (IntDistribution(1, 5), [1, 5], [0, 6, 2.5, "a text"]),
        (CategoricalDistribution([16, "off"]), [16, "off"], [17, "on", None]),
    ],
    ids=str,
)
def test_a_parameter_is_one_of_a_distribution_or_not(
    distribution: BaseDistribution, inside: list[Any], outside: list[Any]
) -> None:
    assert all(contains(distribution, value) for value in inside)
    assert not any(contains(distribution, value) for value in outside)
