"""The stopping rule, on a real database and with real workers."""

from __future__ import annotations

import math
import random
from typing import Any

import optuna
import pytest
import torch

from stability_sweep.definition.study import StudyDefinition
from stability_sweep.results.outcome import Outcome, TrialResult
from stability_sweep.space.dimensions import Point
from stability_sweep.storage import Repository
from stability_sweep.targets.images.images import load_images
from stability_sweep.targets.rhvae.trainable import PreparedRHVAE
from stability_sweep.workers import StopRequest, Worker, prepare_study
from stability_sweep.workers.ending import PrecisionRule, present_precision
from tests.conftest import StudyBuilder, diverges_above, make_definition, make_result

SPACE = {"learning_rate": {"low": 1e-4, "high": 1e2, "log": True}, "batch_size": [16, 64], "clip_norm": "off"}


def with_precision(precision: float | None, trials: int = 200, sampler: str = "boundary") -> StudyDefinition:
    return make_definition(
        sampler={"name": sampler},
        search_space=SPACE,
        budget={"trials": trials, "precision": precision},
        training={"horizon_steps": 10},
        model={"latent_dim": 2, "n_lf": 1},
    )


def test_the_rule_is_met_as_soon_as_the_results_say_so(finished_study: StudyBuilder, repository: Repository) -> None:
    study = finished_study(diverges_above(1e-2), trials=40, definition=with_precision(0.5, 40, "qmc"))
    found = present_precision(repository, study)
    assert found is not None
    assert found.trials == 40
    for asked, expected in ((found.decades * 1.1, True), (found.decades * 0.9, False), (None, False)):
        revised = repository.revise(study, with_precision(asked, 40, "qmc"))
        assert PrecisionRule(repository, revised).is_met(exactly=True) is expected


def test_no_trials_never_meet_the_rule(repository: Repository) -> None:
    study = prepare_study(repository, with_precision(100.0))
    assert PrecisionRule(repository, study).is_met(exactly=True) is False


def test_a_rule_that_was_met_looks_again_when_a_late_result_comes(
    finished_study: StudyBuilder, repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = finished_study(diverges_above(1e-2), trials=40, definition=with_precision(100.0, 40, "qmc"))
    rule = PrecisionRule(repository, study)
    assert rule.is_met()
    monkeypatch.setattr(rule, "_asked_decades", 1e-6)
    assert rule.is_met()  # nothing new: nothing is computed again
    summary = repository.summary(study)
    monkeypatch.setattr(repository, "summary", lambda _: type(summary)(study.name, 40, {"stable": 41}, 0, 0))
    assert not rule.is_met()


def test_a_real_study_ends_before_its_budget_and_goes_on_when_more_is_asked(repository: Repository) -> None:
    torch.manual_seed(0)
    definition = with_precision(0.3)
    images = load_images(definition.settings["data"], None, torch.device("cpu"))

    def run(asked: StudyDefinition) -> int:
        study = prepare_study(repository, asked)
        Worker(repository, study, PreparedRHVAE(images), StopRequest()).run()
        return repository.summary(study).finished

    first = run(definition)
    assert 16 < first < 100
    precision = present_precision(repository, prepare_study(repository, definition))
    assert precision is not None
    assert precision.decades <= 0.3
    assert run(definition) == first
    more = run(with_precision(precision.decades * 0.9))
    assert first < more < 200


@pytest.mark.parametrize("sampler", ["boundary", "tpe"])
def test_a_sampler_sees_the_results_of_the_trials_before(
    repository: Repository, sampler: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []
    plain = optuna.Study._get_trials

    def watched(self: optuna.Study, *args: Any, **kwargs: Any) -> Any:
        trials = plain(self, *args, **kwargs)
        seen.append(sum(trial.state.is_finished() for trial in trials))
        return trials

    monkeypatch.setattr(optuna.Study, "_get_trials", watched)
    definition = make_definition(sampler={"name": sampler}, budget={"trials": 22})
    images = load_images(definition.settings["data"], None, torch.device("cpu"))
    Worker(repository, prepare_study(repository, definition), PreparedRHVAE(images), StopRequest()).run()
    assert max(seen) == 21


def test_trials_after_the_start_look_for_the_line(repository: Repository) -> None:
    """The default sampler, through workers and database, with the repeats of a definition."""
    definition = make_definition(
        sampler={"name": "boundary"},
        search_space=SPACE,
        budget={"trials": 80, "repeats": 2},
        training={"horizon_steps": 10},
        model={"latent_dim": 2, "n_lf": 1},
    )
    study = prepare_study(repository, definition)
    images = load_images(definition.settings["data"], None, torch.device("cpu"))
    Worker(repository, study, PreparedRHVAE(images), StopRequest()).run()
    trials = repository.database.optuna_storage.get_all_trials(study.study_id)
    assert [t.params for t in trials[::2]] == [t.params for t in trials[1::2]]
    results = {result.number: result.result for result in repository.results(study)}
    died = [math.log10(t.params["learning_rate"]) for t in trials if results[t.number].outcome is Outcome.DIVERGED]
    lived = [math.log10(t.params["learning_rate"]) for t in trials if results[t.number].outcome is not Outcome.DIVERGED]
    low, high = min(died) - 0.5, max(lived) + 0.5
    assert high - low < 4
    late = [math.log10(t.params["learning_rate"]) for t in trials[32:]]
    assert sum(low < rate < high for rate in late) > 0.6 * len(late)


def test_failed_trials_do_not_count_for_the_line(finished_study: StudyBuilder, repository: Repository) -> None:
    study = finished_study(lambda _: make_result(Outcome.FAILED), trials=8, definition=with_precision(1.0, 8))
    assert present_precision(repository, study) is None


def test_a_precision_that_the_budget_cannot_give_is_told_early(
    finished_study: StudyBuilder, repository: Repository, caplog: pytest.LogCaptureFixture
) -> None:
    """The outcome is chance over several decades."""
    generator = random.Random(0)

    def chance(point: Point) -> TrialResult:
        above = 1.0 / (1.0 + (float(point["learning_rate"]) / 0.1) ** -0.8)
        return make_result(Outcome.DIVERGED if generator.random() < above else Outcome.STABLE)

    study = finished_study(chance, trials=40, definition=with_precision(0.05, 60, "qmc"))
    assert not PrecisionRule(repository, study).is_met()
    assert "a precision of 0.05 decades is out of reach" in caplog.text
