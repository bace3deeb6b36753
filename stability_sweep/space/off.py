""" "off": the level of a dimension at which what it limits is switched off. Inside the program it is infinity."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

from pydantic import AllowInfNan, BeforeValidator, Field, PlainSerializer

OFF: Literal["off"] = "off"

OffOrPositive = Annotated[
    float,
    AllowInfNan(True),
    Field(gt=0),
    BeforeValidator(lambda value: math.inf if value == OFF else value),
    PlainSerializer(lambda value: OFF if math.isinf(value) else value, return_type=float | str, when_used="json"),
]
"""A positive number, or infinity, which is written "off"."""


def is_off(value: Any) -> bool:
    """Whether a value of a dimension means "off"."""
    return isinstance(value, float) and math.isinf(value)
