"""How much is run: the table ``[budget]``."""

from __future__ import annotations

from pydantic import Field

from stability_sweep.space.dimensions import Frozen


class BudgetConfig(Frozen):
    """How much is run: the table ``[budget]``. Only `repeats` is part of the fingerprint."""

    trials: int = Field(default=100, ge=1)
    """Trials of the whole study, whatever their outcome, over all workers and sessions."""
    repeats: int = Field(default=1, ge=1)
    """Trials (each with a seed of its own) at every sampled point."""
    timeout_seconds: float | None = Field(default=None, gt=0)
    """A session of `run` or `worker` ends after this time."""
    precision: float | None = Field(default=None, gt=0)
    """The study ends sooner when the 50% line is known to within so many decades of the learning rate, everywhere."""
