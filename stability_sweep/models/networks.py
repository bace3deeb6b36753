"""The RHVAE's networks under the name by which a user's own networks may have imported them."""

from stability_sweep.targets.rhvae.networks import MLPDecoder, MLPEncoder, MLPMetric, clamp_magnitude

__all__ = ["MLPDecoder", "MLPEncoder", "MLPMetric", "clamp_magnitude"]
