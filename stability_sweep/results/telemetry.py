"""What was measured in the steps of a trial: the value object, and its compressed form. It imports no engine."""

from __future__ import annotations

import json
import math
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from stability_sweep.errors import TelemetryError
from stability_sweep.results.stored_form import check_format, reading, unpack

SIGNALS: Mapping[str, str] = {
    "loss": "loss of the step, mean over its examples",
    "gradient_norm": "L2 norm of the whole gradient before clipping",
    "clipped": "1 where the gradient was scaled down",
    "update_norm": "L2 norm of the step's change of the parameters, estimated from a fixed sample of them",
    "largest_parameter": "largest |parameter|; a step looks at a 32nd of them, the value is that of the last 32 looks",
}
"""What is measured of any training, each with its meaning; a target adds series of its own."""

FORMAT = 1
"""Version of the compressed form."""

LAST_STEPS = 64
"""So many steps before a trial's end are kept completely."""

KEPT_PER_DOUBLING = 24
"""So many steps are kept between step n and step 2n, over the rest of the run."""


MOST_BYTES = 8_000_000
"""No unpacked telemetry takes more: all that a run of 10^12 steps keeps of today's signals takes 117 kB in float64, so
this leaves room for sixty times as many signals."""

LONGEST_HEAD = 100_000
"""Bytes of the line that says what the values are, a thousand names of signals in it."""


class _Head(BaseModel):
    """The first line of the compressed form."""

    model_config = ConfigDict(strict=True)

    signals: Annotated[list[Annotated[str, Field(min_length=1, max_length=100)]], Field(max_length=1_000)]
    rows: int = Field(ge=0, le=MOST_BYTES)
    type: Literal["<f4", "<f8"]


def is_kept(step: int) -> bool:
    """Whether a step belongs to the logarithmically thinned part: every one up to 34, then 24 per doubling."""
    return _place(step) > _place(step - 1) if step > 1 else True


def _place(step: int) -> int:
    return math.floor(math.log2(step) * KEPT_PER_DOUBLING)


@dataclass(frozen=True, eq=False)
class Telemetry:
    """Signals at the kept steps of a trial: thinned over the run, the last 64 steps completely."""

    steps: NDArray[np.int64]
    """(n,), ascending; the first step is 1."""
    values: NDArray[np.float64]
    """(n, number of signals); NaN and infinities are what was measured."""
    signals: tuple[str, ...]
    """The names of the columns."""

    def __post_init__(self) -> None:
        if self.values.shape != (len(self.steps), len(self.signals)):
            raise ValueError(
                f"expected values of shape {(len(self.steps), len(self.signals))}, got {self.values.shape}"
            )

    def signal(self, name: str) -> NDArray[np.float64]:
        """One signal at the kept steps, (n,).

        Raises:
            KeyError: if it was not measured.
        """
        if name not in self.signals:
            raise KeyError(name)
        return self.values[:, self.signals.index(name)]

    def has_numbers(self, name: str) -> bool:
        """Whether a signal was measured, and was a number at some step."""
        return name in self.signals and not bool(np.isnan(self.signal(name)).all())

    def same_bits(self, other: Telemetry) -> bool:
        """Whether every value is the same, bit by bit (NaN equals NaN)."""
        return self.first_difference(other) is None and len(self.steps) == len(other.steps)

    def first_difference(self, other: Telemetry) -> int | None:
        """The first step that both have kept and in which a common signal differs."""
        common = [name for name in self.signals if name in other.signals]
        _, mine, theirs = np.intersect1d(self.steps, other.steps, return_indices=True)
        columns = [(self.signal(name)[mine], other.signal(name)[theirs]) for name in common]
        differs = np.zeros(len(mine), dtype=bool)
        for a, b in columns:
            differs |= ~((a == b) | (np.isnan(a) & np.isnan(b)))
        return int(self.steps[mine][differs][0]) if differs.any() else None

    def to_bytes(self) -> bytes:
        """The compressed form: zlib over a line of JSON, the steps' differences, and the values' bytes by their place.

        Neighbouring values share their high bytes; laid side by side, these compress to almost nothing. Values that
        float32 holds exactly (all, unless the model computes in float64) are stored as such.
        """
        with np.errstate(over="ignore"):
            single = self.values.astype(np.float32)
        exact = bool(np.array_equal(single.astype(np.float64), self.values, equal_nan=True))
        values = np.ascontiguousarray(self.values.T, dtype="<f4" if exact else "<f8")
        head = json.dumps(
            {"format": FORMAT, "signals": self.signals, "rows": len(self.steps), "type": values.dtype.str}
        ).encode()
        gaps = np.diff(self.steps, prepend=0).astype("<u4")
        return zlib.compress(head + b"\n" + gaps.tobytes() + _shuffle(values), level=9)

    @classmethod
    def from_bytes(cls, content: bytes) -> Telemetry:
        """Read the compressed form.

        Raises:
            TelemetryError: if a newer version of the program wrote it, or it is damaged.
        """
        with reading("telemetry"):
            line, _, body = unpack(content, most_bytes=MOST_BYTES).partition(b"\n")
            if len(line) > LONGEST_HEAD:
                raise TelemetryError(f"expected a first line of at most {LONGEST_HEAD:,} bytes, got {len(line):,}")
            check_format(line, FORMAT, "telemetry")
            return cls._from_body(_Head.model_validate_json(line), body)

    @classmethod
    def _from_body(cls, head: _Head, body: bytes) -> Telemetry:
        kind, shape = np.dtype(head.type), (len(head.signals), head.rows)
        expected = 4 * head.rows + kind.itemsize * shape[0] * shape[1]
        if len(body) != expected:
            raise TelemetryError(f"expected {expected} bytes of numbers, got {len(body)}")
        gaps = np.frombuffer(body[: 4 * head.rows], dtype="<u4").astype(np.int64)
        if not (gaps > 0).all() or len(set(head.signals)) < len(head.signals):
            raise TelemetryError("expected every step and every signal once")
        values = _unshuffle(body[4 * head.rows :], shape, kind)
        return cls(gaps.cumsum(), values.T.astype(np.float64), tuple(head.signals))


def _shuffle(values: NDArray[np.floating]) -> bytes:
    return values.reshape(-1, 1).view(np.uint8).T.tobytes()


def _unshuffle(content: bytes, shape: tuple[int, int], kind: np.dtype[np.floating]) -> NDArray[np.floating]:
    flat = np.frombuffer(content, dtype=np.uint8).reshape(kind.itemsize, -1).T
    return np.ascontiguousarray(flat).view(kind).reshape(shape)
