"""The series that the telemetry of an RHVAE records."""

from __future__ import annotations

from collections.abc import Mapping

SIGNALS: Mapping[str, str] = {
    "loss": "negative evidence lower bound, mean over the batch",
    "reconstruction": "its part −log p(x|z_K)",
    "prior": "its part ½‖z_K‖²",
    "momentum": "its part −log p(ρ_K|z_K) = ½ρᵀG⁻¹ρ + ½ log det G",
    "entropy": "its part log q(z₀|x) = −½(‖e‖² + Σ log σ²)",
    "gradient_norm": "L2 norm of the whole gradient before clipping",
    "clipped": "1 where the gradient was scaled down",
    "update_norm": "L2 norm of the step's change of the parameters, estimated from a fixed sample of them",
    "largest_parameter": "largest |parameter|; a step looks at a 32nd of them, the value is that of the last 32 looks",
    "largest_latent": "largest |coordinate of z_K|",
    "largest_momentum": "largest |coordinate of ρ_K|",
    "smallest_eigenvalue": "lower bound of the smallest eigenvalue of G⁻¹(z_K): 1/‖G‖∞, at most √d too small",
    "largest_eigenvalue": "upper bound of the largest eigenvalue of G⁻¹(z_K): ‖G⁻¹‖∞, at most √d too large",
    "energy_drift": "mean |ΔH| over the leapfrog steps (tempering left out) relative to the mean |H| at their start",
}
"""Every signal with its meaning, in the order of the columns. Sums and means run over the batch's images."""

SHOWN_SIGNALS = (
    "loss",
    "gradient_norm",
    "update_norm",
    "largest_latent",
    "largest_momentum",
    "largest_eigenvalue",
)
"""Those that say most about how a run broke."""
