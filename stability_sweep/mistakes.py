"""Turns pydantic's errors into one line per mistake: the key, what is allowed, what came."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import Annotated, Any, get_args, get_origin

from pydantic import BaseModel, Tag, ValidationError

from stability_sweep.text import LONGEST_VALUE, MOST_LINES, printable, value_in_words

_UNION_TAGS = frozenset({"range", "choices", "int", "float", "str", "bool"})

_EXPECTED = {
    "int_type": "expected a whole number",
    "int_from_float": "expected a whole number",
    "float_type": "expected a number",
    "string_type": "expected a text in quotes",
    "bool_type": "expected true or false",
    "tuple_type": "expected a list",
    "dict_type": "expected a table",
    "model_type": "expected a table",
    "finite_number": "expected a finite number",
}


@dataclass(frozen=True)
class Mistake:
    """One thing wrong with a definition."""

    key: str
    text: str

    @property
    def line(self) -> str:
        """Key and text, ready for a message."""
        return f"{self.key}: {self.text}" if self.key else self.text


def describe_validation_error(error: ValidationError, model: type[BaseModel]) -> list[Mistake]:
    """One `Mistake` per wrong key, in the order of the definition.

    Args:
        error: what pydantic raised.
        model: the class that was validated; it tells which keys are allowed.
    """
    mistakes: dict[str, Mistake] = {}
    for detail in error.errors(include_url=False):
        location = [part for part in detail["loc"] if part not in _UNION_TAGS]
        key = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location).lstrip(".")
        # The members of a union each complain about the same value: the first says enough.
        if key not in mistakes:
            # A message shows the first few: a hundred thousand need not be compared with the keys that exist.
            text = _describe(detail, location, model) if len(mistakes) < MOST_LINES else detail["msg"]
            mistakes[key] = Mistake(printable(key, LONGEST_VALUE), text)
    return list(mistakes.values())


def _describe(detail: Any, location: list[Any], model: type[BaseModel]) -> str:
    kind, message, value = detail["type"], str(detail["msg"]), value_in_words(detail["input"])
    if kind == "extra_forbidden":
        return _unknown_key(detail["loc"], model)
    if kind == "missing":
        return "missing; this key has no default"
    if kind == "value_error":
        return message.removeprefix("Value error, ")
    if kind == "literal_error":
        return f"expected one of {detail['ctx']['expected'].replace(' or ', ', ')}, got {value}"
    if kind == "too_short":
        return "expected at least one choice, got an empty list"
    if not {"choices", "baseline"}.isdisjoint(detail["loc"][:-1]) and kind != "tuple_type":
        return f'expected a finite number, a text ("off", for clipping) or true or false, got {value}'
    if "int" in detail["loc"]:  # the first member of `int | float`
        return f"expected a finite number, got {value}"
    return f"{_EXPECTED.get(kind, message.replace('Input should be', 'must be'))}, got {value}"


def _unknown_key(location: tuple[Any, ...], model: type[BaseModel]) -> str:
    *parents, name = location
    allowed = _allowed_keys(parents, model)
    close = difflib.get_close_matches(str(name)[:LONGEST_VALUE], allowed, n=1)
    hint = f"did you mean {close[0]!r}? " if close else ""
    return f"unknown key; {hint}allowed: {', '.join(allowed)}"


def _allowed_keys(parents: list[Any], model: type[BaseModel]) -> list[str]:
    """The keys of the table that is reached from a model by these keys, indices and tags of unions."""
    annotation: Any = model
    for parent in parents:
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            field = annotation.model_fields[str(parent)]
            annotation = field.annotation
            continue
        found = [member for member in get_args(annotation) if _tag(member) == parent]
        if found:  # one member of a tagged union
            annotation = get_args(found[0])[0]
            continue
        annotation = get_args(annotation)[1 if get_origin(annotation) is dict else 0]
        if get_origin(annotation) is Annotated:  # a union, before its tag is chosen
            annotation = get_args(annotation)[0]
    assert isinstance(annotation, type)
    assert issubclass(annotation, BaseModel)
    return list(annotation.model_fields)


def _tag(member: Any) -> str | None:
    return next((part.tag for part in get_args(member)[1:] if isinstance(part, Tag)), None)
