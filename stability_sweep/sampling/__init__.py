"""How the points of a study are chosen."""

from stability_sweep.sampling.boundary import BoundarySampler
from stability_sweep.sampling.plan import build_sampler, planned_params, planned_trial, suggest_point

__all__ = ["BoundarySampler", "build_sampler", "planned_params", "planned_trial", "suggest_point"]
