"""Between an Optuna trial and the trainer: what a result means to Optuna."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import optuna
from optuna.trial import TrialState

from stability_sweep.results.outcome import Outcome, Symptom, TrialResult
from stability_sweep.sampling.evidence import DIVERGED_CONSTRAINT
from stability_sweep.storage import Provenance
from stability_sweep.storage.adoption import RESULT_ATTRIBUTE, ResultNote
from stability_sweep.storage.optuna_trials import OptunaTrials, trial_id_of


class VanishedTrialError(Exception):
    """A trial that Optuna no longer knows: it was deleted, or an older database was restored."""


@contextmanager
def vanished() -> Iterator[None]:
    """Within it, Optuna's KeyError means that a trial is gone.

    Raises:
        VanishedTrialError: where Optuna raises a KeyError.
    """
    try:
        yield
    except KeyError as error:
        raise VanishedTrialError(str(error)) from error


def tell(
    study: optuna.Study, trial: optuna.Trial | int, result: TrialResult, provenance: Provenance | None = None
) -> None:
    """Finish the Optuna trial.

    Stable, stalled and exploded trials are COMPLETE with their yardstick; a diverged one is PRUNED after a last
    report that is not finite (samplers then rank it worst); a failed one is FAIL (samplers ignore it). All but the
    failed ones have a constraint that the diverged ones violate.

    Args:
        study: the trial's study.
        trial: the trial; or its id, if it may have ended before: then a finished one is left as it is.
        result: what came of it.
        provenance: where it was computed: noted in the trial's attributes with the result, for other programs.

    Raises:
        KeyError: if Optuna does not know the trial.
    """
    trials = OptunaTrials(study)
    if isinstance(trial, int):
        if trials.get(trial).state.is_finished():
            return
        with suppress(optuna.exceptions.UpdateFinishedTrialError):  # another worker ended it in this very moment
            tell(study, trials.view(trial), result, provenance)
        return
    trial_id = trial_id_of(trial)
    if provenance is not None:
        trials.note(trial_id, RESULT_ATTRIBUTE, ResultNote(result=result, provenance=provenance).as_attribute())
    if result.outcome is Outcome.FAILED:
        trials.set_state(trial_id, TrialState.FAIL)
        return
    with _without_repeated_warnings():
        trial.set_constraint(DIVERGED_CONSTRAINT, float(result.outcome is Outcome.DIVERGED))
        if result.divergence is None:
            trials.set_state(trial_id, TrialState.COMPLETE, _objective_value(result))
            return
        not_a_number = result.divergence.symptom in (Symptom.NAN_LOSS, Symptom.NAN_GRADIENT)
        trial.report(math.nan if not_a_number else math.inf, result.steps)
        trials.set_state(trial_id, TrialState.PRUNED)


def report_progress(trial: optuna.Trial, loss: float, step: int) -> None:
    """Report a finite loss; a trial that runs again reports what it reported before."""
    with _without_repeated_warnings():
        trial.report(loss, step)


def _objective_value(result: TrialResult) -> float:
    """The value to minimize: the yardstick, or where the target has none its validation loss; else infinity."""
    value = result.validation_loss if result.yardstick is None else result.yardstick
    return value if value is not None and math.isfinite(value) else math.inf


@contextmanager
def _without_repeated_warnings() -> Iterator[None]:
    """A trial that was given back and runs again repeats its reports; Optuna keeps the first and warns."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        yield
