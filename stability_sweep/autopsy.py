"""What an autopsy found: the value object, its words and its stored form. It imports no engine."""

from __future__ import annotations

import json
import zlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from pydantic import TypeAdapter

from stability_sweep.outcome import Cause
from stability_sweep.stored_form import check_format, reading, unpack

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
    cause: Cause
    origin: str | None
    """Name of the first tensor that was not finite; None if none was found."""
    largest_finite: float
    """The largest number that the model's precision holds."""
    trail: tuple[ProbedTensor, ...] = ()
    """Every tensor in the order in which it was computed, up to the origin."""
    note: str | None = None
    """Why there is no more than this."""

    def sentence(self) -> str:
        """One sentence that explains the cause."""
        return _SENTENCES[self.cause].format(
            origin=self.origin, before=self._before(), limit=f"{self.largest_finite:.3g}", note=self.note
        )

    def _before(self) -> str:
        """The number that led there, in words: what went into an exponential, else the largest one before."""
        before = [probe for probe in self.trail[:-1] if probe.largest is not None]
        exponent = _EXPONENTS.get(self.origin or "")
        candidates = [probe for probe in before if probe.name == exponent] or before
        if not candidates:
            return "nothing finite came before it"
        largest = max(candidates, key=lambda probe: probe.largest or 0.0)
        return f"the largest number before it was {largest.largest:.3g}, in {largest.name}"

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

_EXPONENTS = {"encoder.sigma": "encoder.log_var", "metric.factor": "metric.diag"}
"""What the exponentials of the model are taken of."""

_SENTENCES = {
    Cause.NON_FINITE_WEIGHTS: "The update before this step made {origin} non-finite, although its gradient was finite.",
    Cause.NON_FINITE_INPUT: "{origin} was not finite before anything was computed from it.",
    Cause.EXP_OVERFLOW: "{origin} is an exponential, and overflowed (the largest number is {limit}): {before}.",
    Cause.NETWORK_OVERFLOW: "A layer's output, {origin}, left the range of the numbers ({limit}): {before}.",
    Cause.METRIC_OVERFLOW: "{origin} sums products of the metric network's outputs, and left the range of the numbers "
    "({limit}): {before}.",
    Cause.SINGULAR_METRIC: "The inverse metric was finite but not positive definite in this precision, so it has no "
    "Cholesky factor and {origin} does not exist: {before}.",
    Cause.EXPLODING_MOMENTUM: "The momentum exploded: {origin} left the range of the numbers ({limit}); {before}.",
    Cause.EXPLODING_LATENT: "The latent position exploded: {origin} left the range of the numbers ({limit}); {before}.",
    Cause.LIKELIHOOD_OVERFLOW: "{origin} was not finite although the reconstruction was: {before}.",
    Cause.LOSS_OVERFLOW: "Every part of the loss was finite, their sum {origin} was not: {before}.",
    Cause.NON_FINITE_GRADIENT: "The loss was finite; going backward, the first non-finite tensor was the {origin}: "
    "{before}.",
    Cause.NOT_REPRODUCED: "The repeated step was finite: {note}.",
    Cause.NOT_EXAMINED: "The autopsy failed: {note}.",
}


def cause_of(origin: str) -> Cause:
    """The class that follows from the name of the first non-finite tensor (everything before it was finite)."""
    if origin.startswith(BACKWARD_PREFIX):
        return Cause.NON_FINITE_GRADIENT
    for prefixes, cause in _CAUSES:
        if origin.startswith(prefixes):
            return cause
    return Cause.NETWORK_OVERFLOW


_CAUSES: Sequence[tuple[tuple[str, ...], Cause]] = (
    (("weights.",), Cause.NON_FINITE_WEIGHTS),
    (("input.",), Cause.NON_FINITE_INPUT),
    (("encoder.sigma", "metric.factor"), Cause.EXP_OVERFLOW),
    (("metric.matrices", "metric.weights", "metric.inverse"), Cause.METRIC_OVERFLOW),
    (("metric.tensor", "metric.log_det"), Cause.SINGULAR_METRIC),
    (("momentum", "loss.momentum"), Cause.EXPLODING_MOMENTUM),
    (("latent", "loss.prior", "loss.entropy"), Cause.EXPLODING_LATENT),
    (("log_likelihood", "potential_gradient", "loss.reconstruction"), Cause.LIKELIHOOD_OVERFLOW),
    (("loss",), Cause.LOSS_OVERFLOW),
)
