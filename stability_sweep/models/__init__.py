"""Models that a trial can train."""

from stability_sweep.targets.rhvae.model import RHVAE, ForwardPass
from stability_sweep.targets.rhvae.pythae import load_pythae_state
from stability_sweep.targets.rhvae.registry import check_networks, decoder_class, encoder_class
from stability_sweep.targets.rhvae.settings import RHVAEConfig

__all__ = [
    "RHVAE",
    "ForwardPass",
    "RHVAEConfig",
    "check_networks",
    "decoder_class",
    "encoder_class",
    "load_pythae_state",
]
