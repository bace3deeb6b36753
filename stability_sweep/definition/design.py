"""Designed experiments on remedies: the table ``[design]``, and the blocks of trials that it makes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from stability_sweep.definition.fraction import fraction
from stability_sweep.space.dimensions import Frozen, Point, Value
from stability_sweep.space.off import OFF, is_off

if TYPE_CHECKING:
    from stability_sweep.space.search_space import SearchSpace

FRACTIONAL: Literal["fractional"] = "fractional"


class DesignConfig(Frozen):
    """How remedies are tried: the table ``[design]``."""

    paired: bool = False
    """Whether the trials of a block share point and seed, so that they differ in the remedies alone."""
    arrangement: Literal["one_at_a_time", "fractional"] = "one_at_a_time"
    """Which remedies are on in which run of a block."""

    @property
    def is_planned(self) -> bool:
        """Whether remedies are planned run by run, and not drawn like every other dimension."""
        return self.paired or self.is_fractional

    @property
    def is_fractional(self) -> bool:
        """Whether half of the remedies are on at once."""
        return self.arrangement == FRACTIONAL


@dataclass(frozen=True)
class Remedy:
    """A dimension that a design tries level by level: every list of choices but learning rates and batch sizes."""

    name: str
    baseline: Value
    """"off" as infinity, here and below."""
    levels: tuple[Value, ...]
    """Its other values, in the order of the definition's list."""


@dataclass(frozen=True)
class Blocks:
    """A study's trials, block by block: each block has the same runs, and the first run is the baseline.

    The values of all other dimensions, the *point*, come from the sampler's plan.
    """

    remedies: tuple[Remedy, ...]
    design: DesignConfig
    repeats: int
    """Of a point: by so many blocks where these are paired, else by so many trials."""

    @cached_property
    def runs(self) -> tuple[dict[str, Value], ...]:
        """The value of every remedy, by run."""
        off = {remedy.name: remedy.baseline for remedy in self.remedies}
        if not self.design.is_fractional:
            return (off, *({**off, remedy.name: level} for remedy in self.remedies for level in remedy.levels))
        on = {remedy.name: remedy.levels[0] for remedy in self.remedies}
        return tuple(
            {name: on[name] if is_on else off[name] for name, is_on in zip(off, run, strict=True)}
            for run in fraction(len(self.remedies))
        )

    def block(self, number: int) -> int:
        """The block of a trial."""
        return number // len(self.runs)

    def point_index(self, number: int) -> int:
        """Which of the sampler's planned points a trial has."""
        return (self.block(number) if self.design.paired else number) // self.repeats

    def params(self, number: int) -> dict[str, Any]:
        """A trial's remedies as Optuna's parameters."""
        place = number if self.design.paired else self.point_index(number)
        run = self.runs[place % len(self.runs)]
        return {name: OFF if is_off(value) else value for name, value in run.items()}

    def seed_index(self, number: int) -> int:
        """What a trial's seed is derived from, beside the study's: trials with the same index share their seed."""
        return self.block(number) if self.design.paired else number

    def baseline_twin(self, number: int) -> int | None:
        """The trial that differs from this one in its remedies alone, which stand at the baseline; None for itself.

        Trials have no twins where they are not paired.
        """
        twin = self.block(number) * len(self.runs)
        return twin if self.design.paired and twin != number else None

    def differ_in_remedies_only(self, point: Point, twin: Point) -> bool:
        """Whether a trial's point and its twin's are what was planned, and not what somebody enqueued."""
        return {**point, **self.runs[0]} == twin

    @property
    def trials(self) -> int:
        """Of one block."""
        return len(self.runs) * (1 if self.design.paired else self.repeats)

    def too_small(self, budget: int) -> str | None:
        """What is wrong with a budget of fewer trials than one block has; None where it has as many."""
        if budget >= self.trials:
            return None
        levels = level_count(self.remedies)
        what = "a fraction, " if self.design.is_fractional else ""
        what += f"the baseline and {levels} remedy level{'s' * (levels != 1)}"
        return f"one block of this design takes {self.trials} trials ({what}), got budget.trials = {budget}"


def remedies_of(space: SearchSpace) -> tuple[Remedy, ...]:
    """The remedies that a study lists, by name: the order of a file's keys does not survive the database."""
    from stability_sweep.space.standing import baseline  # with NumPy, which whoever only reads a definition need not

    standing = baseline(space)
    return tuple(
        Remedy(name, off := standing[name].value, tuple(value for value in space[name].grid(0) if value != off))
        for name in sorted(space.remedies)
    )


def without_remedies(space: SearchSpace, remedies: tuple[Remedy, ...]) -> SearchSpace:
    """The dimensions whose values come from the sampler's plan."""
    planned = {remedy.name for remedy in remedies}
    return replace(space, dimensions={name: space[name] for name in space if name not in planned})


def level_count(remedies: tuple[Remedy, ...]) -> int:
    """How many settings are compared with the baseline."""
    return sum(len(remedy.levels) for remedy in remedies)
