"""Trials of foreign studies that end without a word about divergence: what the boundary sampler makes of them."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.distributions import BaseDistribution, FloatDistribution
from optuna.trial import TrialState, create_trial

from stability_sweep.gaussian_process import fit_binomial, learn_kernel
from stability_sweep.results.outcome import Outcome
from stability_sweep.sampling import BoundarySampler, build_sampler, suggest_point
from stability_sweep.sampling.evidence import has_diverged
from stability_sweep.sampling.exploration import is_explored
from stability_sweep.space.coordinates import Coordinates
from stability_sweep.workers.objective import tell
from tests.conftest import make_definition, make_result

SPACE: dict[str, BaseDistribution] = {
    "learning_rate": FloatDistribution(1e-6, 1e-1, log=True),
    "batch": FloatDistribution(0.0, 1.0),
}
TRIALS, START = 64, 16

Ending = Callable[[optuna.Trial], float]
"""What an objective does that has diverged."""


def limit(batch: float) -> float:
    """The known line: log10 of the learning rate above which every trial diverges."""
    return -3 + 0.8 * (batch - 0.5)


def beyond(params: dict[str, Any]) -> float:
    """Decades above the line."""
    return math.log10(params["learning_rate"]) - limit(params["batch"])


def returns_nan(trial: optuna.Trial) -> float:
    return math.nan


def returns_infinity(trial: optuna.Trial) -> float:
    return math.inf


def raises(trial: optuna.Trial) -> float:
    raise FloatingPointError("loss is NaN")


def reports_and_returns_nan(trial: optuna.Trial) -> float:
    trial.report(math.nan, 3)
    return math.nan


def reports_infinity_and_raises(trial: optuna.Trial) -> float:
    trial.report(math.inf, 3)
    raise FloatingPointError("loss is infinite")


def reports_and_prunes(trial: optuna.Trial) -> float:
    trial.report(math.nan, 3)
    raise optuna.TrialPruned


def prunes_without_a_report(trial: optuna.Trial) -> float:
    raise optuna.TrialPruned


def violates_the_constraint(trial: optuna.Trial) -> float:
    trial.set_constraint("diverged", 1.0)
    raise optuna.TrialPruned


SILENT = [returns_nan, raises, prunes_without_a_report]
TELLING = [
    returns_infinity,
    reports_and_returns_nan,
    reports_infinity_and_raises,
    reports_and_prunes,
    violates_the_constraint,
]


def study_of(
    ending: Ending, *, crashes: Callable[[dict[str, Any]], bool] = lambda params: False, seed: int = 0, **options: Any
) -> optuna.Study:
    """A plain Optuna study of a world in which whatever lies beyond the line diverges."""
    study = optuna.create_study(sampler=BoundarySampler(seed=seed, **options))

    def objective(trial: optuna.Trial) -> float:
        params = {name: trial.suggest_float(name, axis.low, axis.high, log=axis.log) for name, axis in SPACE.items()}  # type: ignore[attr-defined]
        if crashes(params):
            raise MemoryError
        return ending(trial) if beyond(params) > 0 else 1.0

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        study.optimize(objective, n_trials=TRIALS, catch=(MemoryError, FloatingPointError))
    return study


def asked(study: optuna.Study) -> list[float]:
    """Where the points after the start lie, in decades from the line."""
    return [beyond(trial.params) for trial in study.trials[START:]]


def line_error(study: optuna.Study) -> float:
    """Decades between the true line and that of a model that knows how every trial ended; crashed ones left out."""
    coordinates = Coordinates.of(SPACE)
    trials = [t for t in study.trials if t.state is TrialState.COMPLETE or has_diverged(t) or beyond(t.params) > 0]
    outcomes = np.array([float(beyond(trial.params) > 0) for trial in trials])
    points = coordinates.encode(np.array([coordinates.internal(trial.params) for trial in trials]))
    process = fit_binomial(
        learn_kernel(points, outcomes, np.ones(len(outcomes))), points, outcomes, np.ones(len(outcomes))
    )
    decades = np.linspace(-6, -1, 501)
    errors = []
    for batch in (0.1, 0.3, 0.5, 0.7):
        line = [coordinates.internal({"learning_rate": 10**decade, "batch": batch}) for decade in decades]
        diverges = process.latent(coordinates.encode(np.array(line)))[0] > 0
        assert diverges[-1]
        errors.append(abs(decades[int(diverges.argmax())] - limit(batch)))
    return float(np.median(errors))


def vanished(study: optuna.Study) -> int:
    """Trials without an outcome."""
    return sum(trial.state is TrialState.FAIL and has_diverged(trial) is None for trial in study.trials)


@pytest.mark.parametrize("ending", [*SILENT, *TELLING])
def test_however_a_divergence_ends_the_sampler_walks_the_line(ending: Ending) -> None:
    """Left out, silent ones had drawn 47 to 54 of 64 trials beyond the line, 2.4 decades from it in the median."""
    study = study_of(ending)
    assert np.median(np.abs(asked(study))) < 0.15
    assert np.mean([decades > 0 for decades in asked(study)]) < 0.65
    assert line_error(study) < 0.1


@pytest.mark.parametrize("ending", [returns_nan, raises])
def test_failed_trials_that_count_as_diverged_are_as_good_as_reported_divergences(ending: Ending) -> None:
    told = study_of(reports_and_returns_nan)
    counted = study_of(ending, failed_is_diverged=True)
    assert [trial.params for trial in counted.trials] == [trial.params for trial in told.trials]


def test_a_few_crashes_anywhere_do_not_pull_the_line() -> None:
    coin = np.random.default_rng(7)
    study = study_of(reports_and_prunes, crashes=lambda params: bool(coin.random() < 0.15))
    assert vanished(study) >= 5
    assert np.median(np.abs(asked(study))) < 0.15
    assert line_error(study) < 0.1


def test_a_region_that_crashes_does_not_draw_the_trials_of_a_study_that_tells_its_divergences() -> None:
    """A fifth of the space; left out, the failed trials had drawn 45 of 64 into it."""
    for seed in range(2):
        study = study_of(reports_and_prunes, crashes=lambda params: params["batch"] > 0.8, seed=seed)
        assert vanished(study) < TRIALS / 2
        assert line_error(study) < 0.1


def ask_again(study: optuna.Study) -> list[str]:
    """What the sampler warns of when it is asked for ten points more."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(10):
            study.tell(study.ask(SPACE), state=TrialState.FAIL)
    return [str(warning.message) for warning in caught if "BoundarySampler" in str(warning.message)]


@pytest.mark.parametrize("ending", SILENT)
def test_silent_trials_are_warned_of_once_with_the_ways_to_tell_a_divergence(ending: Ending) -> None:
    study = study_of(ending)
    study.sampler = BoundarySampler(seed=1)
    (message,) = ask_again(study)
    for way in ("trial.report(", 'set_constraint("diverged", 1.0)', "failed_is_diverged=True"):
        assert way in message


@pytest.mark.parametrize("options", [{"failed_is_diverged": True}, {"failed_is_diverged": None}])
def test_whoever_has_said_what_failed_trials_mean_is_not_warned(options: dict[str, Any]) -> None:
    study = study_of(returns_nan)
    study.sampler = BoundarySampler(seed=1, **options)
    assert ask_again(study) == []


def test_where_a_divergence_was_told_failures_are_crashes_and_no_reason_to_warn() -> None:
    study = study_of(reports_and_prunes)
    study.sampler = BoundarySampler(seed=1)
    assert ask_again(study) == []


@pytest.mark.parametrize("has_diverged_ones", [True, False])
def test_in_our_own_studies_a_failed_trial_changes_no_point_that_the_model_chooses(has_diverged_ones: bool) -> None:
    """Failed means the machine's fault there, or ours: the model does not look where it was. A gap does."""
    definition = make_definition(sampler={"name": "boundary"}, budget={"trials": 40})
    space = definition.space.distributions
    first_gap = next(number for number in range(START, 2 * START) if is_explored(number))

    def points(point: float) -> list[dict[str, Any]]:
        failed = create_trial(
            state=TrialState.FAIL,
            params={"learning_rate": point, "batch_size": 16, "clip_norm": 1.0},
            distributions=space,
        )
        study = optuna.create_study(sampler=build_sampler(definition))
        for number in range(first_gap):
            if number % 3 == 0 and number < START:
                study.add_trial(failed)
                continue
            trial = study.ask()
            diverged = has_diverged_ones and float(suggest_point(trial, definition)["learning_rate"]) > 1e-3
            tell(study, trial, make_result(Outcome.DIVERGED if diverged else Outcome.STABLE))
        return [trial.params for trial in study.trials if trial.state is not TrialState.FAIL]

    found = points(1e-3)
    assert found == points(1e-5)
    assert len(found) == first_gap - 6
