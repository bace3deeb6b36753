"""Large studies with a known truth, made in seconds: rows as a sweep would have left them, written in bulk."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from optuna.distributions import CategoricalDistribution, FloatDistribution, distribution_to_json
from optuna.storages._rdb import models
from optuna.trial import TrialState
from scipy.special import expit
from scipy.stats import qmc
from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from stability_sweep.definition.files import load_definition
from stability_sweep.definition.study import StudyDefinition
from stability_sweep.results.autopsy import Autopsy, ProbedTensor
from stability_sweep.results.outcome import Divergence, Outcome, Symptom, TrialResult
from stability_sweep.results.telemetry import LAST_STEPS, Telemetry, is_kept
from stability_sweep.storage import Database, Provenance, Repository, StoredStudy
from stability_sweep.storage.records import result_row
from stability_sweep.storage.schema import AutopsyRow, ResultRow, TelemetryRow
from stability_sweep.targets.rhvae import causes
from stability_sweep.targets.rhvae.signals import SIGNALS

LARGE_STUDY = "large"
"""Name of the study that `build_large_study` makes."""

MEASURED_SHARE = 0.1
"""Share of the trials that have telemetry and, if they diverged, an autopsy."""

TRIALS_PER_TRANSACTION = 5_000

_ADVICE = Path(__file__).parent.parent / "studies" / "advice.toml"
_PROVENANCE = Provenance(worker="host:1", device="cpu", threads=1, torch_version="2.13.0", cpu="A CPU (AVX2)")
_SIGNALS = (Symptom.NAN_LOSS, Symptom.NAN_LOSS, Symptom.INF_LOSS, Symptom.NAN_GRADIENT)
_ORIGINS = (
    ("momentum[1]", causes.EXPLODING_MOMENTUM),
    ("metric.factor", causes.EXP_OVERFLOW),
    ("encoder.sigma", causes.EXP_OVERFLOW),
    ("gradient of metric.inverse", causes.NON_FINITE_GRADIENT),
)
_Numbers = npt.NDArray[np.float64]


def divergence_probability(learning_rate: _Numbers, batch_size: _Numbers, clip_norm: _Numbers) -> _Numbers:
    """The truth behind a large study: P(diverge before the horizon), logistic in the logarithms of the point.

    It is one half at a learning rate of 3e-3 with batches of 64 and without clipping. Halving the batch costs 0.16
    decades of the rate; clipping wins 0.33 decades for every decade below a norm of 1000 (infinity: no clipping).
    """
    clipping = np.log10(np.minimum(clip_norm, 1000.0) / 1000.0)
    limit = math.log10(3e-3) + 0.16 * np.log2(batch_size / 64.0) - 0.33 * clipping
    return np.asarray(expit(4.0 * (np.log10(learning_rate) - limit)), dtype=np.float64)


def build_large_study(url: str, trials: int, *, seed: int) -> None:
    """Make a finished study named "large" with the three dimensions of the advice study.

    Outcomes are drawn from `divergence_probability`, steps to divergence from an exponential distribution. Trials are
    complete, pruned or failed in Optuna, with parameters and values (but without intermediate values), and have our
    results; every tenth has telemetry and an autopsy.

    Args:
        url: storage URL; the database is made if it does not exist, and must not have a study of that name.
        trials: how many, at least 1.
        seed: of the study and of everything that is drawn.
    """
    raw = load_definition(_ADVICE).model_dump(mode="json")
    budget = {**raw["budget"], "trials": trials}
    definition = StudyDefinition.from_json(json.dumps({**raw, "name": LARGE_STUDY, "seed": seed, "budget": budget}))
    sequence = qmc.Sobol(len(definition.search_space), rng=definition.sampler_seed)
    units = sequence.random_base2(max(1, math.ceil(math.log2(trials))))[:trials]
    params = {
        name: _positions(distribution, unit)
        for (name, distribution), unit in zip(definition.space.distributions.items(), units.T, strict=True)
    }
    generator = np.random.default_rng(seed)
    database = Database.open(url, create=True)
    try:
        study = Repository(database).create_study(definition, "mnist")
        for first in range(0, trials, TRIALS_PER_TRANSACTION):
            some = {name: column[first : first + TRIALS_PER_TRANSACTION] for name, column in params.items()}
            results = _draw_results(definition, some, generator)
            with database.session() as session:
                ids = _insert_trials(session, study, first, results)
                _insert_params(session, study, ids, some)
                _insert_results(session, study, first, ids, results)
    finally:
        database.close()


def _positions(distribution: object, units: _Numbers) -> _Numbers:
    """What Optuna stores for places in [0, 1): a number, or the index of a choice."""
    if isinstance(distribution, CategoricalDistribution):
        return np.floor(units * len(distribution.choices))
    assert isinstance(distribution, FloatDistribution)
    assert distribution.log
    low, high = math.log(distribution.low), math.log(distribution.high)
    return np.clip(np.exp(low + units * (high - low)), distribution.low, distribution.high)


def _draw_results(
    definition: StudyDefinition, params: dict[str, _Numbers], generator: np.random.Generator
) -> list[TrialResult]:
    """What came of trials with these parameters."""
    choices = np.array(definition.space.distributions["batch_size"].choices, dtype=np.float64)  # type: ignore[attr-defined]
    rate, horizon = params["learning_rate"], definition.fixed_horizon
    assert horizon is not None
    p = divergence_probability(rate, choices[params["batch_size"].astype(int)], params["clip_norm"])
    count, scale = len(rate), horizon / 5
    failed, diverged, stalled, exploded = (
        generator.random(count) < share for share in (0.005, p, expit(-6 * (np.log10(rate) + 6)), 0.05 * p)
    )
    # Exponential, given that it happens before the horizon.
    steps = np.ceil(-scale * np.log1p(-generator.random(count) * -math.expm1(-horizon / scale)))
    losses = 550 * np.exp(0.05 * generator.standard_normal(count))
    kinds = generator.integers(len(_SIGNALS), size=count)
    seeds = generator.integers(2**32, size=count)
    results = []
    for n in range(count):
        common: dict[str, Any] = {"seed": int(seeds[n]), "horizon": horizon, "wall_seconds": float(losses[n] / 50)}
        if failed[n]:
            results.append(TrialResult(**common, outcome=Outcome.FAILED, failure="MemoryError: no room"))
        elif diverged[n]:
            results.append(_diverged(int(min(max(steps[n], 1), horizon)), int(kinds[n]), float(losses[n]), common))
        else:
            outcome = Outcome.EXPLODED if exploded[n] else Outcome.STALLED if stalled[n] else Outcome.STABLE
            results.append(_finite(outcome, float(losses[n]), common))
    return results


def _diverged(step: int, kind: int, loss: float, common: dict[str, Any]) -> TrialResult:
    signal, (origin, cause) = _SIGNALS[kind], _ORIGINS[kind]
    last = {Symptom.NAN_LOSS: math.nan, Symptom.INF_LOSS: math.inf}.get(signal, 2 * loss)
    seen = [last] if step == 1 else [loss, 2 * loss, last]
    finite, numbers = [x for x in seen if math.isfinite(x)], [x for x in seen if not math.isnan(x)]
    return TrialResult(
        **common,
        outcome=Outcome.DIVERGED,
        steps=step,
        divergence=Divergence(step=step, symptom=signal, origin=origin, cause=cause),
        first_loss=seen[0],
        final_loss=last,
        best_loss=min(finite, default=None),
        max_loss=max(numbers, default=None),
        spikes=0,
    )


def _finite(outcome: Outcome, loss: float, common: dict[str, Any]) -> TrialResult:
    final = loss * {Outcome.EXPLODED: 3.0, Outcome.STALLED: 0.97}.get(outcome, 0.3)
    return TrialResult(
        **common,
        outcome=outcome,
        steps=common["horizon"],
        first_loss=loss,
        final_loss=final,
        best_loss=min(loss, final),
        max_loss=max(loss, final),
        validation_loss=1.02 * final,
        yardstick=0.98 * final,
        yardstick_at_start=loss,
        spikes=1,
        spike_height=0.1 * loss,
    )


def _insert_trials(session: Session, study: StoredStudy, first: int, results: Sequence[TrialResult]) -> list[int]:
    """Optuna's trials and their values; return their ids, which the database gives, by their numbers."""
    states = {Outcome.DIVERGED: TrialState.PRUNED, Outcome.FAILED: TrialState.FAIL}
    noon = datetime(2026, 11, 24, 12)  # noqa: DTZ001  # Optuna keeps UTC without a zone
    table = models.TrialModel.__table__
    rows = [
        {
            "number": first + place,
            "study_id": study.study_id,
            "state": states.get(result.outcome, TrialState.COMPLETE),
            "datetime_start": noon + timedelta(seconds=first + place),
            "datetime_complete": noon + timedelta(seconds=first + place + 10),
        }
        for place, result in enumerate(results)
    ]
    session.execute(insert(table), rows)
    where = (table.c.study_id == study.study_id) & (table.c.number >= first)
    ids = list(session.scalars(select(table.c.trial_id).where(where).order_by(table.c.number)))
    finite = models.TrialValueModel.TrialValueType.FINITE
    values = [
        {"trial_id": trial_id, "objective": 0, "value": result.yardstick, "value_type": finite}
        for trial_id, result in zip(ids, results, strict=True)
        if result.yardstick is not None
    ]
    _insert_all(session, models.TrialValueModel.__table__, values)
    return ids


def _insert_params(session: Session, study: StoredStudy, ids: Sequence[int], params: dict[str, _Numbers]) -> None:
    stored = {name: distribution_to_json(kind) for name, kind in study.definition.space.distributions.items()}
    rows = [
        {"trial_id": trial_id, "param_name": name, "param_value": value, "distribution_json": stored[name]}
        for name, column in params.items()
        for trial_id, value in zip(ids, column.tolist(), strict=True)
    ]
    _insert_all(session, models.TrialParamModel.__table__, rows)


def _insert_results(
    session: Session, study: StoredStudy, first: int, ids: Sequence[int], results: Sequence[TrialResult]
) -> None:
    names = [name for name in ResultRow.__table__.columns.keys() if name != "created_at"]  # noqa: SIM118
    rows, telemetries, autopsies = [], [], []
    every = round(1 / MEASURED_SHARE)
    for place, (trial_id, result) in enumerate(zip(ids, results, strict=True)):
        row = result_row(study.study_id, trial_id, first + place, result, _PROVENANCE)
        rows.append({name: getattr(row, name) for name in names})
        if (first + place) % every or not result.steps:
            continue
        content = _telemetry(result.steps, result.divergence is not None)
        telemetries.append({"trial_id": trial_id, "content": content})
        if result.divergence is not None:
            autopsies.append({"trial_id": trial_id, "content": _autopsy(result.divergence)})
    _insert_all(session, ResultRow.__table__, rows)
    _insert_all(session, TelemetryRow.__table__, telemetries)
    _insert_all(session, AutopsyRow.__table__, autopsies)


def _insert_all(session: Session, table: Any, rows: list[dict[str, Any]]) -> None:
    if rows:
        session.execute(insert(table), rows)


@cache
def _telemetry(steps: int, diverged: bool) -> bytes:
    """Telemetry of a run of so many steps; a diverged one's loss grows over its last ten steps, then is NaN."""
    kept = np.array([step for step in range(1, steps + 1) if is_kept(step) or step > steps - LAST_STEPS])
    noise = np.random.default_rng(steps).standard_normal((len(kept), len(SIGNALS)))
    values = (100 * np.exp(0.05 * noise)).astype(np.float32).astype(np.float64)
    if diverged:
        values[-10:, 0] *= 4.0 ** np.arange(1, 11)[-len(values[-10:]) :]
        values[-1, 0] = math.nan
    return Telemetry(kept, values, tuple(SIGNALS)).to_bytes()


@cache
def _autopsy(divergence: Divergence) -> bytes:
    assert divergence.cause is not None
    assert divergence.origin is not None
    trail = (
        ProbedTensor(name="encoder.mu", shape=(64, 16), smallest=1e-3, largest=7.0),
        ProbedTensor(name=divergence.origin, shape=(64, 16), smallest=2.0, largest=3e38, infinite=3),
    )
    autopsy = Autopsy(
        step=divergence.step, cause=divergence.cause, origin=divergence.origin, largest_finite=3.4e38, trail=trail
    )
    return autopsy.to_bytes()
