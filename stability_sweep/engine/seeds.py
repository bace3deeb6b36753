"""Seeds: the study's seed and the trial's number decide everything random in a trial."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


def trial_seed(study_seed: int, number: int) -> int:
    """The seed of a trial: statistically independent between numbers and between studies; 0 <= seed < 2**32."""
    return int(np.random.SeedSequence(study_seed, spawn_key=(number,)).generate_state(1)[0])


@dataclass(frozen=True)
class TrialSeeds:
    """One seed for each use of randomness, so that a change in one use does not shift the others."""

    initialization: int
    order: int
    noise: int
    validation: int
    yardstick: int

    @classmethod
    def of(cls, seed: int) -> TrialSeeds:
        """The seeds that follow from a trial's seed."""
        return cls(*(int(state) for state in np.random.SeedSequence(seed).generate_state(5, dtype=np.uint64) >> 1))
