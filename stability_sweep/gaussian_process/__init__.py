"""A Gaussian process over the coordinates of a search space: what the sampler asks and the surface draws."""

from stability_sweep.gaussian_process.binomial import BinomialProcess, fit_binomial
from stability_sweep.gaussian_process.kernel import Matern52
from stability_sweep.gaussian_process.learning import learn_kernel, prior_kernel, weighed_kernels
from stability_sweep.gaussian_process.mixture import Mixture
from stability_sweep.gaussian_process.pooling import Cells, cells_of
from stability_sweep.gaussian_process.propagation import propagate

__all__ = [
    "BinomialProcess",
    "Cells",
    "Matern52",
    "Mixture",
    "cells_of",
    "fit_binomial",
    "learn_kernel",
    "prior_kernel",
    "propagate",
    "weighed_kernels",
]
