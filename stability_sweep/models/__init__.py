"""Models that a trial can train."""

from stability_sweep.configs import RHVAEConfig
from stability_sweep.models.pythae import load_pythae_state
from stability_sweep.models.registry import check_networks, decoder_class, encoder_class
from stability_sweep.models.rhvae import RHVAE, ForwardPass

__all__ = [
    "RHVAE",
    "ForwardPass",
    "RHVAEConfig",
    "check_networks",
    "decoder_class",
    "encoder_class",
    "load_pythae_state",
]
