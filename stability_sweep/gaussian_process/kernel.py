"""How alike settings behave: the covariance of the latent function, and how it changes with its parameters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

import numpy as np
from scipy.spatial.distance import cdist

from stability_sweep.typing import Array

ROOT_5 = sqrt(5.0)


@dataclass(frozen=True)
class Matern52:
    """The Matern covariance of smoothness 5/2, with one length per coordinate.

    Its functions have two derivatives. An infinitely smooth one (the squared exponential) explains a single
    unexpected outcome away by its neighbours; measured beside it in docs/sampler.md.

    Source: Rasmussen and Williams, *Gaussian Processes for Machine Learning* (MIT Press, 2006), equation 4.17.
    """

    variance: float
    lengths: tuple[float, ...]
    """Over how far settings behave alike, one per coordinate; coordinates run from 0 to 1."""

    @classmethod
    def of(cls, logarithms: Sequence[float] | Array) -> Matern52:
        """The kernel of a vector: the logarithms of the variance and of every length."""
        variance, *lengths = (float(value) for value in np.exp(np.asarray(logarithms)))
        return cls(variance, tuple(lengths))

    @property
    def logarithms(self) -> Array:
        """Of the variance and of every length, (1 + coordinates,)."""
        return np.asarray(np.log([self.variance, *self.lengths]))

    def __call__(self, one: Array, other: Array) -> Array:
        """Covariances of (m, coordinates) and (n, coordinates): (m, n)."""
        scale = np.array(self.lengths)
        distance = ROOT_5 * cdist(one / scale, other / scale)
        return np.asarray(self.variance * (1.0 + distance + distance**2 / 3.0) * np.exp(-distance))

    def slopes(self, points: Array) -> list[Array]:
        """Derivatives of the covariances of points, (n, coordinates), along `logarithms`: (n, n) each."""
        scaled = points / np.array(self.lengths)
        squares = [(column[:, None] - column[None, :]) ** 2 for column in scaled.T]
        distance = ROOT_5 * np.sqrt(np.sum(squares, axis=0))
        decay = self.variance * np.exp(-distance)
        steepness = decay * (1.0 + distance) * (5.0 / 3.0)
        return [decay * (1.0 + distance + distance**2 / 3.0), *(steepness * square for square in squares)]
