"""How points are chosen: the table ``[sampler]``, and what a kind of sampler is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from pydantic import Field, field_validator

from stability_sweep.registry import Registry
from stability_sweep.space.dimensions import Frozen
from stability_sweep.text import value_in_words

if TYPE_CHECKING:
    from optuna.samplers import BaseSampler

    from stability_sweep.definition.study import StudyDefinition


class SamplerKind(Protocol):
    """One way to choose points; `SAMPLERS` knows it by its name."""

    @property
    def looks_at_results(self) -> bool:
        """Whether earlier results decide where later trials are."""

    @property
    def is_grid(self) -> bool:
        """Whether its points are a finite list, the product of every dimension's levels."""

    def planned_params(self, definition: StudyDefinition, index: int) -> dict[str, Any] | None:
        """Optuna's parameters of the point of that index, which depend on nothing else; None if there is no plan.

        A point has the dimensions of `StudyDefinition.point_space`; what is said of others gives way to a design.
        """

    def build(self, definition: StudyDefinition) -> BaseSampler:
        """Optuna's sampler, for what is not planned."""


SAMPLERS: Registry[SamplerKind] = Registry(
    "stability_sweep.samplers",
    {name: f"stability_sweep.sampling.kinds:{name.upper()}" for name in ("boundary", "qmc", "random", "grid", "tpe")},
)
"""Every kind of sampler by the name that a definition gives it."""


class SamplerConfig(Frozen):
    """How points are chosen: the table ``[sampler]``."""

    name: str = "boundary"
    seed: int | None = Field(default=None, ge=0, lt=2**32)
    """Seed of the points; the study's seed if absent."""
    grid_levels: int = Field(default=5, ge=2, le=10_000)
    """Values per range for a sampler that is a grid; choices are all taken."""

    @field_validator("name")
    @classmethod
    def _check_name(cls, name: str) -> str:
        if name not in SAMPLERS:
            known = ", ".join(f"'{known}'" for known in SAMPLERS.names())
            raise ValueError(f"expected one of {known}, got {value_in_words(name)}")
        return name

    @property
    def kind(self) -> SamplerKind:
        """What that name stands for."""
        return SAMPLERS[self.name]
