"""The private parts of Optuna that samplers here use: each with the reason why, and a test of what it is taken for."""

from __future__ import annotations

from typing import Any

from optuna.distributions import BaseDistribution
from optuna.study import Study
from optuna.trial import FrozenTrial


def cached_trials(study: Study) -> list[FrozenTrial]:
    """All trials as they were when this thread last asked for one, the running ones included; not to be changed.

    `Study.get_trials` reads the database anew at every call, and a sampler looks several times at every trial. Optuna's
    own samplers use this cache, which `Study.ask` empties.
    """
    return study._get_trials(deepcopy=False, use_cache=True)


def contains(distribution: BaseDistribution, value: Any) -> bool:
    """Whether a parameter is one of a distribution's: public functions of Optuna only warn where it is not."""
    try:
        return distribution._contains(distribution.to_internal_repr(value))
    except (ValueError, TypeError):  # of a choice that is none, of a text where a number is meant
        return False
