"""Exchange of weights with pythae 0.1.2 (which is not needed for it)."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from stability_sweep.targets.rhvae.model import RHVAE

_SCALARS = {"temperature": "temperature", "lbd": "regularization", "beta_zero_sqrt": "beta_zero"}
"""pythae's names of the metric's scalars, which it keeps in its state (`beta_zero_sqrt` holds β₀ itself), and ours."""


def load_pythae_state(model: RHVAE, state_dict: Mapping[str, Tensor]) -> None:
    """Take over the weights of a pythae RHVAE.

    Networks' parameters have equal names in both, so gradients can be compared by name as well.

    Args:
        model: filled in place; it keeps its own dtype and device.
        state_dict: what ``pythae.models.RHVAE(...).state_dict()`` gives.

    Raises:
        RuntimeError: if a parameter is missing, unknown or of another shape (another `latent_dim`, other networks).
        ValueError: if temperature, regularization or β₀ differ from the model's settings.
    """
    weights = dict(state_dict)
    for theirs, ours in _SCALARS.items():
        expected, given = getattr(model.config, ours), float(weights.pop(theirs, torch.tensor(math.nan)))
        if not math.isclose(expected, given, rel_tol=1e-6) and not math.isnan(given):
            raise ValueError(f"{ours} is {expected} in the model's settings, but {given} in the state of pythae's")
    model.load_state_dict(weights)
