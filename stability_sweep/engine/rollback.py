"""Going back to the last good weights, with a smaller learning rate, instead of diverging."""

from __future__ import annotations

from typing import Any

from stability_sweep.engine.settings import TrainingConfig
from stability_sweep.engine.step import Snapshot, Stepper


class Rollbacks:
    """The weights that a run can go back to, and how often it still may.

    Every `rollback_snapshot_steps` steps, from the first on, a copy is made of the weights, of the optimizer's state
    and of what the gradient remedies remember. It counts as good once a step from these very weights had a finite
    gradient, and a finite loss that was not above the first one: a run that is on its way up has nothing to go back to.
    The weights as they were built always count. Where a step breaks, the run goes on with the next step from the last
    good copy, with the learning rate times `rollback_rate_factor` for good; number of the step, schedule, batches and
    noise go on as if nothing had happened. A step that breaks when the allowance is used up, or at the horizon, after
    which nothing can go on, is a divergence.
    """

    def __init__(self, stepper: Stepper[Any], config: TrainingConfig, horizon: int) -> None:
        self._stepper, self._config, self._horizon = stepper, config, horizon
        self._good = stepper.snapshot()
        self._unproven: Snapshot | None = None
        self._first_loss: float | None = None

    def before(self, number: int) -> None:
        """A step is about to be made."""
        if number > 1 and (number - 1) % self._config.rollback_snapshot_steps == 0:
            self._unproven = self._stepper.snapshot()

    def was_finite(self, loss: float) -> None:
        """The last step's loss and gradient were finite."""
        if self._first_loss is None:
            self._first_loss = loss
        if self._unproven is not None and loss <= self._first_loss:
            self._good = self._unproven
        self._unproven = None

    def go_back(self, number: int) -> bool:
        """After a step that broke: go back if that is still allowed; whether it was."""
        if self._stepper.schedule.rollbacks == self._config.rollback_allowance or number == self._horizon:
            return False
        self._unproven = None
        self._stepper.restore(self._good)
        self._stepper.schedule.roll_back()
        return True
