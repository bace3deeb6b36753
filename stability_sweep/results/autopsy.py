"""What an autopsy found: the value object, its words and its stored form. It imports no engine."""

from __future__ import annotations

import json
import zlib
from dataclasses import asdict, dataclass
from typing import Annotated

from pydantic import Field, TypeAdapter

from stability_sweep.results.stored_form import check_format, reading, unpack

FORMAT = 1
"""Version of the stored form."""

MOST_BYTES = 2_000_000
"""No unpacked autopsy takes more: one tensor of the trail takes about 110 bytes, so this is a network of 18,000."""

BACKWARD_PREFIX = "gradient of "
"""What the name of a tensor of the backward pass begins with."""


@dataclass(frozen=True, kw_only=True)
class ProbedTensor:
    """One tensor of the repeated step."""

    name: str
    shape: tuple[int, ...]
    smallest: float | None
    """Smallest |entry| among the finite ones; None if there are none."""
    largest: float | None
    """Largest |entry| among the finite ones."""
    nan: int = 0
    """How many entries are NaN."""
    infinite: int = 0
    """How many entries are infinite."""

    def __post_init__(self) -> None:
        if (self.smallest is None) != (self.largest is None):
            raise ValueError(f"expected both extremes or none, got {self.smallest} and {self.largest}")

    @property
    def is_finite(self) -> bool:
        """Whether every entry is."""
        return not (self.nan or self.infinite)

    def in_words(self) -> str:
        """``metric.factor (16x2x2): |.| from 0 to 1.2e38, 3 infinite``."""
        shape = "x".join(map(str, self.shape)) or "scalar"
        parts = [] if self.largest is None else [f"|.| from {self.smallest:.3g} to {self.largest:.3g}"]
        parts += [f"{count} {kind}" for count, kind in ((self.nan, "NaN"), (self.infinite, "infinite")) if count]
        return f"{self.name} ({shape}): {', '.join(parts) or 'empty'}"


@dataclass(frozen=True, kw_only=True)
class Autopsy:
    """The diverging step, repeated from the last good weights with the same batch and noise."""

    step: int
    cause: Annotated[str, Field(min_length=1, max_length=100)]
    """A word for the kind of the origin, from the target's `CauseBook`."""
    origin: str | None
    """Name of the first tensor that was not finite; None if none was found."""
    largest_finite: float
    """The largest number that the model's precision holds."""
    trail: tuple[ProbedTensor, ...] = ()
    """Every tensor in the order in which it was computed, up to the origin."""
    note: str | None = None
    """Why there is no more than this."""

    def to_bytes(self) -> bytes:
        """The stored form: compressed JSON."""
        return zlib.compress(json.dumps({"format": FORMAT, **asdict(self)}).encode(), level=9)

    @classmethod
    def from_bytes(cls, content: bytes) -> Autopsy:
        """Read the stored form.

        Raises:
            TelemetryError: if a newer version of the program wrote it, or it is damaged.
        """
        with reading("autopsy"):
            text = unpack(content, most_bytes=MOST_BYTES)
            check_format(text, FORMAT, "autopsy")
            return _STORED.validate_json(text)


_STORED = TypeAdapter(Autopsy)
