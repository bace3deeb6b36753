"""Advice that a study is to judge: ``batch_size = 16 avoids divergence``."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import Field, field_validator

from stability_sweep.space.dimensions import Frozen, Value
from stability_sweep.space.off import OFF
from stability_sweep.text import value_in_words

DEFAULT_TOLERANCE = 0.05
"""A setting is called safe where P(diverge) is at most this."""

_OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "<=": operator.le,
    ">=": operator.ge,
    "<": operator.lt,
    ">": operator.gt,
    "=": operator.eq,
}
_CLAIM = re.compile(r"(?P<conditions>.+?)\s+avoids divergence")
_CONDITION = re.compile(r"(?P<dimension>[A-Za-z_.]+)\s*(?P<operator><=|>=|<|>|=)\s*(?P<value>\S+)")

GRAMMAR = '"DIMENSION <= VALUE [and ...] avoids divergence", with one of <=, >=, <, > and ='


@dataclass(frozen=True)
class Condition:
    """What a claim asks of one dimension."""

    dimension: str
    operator: str
    value: Value

    def holds(self, value: Value) -> bool:
        """Whether a trial with that value meets it; a text can only be equal."""
        if isinstance(value, str) or isinstance(self.value, str):
            return self.operator == "=" and value == self.value
        if self.operator == "=" and isinstance(value, float) and isinstance(self.value, float):
            return math.isclose(value, self.value, rel_tol=1e-9)
        return _OPERATORS[self.operator](value, self.value)


class Claim(Frozen):
    """A claim: whoever trains under its conditions is safe from divergence."""

    says: str
    source: str = ""
    """Who says so; a link or a few words."""
    tolerance: float = Field(default=DEFAULT_TOLERANCE, gt=0.0, lt=1.0)
    """"Avoids" means: P(diverge) is at most this."""

    @field_validator("says")
    @classmethod
    def _check(cls, says: str) -> str:
        parse_claim(says)
        return says

    @property
    def conditions(self) -> tuple[Condition, ...]:
        """All of them must hold."""
        return parse_claim(self.says)

    def holds(self, point: Mapping[str, Value]) -> bool:
        """Whether a trial at that point is one that the claim speaks about."""
        return all(condition.holds(point[condition.dimension]) for condition in self.conditions)


def parse_claim(text: str) -> tuple[Condition, ...]:
    """The conditions of a claim.

    Raises:
        ValueError: if it is none; the message shows what one looks like.
    """
    whole = _CLAIM.fullmatch(" ".join(text.split()))
    if whole is None:
        raise ValueError(f"expected {GRAMMAR}; got {value_in_words(text)}")
    conditions = []
    for part in whole["conditions"].split(" and "):
        condition = _CONDITION.fullmatch(part.strip())
        if condition is None:
            raise ValueError(f"expected {GRAMMAR}; got {value_in_words(part.strip())}")
        conditions.append(Condition(condition["dimension"], condition["operator"], _value(condition["value"])))
    return tuple(conditions)


def _value(text: str) -> Value:
    if text.strip('"') == OFF:
        return math.inf
    if text in ("true", "false"):
        return text == "true"
    try:
        return float(text)
    except ValueError:
        return text.strip('"')
