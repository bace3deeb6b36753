"""What a dimension is: ranges, choices, axes, coordinates, and Optuna's distributions. No study, and no sampler.

`dimensions`, `off` and `roles` import neither NumPy nor Optuna, so that reading a definition does not wait for them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from stability_sweep.lazy import lazily

if TYPE_CHECKING:
    from stability_sweep.space.axes import Axis, format_value
    from stability_sweep.space.dimensions import Choices, Dimension, Point, Range, Value
    from stability_sweep.space.off import OFF, is_off
    from stability_sweep.space.search_space import SearchSpace

__all__ = ["OFF", "Axis", "Choices", "Dimension", "Point", "Range", "SearchSpace", "Value", "format_value", "is_off"]

__getattr__ = lazily(
    __name__,
    {
        "OFF": "stability_sweep.space.off",
        "is_off": "stability_sweep.space.off",
        "Axis": "stability_sweep.space.axes",
        "format_value": "stability_sweep.space.axes",
        **dict.fromkeys(("Choices", "Dimension", "Point", "Range", "Value"), "stability_sweep.space.dimensions"),
        "SearchSpace": "stability_sweep.space.search_space",
    },
)
