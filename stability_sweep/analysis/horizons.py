"""The horizon of a trial at any point, where a study's trials do not all have the same."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from stability_sweep.analysis.periods import Lives
from stability_sweep.results import columns
from stability_sweep.typing import Array

EXPLAINED = 0.05
"""How far the logarithm of a trial's horizon may be off: whole batches round it."""


@dataclass(frozen=True)
class Horizons:
    """Steps that a trial would run, by its point.

    A horizon of so many epochs has a logarithm that is linear in that of the batch size; so is this one, in all
    coordinates, fitted to the trials by least squares, and never beyond what they have. Where that does not explain the
    trials' horizons (several studies in one), it is the longest one everywhere.
    """

    shortest: int
    longest: int
    coefficients: Array
    """Of the horizon's logarithm: a constant, then one per coordinate; (1 + coordinates,)."""

    @classmethod
    def of(cls, trials: pd.DataFrame, encoded: Array, lives: Lives) -> Horizons:
        """Of trials at points, (trials, coordinates); of a trial without a horizon it is the steps that it lived."""
        steps = lives.steps
        if columns.HORIZON in trials and columns.STEPS in trials:
            planned = trials[columns.HORIZON].astype("Float64").to_numpy(np.float64, na_value=np.nan)
            steps = np.where(np.isnan(planned), steps, np.maximum(planned, 1.0))
        shortest, longest = int(steps.min()), int(steps.max())
        if shortest == longest:
            return cls(shortest, longest, np.append(np.log(longest), np.zeros(encoded.shape[1])))
        terms = np.column_stack([np.ones(len(encoded)), encoded])
        coefficients = np.linalg.lstsq(terms, np.log(steps), rcond=None)[0]
        if np.abs(terms @ coefficients - np.log(steps)).max() > EXPLAINED:
            return cls(longest, longest, np.append(np.log(longest), np.zeros(encoded.shape[1])))
        return cls(shortest, longest, coefficients)

    def at(self, encoded: Array) -> Array:
        """Steps at points, (points, coordinates): (points,)."""
        if self.shortest == self.longest:
            return np.full(len(encoded), float(self.longest))
        steps = np.exp(self.coefficients[0] + encoded @ self.coefficients[1:])
        return np.asarray(np.clip(steps, self.shortest, self.longest))
