"""How well a study knows its 50% line: the learning rate at which every other trial diverges, for every batch size."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd

from stability_sweep.analysis.speed_limit import speed_limits
from stability_sweep.analysis.surface import fit_surface
from stability_sweep.results import columns
from stability_sweep.space.dimensions import Range
from stability_sweep.space.roles import LEARNING_RATE
from stability_sweep.space.search_space import SearchSpace

HALF = 0.5


@dataclass(frozen=True)
class Precision:
    """The widest part of the 50% line's credible band."""

    decades: float
    """Half the width of the 90% credible band of log10(learning rate), within the range that the study searches."""
    trials: int
    """Trials that it rests on."""
    batch_size: float
    """Where the band is widest."""
    clip: str
    """The band of clipping there, in words."""


def line_precision(frame: pd.DataFrame, space: SearchSpace, *, seed: int = 0) -> Precision | None:
    """How well the 50% line is known, where it is known least; None where there is no line.

    There is none with too few trials for a surface, and none in a study that lacks one of the three roles. A line
    outside the searched range is known if its band lies outside too. Dimensions without a role stand at the baseline
    (`analysis.baseline`).

    Args:
        frame: trials from `study_frame`; failed ones are left out.
        space: its search space; the learning rate is a logarithmic range.
        seed: of the draws.
    """
    rate = space.role(LEARNING_RATE)
    if rate is None:
        return None
    rates = space[rate]
    assert isinstance(rates, Range)
    low, high = math.log10(rates.low), math.log10(rates.high)
    surface = fit_surface(frame, space, seed=seed)
    if surface is None:
        return None
    lines = speed_limits(surface, space, tolerance=HALF, seed=seed)
    if lines.empty:
        return None
    with np.errstate(divide="ignore"):  # 0: the line lies below the range
        ends = np.log10(lines[[columns.LOW, columns.HIGH]].to_numpy(np.float64)).clip(low, high)
    half_widths = (ends[:, 1] - ends[:, 0]) / 2
    widest = lines.iloc[int(half_widths.argmax())]
    return Precision(
        float(half_widths.max()),
        surface.trials,
        float(widest[columns.BATCH_SIZE]),
        str(widest[columns.CLIP]),
    )
