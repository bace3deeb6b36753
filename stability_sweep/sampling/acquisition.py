"""Where one more trial is expected to settle most: which side of the 50% line its own point lies on.

A point is unsettled by the chance that the model puts it on the wrong side of P(diverge) = 1/2. For every candidate
both outcomes of a trial there are imagined, and what would stay unsettled is weighed with how likely each is: the
localized look-ahead (stepwise uncertainty reduction) of Letham, Guan, Tymms, Bakshy and Shvartsman, "Look-ahead
acquisition functions for Bernoulli level set estimation", AISTATS 2022. An outcome's effect on the latent value is that
of matching its moments (Rasmussen and Williams 2006, section 3.6), here by quadrature, since the link is logistic.

`worth_for_side` weighs that with the information that a trial gives. Other choices were measured and were worse: see
docs/sampler.md. Where the outcome is a matter of chance over much of the space, the side says little about a point, and
`worth_for_probability` looks at P(diverge) itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.special import expit, ndtr

from stability_sweep.gaussian_process import BinomialProcess
from stability_sweep.typing import Array

NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(16)
WEIGHTS = WEIGHTS / WEIGHTS.sum()

LEAST_VARIANCE = 1e-9


class Latent(NamedTuple):
    """Moments of the latent value at some points, both (points,)."""

    mean: Array
    variance: Array


@dataclass(frozen=True)
class Imagined:
    """One outcome at each of some points: how likely it is, and the latent value after it. All (points,)."""

    probability: Array
    mean: Array
    variance: Array


def imagine(mean: Array, variance: Array) -> tuple[Imagined, Imagined]:
    """Divergence and survival at points with these moments of the latent value, (points,)."""
    latent = mean[:, None] + np.sqrt(variance)[:, None] * NODES
    return _after(latent, expit(latent)), _after(latent, expit(-latent))


def _after(latent: Array, likelihood: Array) -> Imagined:
    mass = np.maximum(likelihood, 1e-12) * WEIGHTS
    probability = mass.sum(axis=1)
    mean = (mass * latent).sum(axis=1) / probability
    variance = (mass * (latent - mean[:, None]) ** 2).sum(axis=1) / probability
    return Imagined(probability, mean, np.maximum(variance, LEAST_VARIANCE))


def unsettled(mean: Array, variance: Array) -> Array:
    """Chance that a point lies on the other side of one half than the model says, from 0 to 1/2; (points,)."""
    return np.asarray(ndtr(-np.abs(mean) / np.sqrt(variance)))


def latent_at(process: BinomialProcess, points: Array) -> Latent:
    """What the process knows at points, (points, coordinates)."""
    mean, variance = process.latent(points)
    return Latent(mean, np.maximum(variance, LEAST_VARIANCE))


def worth_for_side(latent: Latent) -> Array:
    """What a trial at each point is worth for telling the sides of the line: (points,).

    By how much `unsettled` is expected to fall there, times what one outcome tells about the latent value: P (1 - P) of
    its mean times its variance, the share of the variance that a trial takes away to first order. The first alone sends
    trials into far corners, the second alone ignores the line.
    """
    mean, variance = latent
    left = [outcome.probability * unsettled(outcome.mean, outcome.variance) for outcome in imagine(mean, variance)]
    settled = unsettled(mean, variance) - np.sum(left, axis=0)
    return np.asarray(settled * expit(mean) * expit(-mean) * variance)


def worth_for_probability(latent: Latent) -> Array:
    """What a trial at each point is worth for knowing P(diverge): (points,).

    By how much the variance of P there is expected to fall.
    """
    left = [outcome.probability * _parts(outcome.mean, outcome.variance)[1] for outcome in imagine(*latent)]
    return np.asarray(_parts(*latent)[1] - np.sum(left, axis=0))


def share_of_chance(latent: Latent) -> Array:
    """How much of what is unknown about a trial's outcome more trials there could not tell, from 0 to 1; (points,)."""
    chance, doubt = _parts(*latent)
    return chance / np.maximum(chance + doubt, 1e-12)


def overall_share_of_chance(latent: Latent) -> float:
    """The same of all the points together: near 1 where a soft boundary is well known."""
    chance, doubt = _parts(*latent)
    return float(chance.sum() / max(float((chance + doubt).sum()), 1e-12))


def _parts(mean: Array, variance: Array) -> tuple[Array, Array]:
    """The variance of an outcome: what is chance, the mean of P (1 - P), and what is doubt, the variance of P."""
    probability = expit(mean[:, None] + np.sqrt(variance)[:, None] * NODES)
    expected = probability @ WEIGHTS
    chance = (probability * (1 - probability)) @ WEIGHTS
    return chance, np.maximum(expected * (1 - expected) - chance, 0.0)


def expected_weight(process: BinomialProcess, point: Array) -> float:
    """How firmly the outcome of one more trial at a point, (coordinates,), is expected to hold the latent value."""
    latent = latent_at(process, point[None, :])
    after = sum(float(outcome.probability[0] * outcome.variance[0]) for outcome in imagine(*latent))
    return max(1.0 / after - 1.0 / float(latent.variance[0]), 0.0)
