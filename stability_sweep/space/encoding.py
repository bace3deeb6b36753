"""Where a trial lies in the space that the surface model sees: the coordinates that the boundary sampler uses too."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from stability_sweep.space.coordinates import Coordinates
from stability_sweep.space.dimensions import Choices, Dimension
from stability_sweep.space.parameters import distribution_of
from stability_sweep.space.search_space import SearchSpace
from stability_sweep.typing import Array


@dataclass(frozen=True)
class Encoding:
    """The searched dimensions of a study (those with more than one value) as coordinates."""

    dimensions: dict[str, Dimension]
    coordinates: Coordinates

    @classmethod
    def of(cls, space: SearchSpace) -> Encoding:
        """The encoding of a search space."""
        dimensions = {name: space[name] for name in space.searched}
        distributions = {name: distribution_of(dimension) for name, dimension in dimensions.items()}
        return cls(dimensions, Coordinates.of(distributions, space.off_above))

    @property
    def names(self) -> tuple[str, ...]:
        """The dimensions, in order."""
        return tuple(self.dimensions)

    def first_coordinate(self, name: str) -> int:
        """The first coordinate of a dimension, of which some have several."""
        before = [self.coordinates.dimensions[other] for other in self.names[: self.names.index(name)]]
        return sum(len(dimension.columns(np.zeros(1))) for dimension in before)

    def encode(self, points: pd.DataFrame) -> Array:
        """Coordinates of points, (points, coordinates); one column per dimension is read, others are ignored."""
        if not self.dimensions:
            return np.zeros((len(points), 0))
        columns = [_internal(dimension, points[name]) for name, dimension in self.dimensions.items()]
        return self.coordinates.encode(np.column_stack(columns))


def _internal(dimension: Dimension, values: pd.Series[Any]) -> Array:
    """Optuna's numbers for a dimension's values: indices in the list of choices, or the values themselves."""
    if isinstance(dimension, Choices):
        index_of = {value: index for index, value in enumerate(dimension.grid(0))}
        return np.asarray(values.map(index_of), dtype=np.float64)
    # A surface is not to be trusted outside the range; "off" is infinite, and lies beyond the end.
    return values.to_numpy(np.float64).clip(dimension.low, dimension.upper_end)
