"""A Gaussian process over the coordinates of a search space: what the sampler asks and the surface draws."""

from stability_sweep.gaussian_process.binomial import BinomialProcess, fit_binomial
from stability_sweep.gaussian_process.kernel import SquaredExponential, learn_kernel
from stability_sweep.gaussian_process.pooling import Cells, cells_of

__all__ = ["BinomialProcess", "Cells", "SquaredExponential", "cells_of", "fit_binomial", "learn_kernel"]
