"""What in a definition has to fit together, one table with another: every check refuses in one line."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from stability_sweep.definition.claims import ALLOWS
from stability_sweep.space.dimensions import Range
from stability_sweep.space.roles import LEARNING_RATE
from stability_sweep.text import value_in_words

if TYPE_CHECKING:
    from stability_sweep.definition.study import StudyDefinition


def check_dimensions(definition: StudyDefinition) -> None:
    """Every value of a dimension is one that a trial can have."""
    target = definition.trains
    for name, dimension in definition.search_space.items():
        try:
            can_be_off = target.can_be_off(name)
        except ValueError as error:
            raise ValueError(f"search_space.{name}: {error}") from None
        for key, value in dimension.extremes().items():
            if key == "off_share" and not can_be_off:
                raise ValueError(f"search_space.{name}.off_share: this dimension cannot be off; leave the key out")
            try:
                target.check_value(definition.settings, definition.outcome, name, value)
            except ValueError as error:
                raise ValueError(f"search_space.{name}.{key}: {error}") from None


def check_space(definition: StudyDefinition) -> None:
    """So are the largest values of all dimensions together."""
    try:
        definition.trains.check_space(definition.settings, definition.outcome, definition.search_space)
    except ValueError as error:
        raise ValueError(f"search_space: at the largest values, {error}") from None


def check_baseline(definition: StudyDefinition) -> None:
    """The baseline's settings are among those that are searched."""
    for name, written in definition.baseline.items():
        dimension = definition.search_space.get(name)
        if dimension is None:
            raise ValueError(f"baseline.{name}: {_no_dimension(definition, name)}")
        if dimension.meant_by(written) is None:
            raise ValueError(
                f"baseline.{name}: expected a value that this study searches ({dimension.in_words}), got "
                f"{value_in_words(written)}"
            )


def check_design(definition: StudyDefinition) -> None:
    """A design has remedies, points that follow from a trial's number, and a budget of one block at least."""
    blocks, kind = definition.blocks, definition.sampler.kind
    if blocks is None:
        return
    if kind.looks_at_results or kind.is_grid:
        raise ValueError(
            "design: the trials of a block share a point that is planned before any result is known, beside the "
            f'remedies, as "qmc" and "random" plan it; got sampler.name = "{definition.sampler.name}": set '
            'sampler.name = "qmc"'
        )
    if not blocks.remedies:
        raise ValueError(
            "design: expected a remedy in [search_space], which is a list of two or more choices of a setting other "
            "than learning rate and batch size, got none"
        )
    if definition.design.is_fractional:
        for remedy in blocks.remedies:
            if len(remedy.levels) > 1:
                raise ValueError(
                    f'design.arrangement: "fractional" takes two choices of every remedy, got {len(remedy.levels) + 1} '
                    f'of {remedy.name}; list two, or take "one_at_a_time"'
                )
    if (mistake := blocks.too_small(definition.budget.trials)) is not None:
        raise ValueError(f"budget.trials: {mistake}")


def check_claims(definition: StudyDefinition) -> None:
    """Claims speak of dimensions, and one about a larger learning rate not of the learning rate."""
    rate = definition.trains.roles.get(LEARNING_RATE)
    for place, claim in enumerate(definition.claims):
        for condition in claim.conditions:
            if condition.dimension not in definition.search_space:
                raise ValueError(f"claims[{place}].says: {_no_dimension(definition, condition.dimension)}")
            if claim.sentence.promise == ALLOWS and condition.dimension == rate:
                raise ValueError(
                    f'claims[{place}].says: "{ALLOWS}" is told by the learning rate at which trials diverge, so it '
                    f"takes conditions on other settings, got {condition.dimension}"
                )


def check_grid(definition: StudyDefinition) -> None:
    """A grid has as many points as the budget asks for."""
    if definition.sampler.kind.is_grid and definition.budget.trials > definition.grid_trials:
        raise ValueError(
            f"budget.trials: this grid has {definition.grid_size} points x {definition.budget.repeats} repeats = "
            f"{definition.grid_trials} trials, got {definition.budget.trials}; lower it or raise sampler.grid_levels"
        )


def check_precision(definition: StudyDefinition) -> None:
    """Precision is asked for only where there is a 50% line along the learning rate."""
    if definition.budget.precision is None:
        return
    name = definition.space.role(LEARNING_RATE)
    if name is None:
        raise ValueError(
            f"budget.precision: the 50% line is told by the learning rate, and the target {definition.target!r} has "
            f"no dimension with that role; leave the key out"
        )
    rate = definition.search_space[name]
    if not (isinstance(rate, Range) and rate.log):
        raise ValueError(
            "budget.precision: the 50% line is measured in decades of the learning rate, so it needs "
            f"search_space.{name} = {{ low = ..., high = ..., log = true }}"
        )


def _no_dimension(definition: StudyDefinition, name: str) -> str:
    return f"expected a dimension of this study ({', '.join(definition.search_space)}), got {value_in_words(name)}"


CHECKS: tuple[Callable[[StudyDefinition], None], ...] = (
    check_dimensions,
    check_space,
    check_baseline,
    check_design,
    check_claims,
    check_grid,
    check_precision,
)
"""In the order in which they look; each raises ValueError, and may rely on those before it."""
