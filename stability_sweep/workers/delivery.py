"""From a worker to the database: a result is stored and its trial ended, and on the way it is never lost."""

from __future__ import annotations

import logging

import optuna

from stability_sweep.errors import ForeignResultError, OutageError, StorageError
from stability_sweep.results.autopsy import Autopsy
from stability_sweep.results.outcome import TrialResult
from stability_sweep.results.telemetry import Telemetry
from stability_sweep.storage import Provenance, Repository, StoredStudy, TrialIdentity
from stability_sweep.storage.optuna_trials import OptunaTrials
from stability_sweep.workers.objective import tell
from stability_sweep.workers.patience import Patience
from stability_sweep.workers.spool import Spool, SpooledResult

logger = logging.getLogger(__name__)


class Delivery:
    """Delivers the results of one study; what the database cannot take yet waits in the spool.

    Args:
        repository: where the study lives.
        study: the study.
        patience: how an outage is lived through.
    """

    def __init__(self, repository: Repository, study: StoredStudy, patience: Patience) -> None:
        self._repository = repository
        self._study = study
        self._patience = patience
        self._spool = Spool(repository.database)

    def pack(
        self,
        identity: TrialIdentity,
        result: TrialResult,
        provenance: Provenance,
        telemetry: Telemetry,
        autopsy: Autopsy | None,
    ) -> SpooledResult:
        """A trial's result with all that goes with it.

        Args:
            identity: which trial it was measured for.
            result: what came of it.
            provenance: where it was computed.
            telemetry: of its steps, if it made any.
            autopsy: of a diverged trial.
        """
        return SpooledResult(
            study=self._study.name,
            sqlite_file=self._spool.sqlite_file,
            identity=identity,
            result=result,
            provenance=provenance,
            telemetry_bytes=telemetry.to_bytes() if len(telemetry.steps) else None,
            autopsy_bytes=None if autopsy is None else autopsy.to_bytes(),
        )

    def deliver(self, entry: SpooledResult, trials: OptunaTrials, trial: optuna.Trial) -> None:
        """Store a result, and then end its trial in Optuna; through an outage it is kept in the spool.

        Args:
            entry: the result.
            trials: the study's trials in Optuna.
            trial: the one that is to end.

        Raises:
            ForeignResultError: if the trial is no longer there; the result is put aside.
            StorageError: if the database cannot take it for another reason; the result stays in the spool.
        """
        try:
            try:
                with self._repository.errors():
                    self._store(entry, trials, trial)
            except OutageError:
                self._spool.keep(entry)
                self._patience(
                    f"storing the result of trial {entry.number}",
                    lambda: self._store(entry, trials, entry.identity.trial_id),
                )
                self._spool.forget(entry)
        except ForeignResultError as error:
            self._spool.put_aside(entry, error)
            raise
        except OutageError:
            raise
        except StorageError:
            self._spool.keep(entry)
            raise
        except optuna.exceptions.UpdateFinishedTrialError:
            logger.warning("trial %d was finished by another worker, which took this one for dead", entry.number)

    def deliver_spool(self, trials: OptunaTrials) -> None:
        """Deliver what waits for this study since earlier runs."""
        for entry in list(self._spool.entries(self._study)):
            try:
                self._store(entry, trials, entry.identity.trial_id)
            except ForeignResultError as error:
                self._spool.put_aside(entry, error)
            else:
                logger.warning("the result of trial %d was delivered from the spool", entry.number)
                self._spool.forget(entry)

    def _store(self, entry: SpooledResult, trials: OptunaTrials, trial: optuna.Trial | int) -> None:
        """Store a result and end its trial; what was done before is left as it is."""
        self._repository.save_result(
            self._study,
            entry.identity.trial_id,
            entry.number,
            entry.result,
            entry.provenance,
            telemetry=entry.telemetry_bytes,
            autopsy=entry.autopsy_bytes,
            identity=entry.identity,
        )
        try:
            tell(trials.study, trial, entry.result, entry.provenance)
        except KeyError as error:
            raise ForeignResultError(
                f"trial {entry.number} of study {self._study.name!r} was deleted while its result was stored"
            ) from error
