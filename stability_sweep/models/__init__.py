"""Models that a trial can train."""

from stability_sweep.configs import RHVAEConfig
from stability_sweep.models.protocol import TrainableModel
from stability_sweep.models.pythae import load_pythae_state
from stability_sweep.models.rhvae import RHVAE

__all__ = ["RHVAE", "RHVAEConfig", "TrainableModel", "load_pythae_state"]
