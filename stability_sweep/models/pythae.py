"""Exchange of weights with pythae 0.1.2 (which is not needed for it)."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from stability_sweep.models.rhvae import RHVAE

_BUFFERS = {"temperature": "temperature", "lbd": "regularization", "beta_zero_sqrt": "beta_zero"}
"""pythae's names of the metric's scalars (`beta_zero_sqrt` holds β₀ itself) and ours."""


def load_pythae_state(model: RHVAE, state_dict: Mapping[str, Tensor]) -> None:
    """Take over the weights and the metric's scalars of a pythae RHVAE with default networks.

    Networks' parameters have equal names in both, so gradients can be compared by name as well.

    Args:
        model: filled in place; it keeps its own dtype and device.
        state_dict: what ``pythae.models.RHVAE(...).state_dict()`` gives.

    Raises:
        RuntimeError: if a parameter is missing, unknown or of another shape (another `latent_dim`, other networks).
    """
    own = {_BUFFERS.get(name, name): value for name, value in state_dict.items()}
    for name in _BUFFERS.values():
        if name in own:
            own[name] = own[name].reshape(())
    model.load_state_dict(own)
