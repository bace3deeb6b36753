from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from stability_sweep.analysis import divergence_origins, warning_signs
from stability_sweep.results.outcome import Divergence, Outcome, Symptom, TrialResult
from stability_sweep.results.telemetry import Telemetry
from stability_sweep.sources.frame import study_frame
from stability_sweep.storage import Repository
from stability_sweep.targets.rhvae import causes
from stability_sweep.targets.rhvae.signals import SIGNALS
from tests.conftest import StudyBuilder, make_result


def telemetry_of(steps: int, **signals: np.ndarray) -> Telemetry:
    values = np.ones((steps, len(SIGNALS)))
    for name, column in signals.items():
        values[:, list(SIGNALS).index(name)] = column
    return Telemetry(np.arange(1, steps + 1), values, tuple(SIGNALS))


def stable(count: int, seed: int = 0, steps: int = 100) -> list[tuple[TrialResult, Telemetry]]:
    generator = np.random.default_rng(seed)
    return [(make_result(), telemetry_of(steps, loss=10 + generator.uniform(0, 1, steps))) for _ in range(count)]


def diverged(step: int, loss: np.ndarray) -> tuple[TrialResult, Telemetry]:
    result = make_result(Outcome.DIVERGED, steps=step, divergence=Divergence(step=step, symptom=Symptom.NAN_LOSS))
    return result, telemetry_of(step, loss=loss)


def row(table: pd.DataFrame, signal: str) -> dict[str, float]:
    (found,) = table[table["signal"] == signal].to_dict("records")
    return found  # type: ignore[return-value]


def test_the_lead_is_counted_from_the_first_step_outside_the_usual_range_to_the_diverging_one() -> None:
    loss = np.full(50, 10.5)
    loss[42:] = 1e6  # step 43 is the first outside; the run ends at step 50
    loss[49] = np.nan
    quiet = np.full(30, 10.5)
    quiet[29] = np.nan  # the diverging step itself is no warning
    table = warning_signs([*stable(20), diverged(50, loss), diverged(30, quiet)], SIGNALS)
    found = row(table, "loss")
    assert (found["warned"], found["diverged"]) == (1, 2)
    assert found["lead_steps"] == found["shortest_lead_steps"] == found["longest_lead_steps"] == 7
    assert row(table, "prior")["warned"] == 0
    assert np.isnan(row(table, "prior")["lead_steps"])
    assert table["signal"].iloc[0] == "loss"
    assert set(table["signal"]) == set(SIGNALS)


def test_a_nan_before_the_end_is_a_warning() -> None:
    loss = np.full(20, 10.5)
    loss[9:] = np.nan
    assert row(warning_signs([*stable(10), diverged(20, loss)], SIGNALS), "loss")["lead_steps"] == 10


def test_false_alarms_come_from_stable_trials_that_the_others_do_not_excuse() -> None:
    odd = np.full(100, 10.5)
    odd[50] = 1e9
    table = warning_signs([*stable(30), (make_result(), telemetry_of(100, loss=odd))], SIGNALS)
    found = row(table, "loss")
    assert found["stable"] == 31
    assert 1 <= found["false_alarms"] <= 6  # the odd one, and about a tenth by the definition of the range
    assert row(table, "prior")["false_alarms"] == 0


def test_the_usual_range_holds_nine_tenths_of_stable_trials() -> None:
    shares = [row(warning_signs(stable(60, seed), SIGNALS), "loss")["false_alarms"] / 60 for seed in range(20)]
    assert np.mean(shares) == pytest.approx(0.1, abs=0.03)


def test_too_few_stable_trials_give_an_empty_table_and_no_guess() -> None:
    assert warning_signs(stable(4), SIGNALS).empty


def test_origins_are_counted_most_frequent_first(repository: Repository, finished_study: StudyBuilder) -> None:
    kinds = iter(
        [
            (5, "momentum[1]", causes.EXPLODING_MOMENTUM),
            (7, "momentum[1]", causes.EXPLODING_MOMENTUM),
            (2, "metric.factor", causes.EXP_OVERFLOW),
            (3, None, causes.NOT_REPRODUCED),
            (4, None, None),
        ]
    )

    def judge(point: dict[str, object]) -> TrialResult:
        kind = next(kinds, None)
        if kind is None:
            return make_result()
        step, origin, cause = kind
        divergence = Divergence(step=step, symptom=Symptom.NAN_LOSS, origin=origin, cause=cause)
        return make_result(Outcome.DIVERGED, steps=step, divergence=divergence)

    study = finished_study(judge, trials=6)
    frame = study_frame(repository, study)
    table = divergence_origins(frame, study.definition.space)
    assert table["trials"].tolist() == [2, 1, 1, 1]
    first = table.iloc[0]
    assert (first["origin"], first["cause"], first["median_step"], first["share"]) == (
        "momentum[1]",
        "exploding_momentum",
        6.0,
        0.4,
    )
    assert table["trials"].sum() == 5
    assert divergence_origins(frame[frame["outcome"] == "stable"], study.definition.space).empty
