"""The names of the tables of an analysis: of their files, in the JSON report, and of the downloads of a page."""

from __future__ import annotations

from typing import Final

TRIALS: Final = "trials"
QUALITY: Final = "quality"
CALIBRATION: Final = "calibration"
SPEED_LIMITS: Final = "speed-limits"
BEST: Final = "best-stable-settings"
EFFECTS: Final = "effects"
IMPORTANCE: Final = "importance"
CLAIMS: Final = "claims"
REMEDIES: Final = "remedies"
ORIGINS: Final = "origins"
ORIGINS_BY_RATE: Final = "origins-by-learning-rate"
WARNINGS: Final = "warning-signs"
SURVIVAL_BY_STUDY: Final = "survival-by-study"
"""Of a page that compares two studies."""

MAP_BY_STEP: Final = "map-by-step"

_MAP: Final = "map-"


def map_of(x: str, y: str) -> str:
    """The map of two dimensions, the horizontal one first."""
    return f"{_MAP}{_as_file(x)}-{_as_file(y)}"


def is_map(name: str) -> bool:
    """Whether a table is the grid of a map."""
    return name.startswith(_MAP)


def counts_of(dimension: str) -> str:
    """How often trials diverged, by band of a dimension."""
    return f"counts-{_as_file(dimension)}"


def survival_of(dimension: str) -> str:
    """The curves of a dimension's bands."""
    return f"survival-{_as_file(dimension)}"


def hazard_of(dimension: str) -> str:
    """The hazards of a dimension's bands."""
    return f"hazard-{_as_file(dimension)}"


def horizon_of(dimension: str) -> str:
    """What would happen in longer runs, by band of a dimension."""
    return f"horizon-{_as_file(dimension)}"


def _as_file(dimension: str) -> str:
    """A dimension's name as part of a file's."""
    return dimension.replace("_", "-").replace(".", "-")
