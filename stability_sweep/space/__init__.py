"""What a dimension is: ranges, choices, axes, coordinates, and Optuna's distributions. No study, and no sampler."""

from stability_sweep.space.axes import Axis, format_value
from stability_sweep.space.dimensions import Choices, Dimension, Point, Range, Value
from stability_sweep.space.off import OFF, is_off
from stability_sweep.space.search_space import SearchSpace

__all__ = ["OFF", "Axis", "Choices", "Dimension", "Point", "Range", "SearchSpace", "Value", "format_value", "is_off"]
