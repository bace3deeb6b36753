"""The dimensions that a study searches, and what one value of a dimension is.

A dimension is either a `Range` or a list of `Choices`. A range may have a level ``"off"`` above its high end (for
clipping, "off" is the limit of an ever larger norm, so it lies at that end of the axis). Inside a sampler "off" is a
stretch of the same axis beyond ``high``: one ordered parameter, which every Optuna sampler can handle, instead of a
conditional pair, which few can. Outside the sampler "off" is ``math.inf``.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Final

from pydantic import (
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    SerializerFunctionWrapHandler,
    Tag,
    field_validator,
    model_serializer,
    model_validator,
)
from typing_extensions import Self

from stability_sweep.space.off import OFF

Value = float | int | str | bool
"""One value of a dimension, as the trainer sees it; "off" is ``math.inf``."""

Point = dict[str, Value]
"""One value for every dimension of a search space."""


class Frozen(BaseModel):
    """Base of everything that a definition consists of: immutable, strict about types, no unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


LATER: Final = "later"
"""Marks a setting that came after studies with its table had been fingerprinted: ``Annotated[float, LATER]``."""


class GrownTable(Frozen):
    """A table with such settings.

    They are left out wherever the table is written while they are at their default, so that a definition that does not
    name them keeps its fingerprint.
    """

    @model_serializer(mode="wrap")
    def _leave_out_later_defaults(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        written: dict[str, Any] = serialize(self)
        unsaid = {
            name
            for name, field in type(self).model_fields.items()
            if LATER in field.metadata and getattr(self, name) == field.get_default(call_default_factory=True)
        }
        return {name: value for name, value in written.items() if name not in unsaid}


class Range(Frozen):
    """An interval, both ends included, even on a linear or on a logarithmic axis."""

    low: int | float
    high: int | float
    log: bool = False
    off_share: float = Field(default=0.0, ge=0.0, le=0.9)
    """Share of the axis, beyond `high`, that means "off". Zero: the dimension cannot be switched off."""

    @model_validator(mode="after")
    def _check_ends(self) -> Self:
        if self.low >= self.high:
            raise ValueError(f"low must be smaller than high, got low = {self.low}, high = {self.high}")
        if self.log and self.low <= 0:
            raise ValueError(f"a log range must start above 0, got low = {self.low}; use log = false or a larger low")
        try:
            reachable = math.isfinite(self.upper_end)
        except OverflowError:
            reachable = False
        if not reachable:
            raise ValueError(f"off_share = {self.off_share} makes this range's axis too long; use a smaller one")
        return self

    def as_real(self) -> Range:
        """The same range with ends that are no whole numbers to the sampler."""
        return self.model_copy(update={"low": float(self.low), "high": float(self.high)})

    @property
    def upper_end(self) -> float:
        """The end of the sampled axis: `high`, or beyond it where a stretch of the axis means "off"."""
        if self.off_share == 0.0:
            return self.high
        stretch = self.off_share / (1.0 - self.off_share)
        if self.log:
            return float(self.high * (self.high / self.low) ** stretch)
        return self.high + (self.high - self.low) * stretch

    def decode(self, sampled: Value) -> Value:
        """Turn a position on the sampled axis into the value that the trainer gets."""
        if sampled == OFF:  # a level of a grid
            return math.inf
        assert isinstance(sampled, (int, float))
        return math.inf if sampled > self.high else sampled

    @property
    def is_whole(self) -> bool:
        """Whether all values are whole numbers."""
        return isinstance(self.low, int) and isinstance(self.high, int) and not self.off_share

    def meant_by(self, written: Value) -> Value | None:
        """The searched value that somebody wrote, "off" by name; None where that is not searched."""
        if written == OFF:
            return math.inf if self.off_share else None
        if isinstance(written, (str, bool)) or (self.is_whole and isinstance(written, float)):
            return None
        if not self.low <= written <= self.high:
            return None
        return written if self.is_whole else float(written)

    @property
    def in_words(self) -> str:
        """All values, as a definition writes them: ``0.1 to 1000 or "off"``."""
        return f"{self.low:g} to {self.high:g}" + f' or "{OFF}"' * (self.off_share > 0)

    def extremes(self) -> dict[str, Value]:
        """Values that bound all others, by the key that a user would have to correct."""
        return {"low": self.low, "high": self.high, **({"off_share": math.inf} if self.off_share else {})}

    def grid(self, levels: int) -> list[Value]:
        """Evenly spaced values (integers where both ends are), "off" last where the range has it."""
        if self.log:
            ratio = self.high / self.low
            values = [self.low * ratio ** (i / (levels - 1)) for i in range(levels)]
        else:
            values = [self.low + (self.high - self.low) * i / (levels - 1) for i in range(levels)]
        values[-1] = self.high  # exactly, whatever rounding did
        if isinstance(self.low, int) and isinstance(self.high, int):
            values = sorted({round(value) for value in values})
        return [*values, *([math.inf] if self.off_share else [])]


class Choices(Frozen):
    """A list of values, in the order in which a map shows them; one value fixes the dimension."""

    choices: tuple[bool | int | float | str, ...] = Field(min_length=1)

    @field_validator("choices", mode="before")
    @classmethod
    def _freeze(cls, choices: Any) -> Any:
        return tuple(choices) if isinstance(choices, list) else choices

    @field_validator("choices")
    @classmethod
    def _check_distinct(cls, choices: tuple[Value, ...]) -> tuple[Value, ...]:
        if len(set(choices)) < len(choices):
            raise ValueError(f"every choice must be listed once, got {list(choices)}")
        return choices

    def decode(self, sampled: Value) -> Value:
        """Turn a listed choice into the value that the trainer gets."""
        return math.inf if sampled == OFF else sampled

    def meant_by(self, written: Value) -> Value | None:
        """The searched value that somebody wrote, "off" by name; None where that is not searched."""
        for choice in self.choices:
            if choice == written and isinstance(choice, bool) == isinstance(written, bool):
                return self.decode(choice)
        return None

    @property
    def in_words(self) -> str:
        """All values, as a definition writes them: ``0, 100, "off"``."""
        return ", ".join(json.dumps(choice) for choice in self.choices)

    def extremes(self) -> dict[str, Value]:
        """All values; each has to be allowed."""
        return {f"choices[{i}]": self.decode(choice) for i, choice in enumerate(self.choices)}

    def grid(self, levels: int) -> list[Value]:
        """All values, whatever `levels` says."""
        return [self.decode(choice) for choice in self.choices]

    @property
    def is_ordered(self) -> bool:
        """Whether the values are numbers ("off" included), so that "between two choices" means something."""
        return are_ordered(self.choices)


def are_ordered(choices: Iterable[Any]) -> bool:
    """Whether choices are numbers or "off"."""
    return all(
        choice == OFF or (isinstance(choice, (int, float)) and not isinstance(choice, bool)) for choice in choices
    )


def _shape(raw: Any) -> str:
    """Which of the two a table is meant to be: whatever does not list choices is read as a range."""
    choices = "choices" in raw if isinstance(raw, dict) else isinstance(raw, Choices)
    return "choices" if choices else "range"


Dimension = Annotated[
    Annotated[Range, Tag("range")] | Annotated[Choices, Tag("choices")],
    Discriminator(_shape),
]


def complete_search_space(raw: Any, defaults: Mapping[str, Any]) -> Any:
    """Expand the short forms of ``[search_space]`` and add the dimensions that every study of a target has.

    ``x = [1, 2]`` lists choices and ``x = 1`` fixes a dimension; both become ``{choices = [...]}``.
    """
    if not isinstance(raw, dict):
        return raw
    expanded = {name: _expand(dimension) for name, dimension in raw.items()}
    return {**defaults, **expanded}


def _expand(raw: Any) -> Any:
    if isinstance(raw, list):
        return {"choices": raw}
    return {"choices": [raw]} if isinstance(raw, (bool, int, float, str)) else raw
