"""Steps whose gradient's norm is an outlier among those before it.

The rule of ZClip (Kumar et al., "ZClip: Adaptive Spike Mitigation for LLM Pre-Training", arXiv:2504.02507; order of the
two averages and the 1e-6 as in the authors' program). With g the norm of the whole gradient before any clipping, Z
`outlier_z`, α `outlier_decay` and W `outlier_warmup_steps`:

- in the first W steps nothing happens; then m and v begin as mean and variance (over W, not W − 1) of their norms;
- in every later step z = (g − m) / (√v + 1e-6). If z > Z the step is an outlier, and its limit is
  g* = m + Z² √v / z ("reciprocal clipping": the further out, the smaller); else g* = g;
- then m ← α m + (1 − α) g*, and with the new m, v ← α v + (1 − α) (g* − m)².

That is what "clip" does. "skip" leaves the step out, and there the averages follow m + Z √v instead of g*: as g* is the
closer to m the further out a norm is, they would never reach a scale that changed for good, and the run would stand
still from then on. (With α Z > 1 they do; "clip" goes on clipping to about the old scale, as in the paper.)
"""

from __future__ import annotations

import torch
from torch import Tensor

from stability_sweep.engine.settings import TrainingConfig

SMALLEST_DEVIATION = 1e-6
"""Added to the standard deviation that a norm is measured by."""


class OutlierRule:
    """Remembers what norms are usual; everything stays on the gradient's device."""

    def __init__(self, config: TrainingConfig) -> None:
        self._config = config
        self._first_norms: list[Tensor] = []
        self._mean = self._variance = torch.zeros((), dtype=torch.float64)

    def limit(self, norm: Tensor) -> tuple[Tensor, Tensor]:
        """Take a further step's norm, a scalar.

        Returns:
            Whether it is an outlier, a scalar of type bool; and g*, a scalar of type float64.
        """
        config, norm = self._config, norm.double()
        if len(self._first_norms) < config.outlier_warmup_steps:
            self._first_norms.append(norm)
            if len(self._first_norms) == config.outlier_warmup_steps:
                norms = torch.stack(self._first_norms)
                self._mean, self._variance = norms.mean(), norms.var(correction=0)
            return torch.zeros_like(norm, dtype=torch.bool), norm
        deviation = self._variance.sqrt()
        z = (norm - self._mean) / (deviation + SMALLEST_DEVIATION)
        is_outlier = z > config.outlier_z
        limit = torch.where(is_outlier, self._mean + config.outlier_z**2 * deviation / z, norm)
        seen = limit
        if config.outlier_gradient == "skip":
            seen = torch.where(is_outlier, self._mean + config.outlier_z * deviation, norm)
        self._mean = torch.lerp(seen, self._mean, config.outlier_decay)
        self._variance = torch.lerp((seen - self._mean).square(), self._variance, config.outlier_decay)
        return is_outlier, limit
