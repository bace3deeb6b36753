"""The boundary sampler: Optuna's own tests, what it must survive, and that it walks the boundary."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.samplers import BaseSampler, QMCSampler
from optuna.testing.pytest_samplers import BasicSamplerTestCase, RelativeSamplerTestCase, SingleOnlySamplerTestCase
from optuna.trial import TrialState

from stability_sweep.analysis.surface import fit_surface
from stability_sweep.sampling import BoundarySampler
from stability_sweep.sampling import boundary as boundary_module
from stability_sweep.sampling.exploration import is_explored
from tests.conftest import ROOT
from tests.sampling.boundaries import is_found, probability_at, run_study, simulated

SPACE: dict[str, BaseDistribution] = {
    "rate": FloatDistribution(1e-6, 1e-1, log=True),
    "batch": CategoricalDistribution([256, 16, 64]),
    "depth": IntDistribution(1, 8),
    "activation": CategoricalDistribution(["relu", "tanh"]),
}


class TestAsOptunaTestsItsOwn(BasicSamplerTestCase, RelativeSamplerTestCase, SingleOnlySamplerTestCase):
    @pytest.fixture
    def sampler(self) -> Callable[[], BaseSampler]:
        return BoundarySampler


def diverge(trial: optuna.Trial) -> bool:
    """Above a rate that depends on the batch."""
    return bool(trial.params["rate"] > (1e-3 if trial.params["batch"] == 16 else 1e-2))


def finish(study: optuna.Study, trial: optuna.Trial, *, diverged: bool, step: int = 1) -> None:
    """As any user of Optuna would: a NaN is reported, and the trial pruned."""
    if diverged:
        trial.report(math.nan, step)
        study.tell(trial, state=TrialState.PRUNED)
    else:
        study.tell(trial, 1.0)


def run(
    trials: int, *, seed: int = 0, outcome: Callable[[optuna.Trial], bool] = diverge, study: optuna.Study | None = None
) -> optuna.Study:
    study = study or optuna.create_study(sampler=BoundarySampler(seed=seed))
    for _ in range(trials):
        trial = study.ask(SPACE)
        finish(study, trial, diverged=outcome(trial))
    return study


def params(study: optuna.Study) -> list[dict[str, Any]]:
    return [trial.params for trial in study.trials]


def test_mixed_dimensions_stay_in_their_ranges() -> None:
    for point in params(run(40)):
        assert 1e-6 <= point["rate"] <= 1e-1
        assert point["batch"] in (16, 64, 256)
        assert point["depth"] in range(1, 9)
        assert point["activation"] in ("relu", "tanh")


def test_a_seed_gives_the_same_points_and_another_one_others() -> None:
    assert params(run(30, seed=3)) == params(run(30, seed=3))
    assert params(run(30, seed=3)) != params(run(30, seed=4))


def test_a_point_depends_on_the_trial_and_the_results_and_not_on_who_asks() -> None:
    study = run(30)
    study.sampler = BoundarySampler(seed=0)
    assert study.ask(SPACE).params == run(31).trials[-1].params


@pytest.mark.parametrize("outcome", [True, False], ids=["all diverged", "all stable"])
def test_one_outcome_only_is_survived_and_the_space_searched_on(outcome: bool) -> None:
    study = run(40, outcome=lambda _: outcome)
    late = np.log10([trial.params["rate"] for trial in study.trials[16:]])
    assert late.max() - late.min() > 4


def test_a_range_that_grew_is_searched_beyond_its_old_end() -> None:
    study = run(24)
    wider = {**SPACE, "rate": FloatDistribution(1e-6, 10.0, log=True)}
    for _ in range(24):
        trial = study.ask(wider)
        finish(study, trial, diverged=diverge(trial))
    assert sum(point["rate"] > 0.1 for point in params(study)[24:]) >= 3


def test_choices_that_changed_and_a_dimension_that_is_new_are_survived() -> None:
    study = run(24)
    # Optuna itself allows no other choices of one dimension within a study.
    changed = {"rate": SPACE["rate"], "width": IntDistribution(8, 64, log=True)}
    for _ in range(12):
        trial = study.ask(changed)
        finish(study, trial, diverged=trial.params["rate"] > 1e-3)
    assert all(8 <= point["width"] <= 64 for point in params(study)[24:])


def test_a_conditional_dimension_is_sampled_on_its_own() -> None:
    study = optuna.create_study(sampler=BoundarySampler(seed=0))
    for _ in range(40):
        trial = study.ask()
        rate = trial.suggest_float("rate", 1e-6, 1e-1, log=True)
        if trial.suggest_categorical("clips", [True, False]):
            trial.suggest_float("clip", 0.1, 10.0, log=True)
        finish(study, trial, diverged=rate > 1e-3)
    clips = {point["clip"] for point in params(study) if "clip" in point}
    assert len(clips) > 5
    assert near_line(study, 1e-3) > 0.4


def near_line(study: optuna.Study, line: float) -> float:
    """Share of the points after the start that lie within half a decade of a learning rate."""
    rates = [trial.params["rate"] for trial in study.trials if not is_explored(trial.number)]
    return float(np.mean([abs(math.log10(rate / line)) < 0.5 for rate in rates]))


def test_after_the_start_most_points_lie_near_the_boundary() -> None:
    """Of random points a fifth would lie there."""
    study = run(60, outcome=lambda trial: trial.params["rate"] > 1e-3)
    assert near_line(study, 1e-3) > 0.5


def test_the_start_is_the_same_whatever_happened() -> None:
    one, other = params(run(17)), params(run(17, outcome=lambda trial: trial.params["rate"] > 1e-5))
    assert one[1:16] == other[1:16]
    assert one[16] != other[16]


FLOATS: dict[str, BaseDistribution] = {"x": FloatDistribution(0.0, 1.0), "y": FloatDistribution(0.0, 1.0)}


def gap_left(study: optuna.Study, name: str = "x") -> float:
    """The widest stretch of an axis without a trial."""
    return float(np.diff(np.sort([0.0, *(trial.params[name] for trial in study.trials), 1.0])).max())


def study_of_floats(trials: int, sampler: BoundarySampler, line: float = 0.9) -> optuna.Study:
    """Above the line on the x axis every trial diverges; y plays no part."""
    study = optuna.create_study(sampler=sampler)
    for _ in range(trials):
        trial = study.ask(FLOATS)
        finish(study, trial, diverged=trial.params["x"] > line)
    return study


def test_one_trial_in_four_keeps_every_stretch_of_the_crossing_dimension_seen() -> None:
    """Nothing below the line is ever in doubt, and yet it is looked at in every band of the other dimension."""
    study = study_of_floats(96, BoundarySampler(seed=0, along="x"))
    for low in (0.0, 0.3, 0.6):
        own = [t.params["x"] for t in study.trials if low <= t.params["y"] <= low + 0.4 and t.params["x"] < 0.9]
        assert np.diff(np.sort([0.0, *own])).max() < 0.16


def test_the_dimension_to_look_along_can_be_said_and_is_else_the_one_that_matters_most() -> None:
    left = {along: gap_left(study_of_floats(64, BoundarySampler(seed=0, along=along))) for along in ("x", "y", None)}
    assert left["x"] == left[None] < left["y"]


def test_repeats_share_one_index_so_a_third_of_the_numbers_are_asked_for_and_the_shares_stay() -> None:
    """Of a study that runs each point three times only every third trial is asked for a point."""
    study = optuna.create_study(sampler=BoundarySampler(seed=0, repeats=3, along="x"))
    lone = optuna.create_study(sampler=BoundarySampler(seed=0, along="x"))
    for number in range(3 * 20):
        if number % 3:
            study.enqueue_trial(study.trials[-1].params)
        trial = study.ask(FLOATS)
        finish(study, trial, diverged=trial.params["x"] > 0.5)
        if number % 3 == 0:
            lone.enqueue_trial(trial.params)
            finish(lone, lone.ask(FLOATS), diverged=trial.params["x"] > 0.5)
    first = [trial.params for trial in study.trials[::3]]
    assert first[:16] == params(study_of_floats(16, BoundarySampler(seed=0)))
    assert len({point["x"] for point in first}) == 20


def test_no_trials_pile_up_on_the_ends_of_an_axis() -> None:
    """Refined points that were cut off there had put one trial in ten exactly on an end."""
    boundary = simulated("straight")
    frame = run_study(boundary, BoundarySampler(seed=0), 128, seed=0)
    rates = (np.log10(frame["learning_rate"]) + 6) / 5
    assert ((rates < 1e-6) | (rates > 1 - 1e-6)).sum() == 0
    assert ((rates < 0.01) | (rates > 0.99)).mean() < 0.05


def test_running_trials_are_pending_so_eight_workers_ask_for_eight_points() -> None:
    space = {"rate": SPACE["rate"], "depth": FloatDistribution(0.0, 1.0)}
    study = optuna.create_study(sampler=BoundarySampler(seed=0))
    for _ in range(24):
        trial = study.ask(space)
        finish(study, trial, diverged=trial.params["rate"] > 1e-3)
    asked = [study.ask(space).params for _ in range(8)]
    points = np.array([[math.log10(point["rate"]) / 5, point["depth"]] for point in asked])
    distances = np.hypot(*(points[:, None] - points[None]).transpose(2, 0, 1))[np.triu_indices(8, 1)]
    # Two of them may meet where the outcome is chance, and two seeds there say more than one.
    assert (distances < 0.02).sum() <= 1
    assert np.median(distances) > 0.2


def test_where_the_outcome_is_chance_a_point_is_tried_again_with_another_seed() -> None:
    coin = np.random.default_rng(5)
    study = optuna.create_study(sampler=BoundarySampler(seed=1))
    space: dict[str, BaseDistribution] = {"rate": SPACE["rate"]}
    for _ in range(80):
        trial = study.ask(space)
        finish(study, trial, diverged=bool(coin.random() < 0.5))
    assert len({trial.params["rate"] for trial in study.trials}) < 70


@pytest.mark.parametrize("late", ["low", "high", "nowhere"])
def test_where_everything_diverged_late_divergences_lead_the_way(late: str) -> None:
    """Over four seeds. The outcomes are the same each time; only the times differ."""

    def step(rate: float) -> int:
        return 900 if (late == "low" and rate < 1e-5) or (late == "high" and rate > 1e-2) else 2

    rates = []
    for seed in range(4):
        study = optuna.create_study(sampler=BoundarySampler(seed=seed, horizon=lambda _: 1000))
        for _ in range(48):
            trial = study.ask({"rate": SPACE["rate"], "batch": SPACE["batch"]})
            finish(study, trial, diverged=True, step=step(trial.params["rate"]))
        rates += [trial.params["rate"] for trial in study.trials if not is_explored(trial.number)]
    low, high = np.mean(np.array(rates) < 1e-5), np.mean(np.array(rates) > 1e-2)
    if late == "nowhere":
        assert abs(low - high) < 0.06
    else:
        assert low - high > 0.06 if late == "low" else high - low > 0.06


@pytest.mark.parametrize("name", ["curved", "soft"])
def test_the_map_of_64_trials_is_better_than_that_of_as_many_sobol_points(name: str) -> None:
    """Over four seeds; `benchmarks/sampler.py` has twenty, more shapes and more samplers."""
    boundary = simulated(name)
    wrong: dict[str, list[float]] = {"ours": [], "sobol": []}
    for seed in range(4):
        for who, sampler in (("ours", BoundarySampler(seed=seed)), ("sobol", QMCSampler(seed=seed, scramble=True))):
            surface = fit_surface(run_study(boundary, sampler, 64, seed=seed), boundary.definition.space)
            assert surface is not None
            found = surface.predict(boundary.points)["median"] > 0.5
            wrong[who].append(float((found != (boundary.points["truth"] > 0.5)).mean()))
    assert np.mean(wrong["ours"]) < 0.8 * np.mean(wrong["sobol"])


def test_a_ridge_below_the_boundary_is_found() -> None:
    """With 128 trials and three seeds; one that only walks the boundary had found it in two of eight studies."""
    boundary = simulated("ridge")
    truth = (boundary.points["truth"] > 0.5).to_numpy()
    for seed in range(3):
        surface = fit_surface(
            run_study(boundary, BoundarySampler(seed=seed), 128, seed=seed), boundary.definition.space
        )
        assert surface is not None
        is_right = (surface.predict(boundary.points)["median"] > 0.5).to_numpy() == truth
        assert is_found(boundary.features, is_right)
        assert is_right.mean() > 0.96


@pytest.mark.parametrize(("name", "is_soft"), [("soft", True), ("straight", False)])
def test_only_a_soft_boundary_is_asked_about_the_probability_on_its_slopes(
    name: str, is_soft: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    boundary = simulated(name)

    def on_slopes() -> float:
        """Share of the last trials whose true probability is not near one half."""
        frame = run_study(boundary, BoundarySampler(seed=0), 192, seed=0)
        late = frame[frame["number"] >= 144]
        return float((np.abs(probability_at(name, late) - 0.5) > 0.25).mean())

    found = on_slopes()
    monkeypatch.setattr(boundary_module, "SOFT", 2.0)  # never
    assert found > 1.3 * on_slopes() if is_soft else found == on_slopes()


def test_threads_of_one_process_can_share_a_sampler() -> None:
    study = optuna.create_study(sampler=BoundarySampler(seed=0))

    def objective(trial: optuna.Trial) -> float:
        rate = trial.suggest_float("rate", 1e-6, 1e-1, log=True)
        time.sleep(0.001)
        if rate > 1e-3:
            trial.report(math.nan, 1)
            raise optuna.TrialPruned
        return rate

    study.optimize(objective, n_trials=40, n_jobs=4)
    assert len(study.trials) == 40
    assert all(trial.state.is_finished() for trial in study.trials)


def test_a_sampler_can_be_used_for_one_study_after_the_other() -> None:
    """Optuna gives all studies in memory the same id."""
    past = run(30).trials
    used = BoundarySampler(seed=0)
    run(30, study=optuna.create_study(sampler=used), outcome=lambda _: True)
    asked = []
    for sampler in (used, BoundarySampler(seed=0)):
        study = optuna.create_study(sampler=sampler)
        study.add_trials(past)
        asked.append(study.ask(SPACE).params)
    assert asked[0] == asked[1]


def test_trials_that_a_pruner_stopped_at_once_say_nothing() -> None:
    study = optuna.create_study(sampler=BoundarySampler(seed=0, horizon=lambda _: 100))
    for _ in range(40):
        trial = study.ask(SPACE)
        trial.report(1.0, 1)
        study.tell(trial, state=TrialState.PRUNED)
    assert len({tuple(point.values()) for point in params(study)}) == 40


def test_the_example_of_the_documentation_runs() -> None:
    page = (ROOT / "docs" / "sampler.md").read_text()
    code = page.split("```python\n")[1].split("```")[0]
    found: dict[str, Any] = {}
    exec(code, found)
    study = found["study"]
    diverged = [trial.state is TrialState.PRUNED for trial in study.trials]
    assert len(diverged) == 64
    assert 0.2 < np.mean(diverged[16:]) < 0.8
