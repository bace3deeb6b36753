"""Advice that a study is to judge: ``batch_size = 16 avoids divergence``, ``clip_norm <= 1 reduces divergence``."""

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
AVOIDS, REDUCES, ALLOWS = "avoids divergence", "reduces divergence", "allows a larger learning rate"
INSTEAD = " instead of "

_CLAIM = re.compile(rf"(?P<conditions>.+?)\s+(?P<promise>{AVOIDS}|{REDUCES}|{ALLOWS})")
_CONDITION = re.compile(r"(?P<dimension>[A-Za-z_.][A-Za-z0-9_.]*)\s*(?P<operator><=|>=|<|>|=)\s*(?P<value>\S+)")

GRAMMAR = (
    f'"DIMENSION <= VALUE [and ...] {AVOIDS}" (or: {REDUCES}; {ALLOWS}; or "... {INSTEAD.strip()} ..."), with one of '
    "<=, >=, <, > and ="
)


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


@dataclass(frozen=True)
class Sentence:
    """A claim, taken apart."""

    conditions: tuple[Condition, ...]
    """Of whoever follows it; all must hold."""
    instead_of: tuple[Condition, ...]
    """Of whom they are compared with; empty for everybody else."""
    promise: str
    """`AVOIDS`, `REDUCES` or `ALLOWS`."""

    @property
    def dimensions(self) -> tuple[str, ...]:
        """Those that it speaks of, each once."""
        return tuple(dict.fromkeys(condition.dimension for condition in (*self.conditions, *self.instead_of)))


class Claim(Frozen):
    """A claim about whoever trains under its conditions."""

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
    def sentence(self) -> Sentence:
        """What it says."""
        return parse_claim(self.says)

    @property
    def conditions(self) -> tuple[Condition, ...]:
        """All of them, of both sides."""
        sentence = self.sentence
        return (*sentence.conditions, *sentence.instead_of)

    def holds(self, point: Mapping[str, Value]) -> bool:
        """Whether a trial at that point follows it."""
        return all(condition.holds(point[condition.dimension]) for condition in self.sentence.conditions)

    def compares(self, point: Mapping[str, Value]) -> bool:
        """Whether a trial at that point is one that those are compared with."""
        instead_of = self.sentence.instead_of
        if not instead_of:
            return not self.holds(point)
        return all(condition.holds(point[condition.dimension]) for condition in instead_of)


def parse_claim(text: str) -> Sentence:
    """A claim, taken apart.

    Raises:
        ValueError: if it is none, or compares a setting with itself; the message shows what one looks like.
    """
    line = " ".join(text.split())
    whole = _CLAIM.fullmatch(line)
    if whole is None and INSTEAD not in line:
        raise ValueError(f"expected {GRAMMAR}; got {value_in_words(text)}")
    settings, promise = (line, REDUCES) if whole is None else (whole["conditions"], whole["promise"])
    one, _, other = settings.partition(INSTEAD)
    conditions = tuple(_condition(part) for part in one.split(" and "))
    instead_of = tuple(_condition(part) for part in other.split(" and ")) if other else ()
    if set(conditions) == set(instead_of):
        raise ValueError(
            f"expected two different settings, got one that is compared with itself: {value_in_words(one)}"
        )
    return Sentence(conditions, instead_of, promise)


def _condition(text: str) -> Condition:
    found = _CONDITION.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"expected {GRAMMAR}; got {value_in_words(text.strip())}")
    return Condition(found["dimension"], found["operator"], _value(found["value"]))


def _value(text: str) -> Value:
    if text.strip('"') == OFF:
        return math.inf
    if text in ("true", "false"):
        return text == "true"
    try:
        return float(text)
    except ValueError:
        return text.strip('"')
