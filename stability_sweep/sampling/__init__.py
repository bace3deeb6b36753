"""How the points of a study are chosen."""

from stability_sweep.sampling.points import suggest_point
from stability_sweep.sampling.samplers import assign_grid_point, build_sampler

__all__ = ["assign_grid_point", "build_sampler", "suggest_point"]
