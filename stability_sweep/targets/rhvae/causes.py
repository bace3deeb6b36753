"""Where an RHVAE breaks: the causes that its tensors add to those of any training."""

from __future__ import annotations

from stability_sweep.results.causes import (
    LOSS_OVERFLOW,
    NETWORK_OVERFLOW,
    NON_FINITE_GRADIENT,
    NON_FINITE_INPUT,
    NON_FINITE_WEIGHTS,
    NOT_EXAMINED,
    NOT_REPRODUCED,
    CauseBook,
)

__all__ = [
    "CAUSES",
    "EXPLODING_LATENT",
    "EXPLODING_MOMENTUM",
    "EXP_OVERFLOW",
    "LIKELIHOOD_OVERFLOW",
    "LOSS_OVERFLOW",
    "METRIC_OVERFLOW",
    "NETWORK_OVERFLOW",
    "NON_FINITE_GRADIENT",
    "NON_FINITE_INPUT",
    "NON_FINITE_WEIGHTS",
    "NOT_EXAMINED",
    "NOT_REPRODUCED",
    "SINGULAR_METRIC",
]

EXP_OVERFLOW = "exp_overflow"
"""A network's finite output was too large for the exponential that follows."""
METRIC_OVERFLOW = "metric_overflow"
"""Entries of M = LLᵀ or of their sum G⁻¹ left the range of the numbers."""
SINGULAR_METRIC = "singular_metric"
"""G⁻¹ was finite, but not positive definite in this precision: it has no Cholesky factor."""
EXPLODING_MOMENTUM = "exploding_momentum"
"""The momentum, or its kinetic energy, left the range of the numbers."""
EXPLODING_LATENT = "exploding_latent"
"""The latent position left the range of the numbers."""
LIKELIHOOD_OVERFLOW = "likelihood_overflow"
"""log p(x|z) or its gradient in z was not finite, though the reconstruction was."""

CAUSES = CauseBook(
    prefixes=(
        (("encoder.sigma", "metric.factor"), EXP_OVERFLOW),
        (("metric.matrices", "metric.weights", "metric.inverse"), METRIC_OVERFLOW),
        (("metric.tensor", "metric.log_det"), SINGULAR_METRIC),
        (("momentum", "loss.momentum"), EXPLODING_MOMENTUM),
        (("latent", "loss.prior", "loss.entropy"), EXPLODING_LATENT),
        (("log_likelihood", "potential_gradient", "loss.reconstruction"), LIKELIHOOD_OVERFLOW),
    ),
    sentences={
        EXP_OVERFLOW: "{origin} is an exponential, and overflowed (the largest number is {limit}): {before}.",
        METRIC_OVERFLOW: "{origin} sums products of the metric network's outputs, and left the range of the numbers "
        "({limit}): {before}.",
        SINGULAR_METRIC: "The inverse metric was finite but not positive definite in this precision, so it has no "
        "Cholesky factor and {origin} does not exist: {before}.",
        EXPLODING_MOMENTUM: "The momentum exploded: {origin} left the range of the numbers ({limit}); {before}.",
        EXPLODING_LATENT: "The latent position exploded: {origin} left the range of the numbers ({limit}); {before}.",
        LIKELIHOOD_OVERFLOW: "{origin} was not finite although the reconstruction was: {before}.",
    },
    exponents={"encoder.sigma": "encoder.log_var", "metric.factor": "metric.diag"},
)
