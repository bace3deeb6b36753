"""How the points of a study are chosen."""

from stability_sweep.sampling.boundary import BoundarySampler
from stability_sweep.sampling.plan import planned_params, planned_trial
from stability_sweep.sampling.points import suggest_point
from stability_sweep.sampling.samplers import build_sampler

__all__ = ["BoundarySampler", "build_sampler", "planned_params", "planned_trial", "suggest_point"]
