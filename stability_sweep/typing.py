"""Types that many rooms share."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
"""Real numbers; the docstring of what it is used for says its shape."""

Integers = npt.NDArray[np.int64]
"""Whole numbers."""

Mask = npt.NDArray[np.bool_]
"""True for the entries that are meant."""
