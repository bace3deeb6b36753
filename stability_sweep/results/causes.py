"""Why a diverged trial broke: words for the kind of the first tensor that was not finite.

The causes that any training can have are here; a target adds those of its own tensors.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from stability_sweep.results.autopsy import BACKWARD_PREFIX, Autopsy

NON_FINITE_WEIGHTS = "non_finite_weights"
"""The update before made a weight infinite or NaN."""
NON_FINITE_INPUT = "non_finite_input"
"""The batch or the noise was not finite."""
NETWORK_OVERFLOW = "network_overflow"
"""A layer's activations left the range of the numbers."""
LOSS_OVERFLOW = "loss_overflow"
"""The loss was not finite, though each of its parts was."""
NON_FINITE_GRADIENT = "non_finite_gradient"
"""The loss was finite; its gradient was not."""
NOT_REPRODUCED = "not_reproduced"
"""The repeated step was finite (compiled code rounds differently, or the device does not repeat itself)."""
NOT_EXAMINED = "not_examined"
"""The autopsy itself failed."""

COMMON_SENTENCES = {
    NON_FINITE_WEIGHTS: "The update before this step made {origin} non-finite, although its gradient was finite.",
    NON_FINITE_INPUT: "{origin} was not finite before anything was computed from it.",
    NETWORK_OVERFLOW: "A layer's output, {origin}, left the range of the numbers ({limit}): {before}.",
    LOSS_OVERFLOW: "Every part of the loss was finite, their sum {origin} was not: {before}.",
    NON_FINITE_GRADIENT: "The loss was finite; going backward, the first non-finite tensor was the {origin}: {before}.",
    NOT_REPRODUCED: "The repeated step was finite: {note}.",
    NOT_EXAMINED: "The autopsy failed: {note}.",
}

COMMON_PREFIXES: Sequence[tuple[tuple[str, ...], str]] = (
    (("weights.",), NON_FINITE_WEIGHTS),
    (("input.",), NON_FINITE_INPUT),
)

LAST_PREFIXES: Sequence[tuple[tuple[str, ...], str]] = ((("loss",), LOSS_OVERFLOW),)
"""Looked at after a target's own, which may know the parts of its loss."""

UNKNOWN_SENTENCE = "The first tensor that was not finite was {origin}: {before}."
"""Of a cause that the study's target has no words for."""


@dataclass(frozen=True)
class CauseBook:
    """A target's causes."""

    prefixes: Sequence[tuple[tuple[str, ...], str]] = ()
    """How the names of tensors begin whose loss of finiteness has a cause; the first that fits counts."""
    sentences: Mapping[str, str] = field(default_factory=dict)
    """One per cause of its own; ``{origin}``, ``{before}``, ``{limit}`` and ``{note}`` are filled in."""
    exponents: Mapping[str, str] = field(default_factory=dict)
    """What an exponential is taken of, by the exponential's name."""

    def cause_of(self, origin: str) -> str:
        """The cause that follows from the first non-finite tensor's name (everything before it was finite)."""
        if origin.startswith(BACKWARD_PREFIX):
            return NON_FINITE_GRADIENT
        for prefixes, cause in (*COMMON_PREFIXES, *self.prefixes, *LAST_PREFIXES):
            if origin.startswith(prefixes):
                return cause
        return NETWORK_OVERFLOW

    def sentence(self, autopsy: Autopsy) -> str:
        """One sentence that explains what an autopsy found."""
        template = {**COMMON_SENTENCES, **self.sentences}.get(autopsy.cause, UNKNOWN_SENTENCE)
        return template.format(
            origin=autopsy.origin,
            before=self._before(autopsy),
            limit=f"{autopsy.largest_finite:.3g}",
            note=autopsy.note,
        )

    def _before(self, autopsy: Autopsy) -> str:
        """The number that led there, in words: what went into an exponential, else the largest one before."""
        before = [probe for probe in autopsy.trail[:-1] if probe.largest is not None]
        exponent = self.exponents.get(autopsy.origin or "")
        candidates = [probe for probe in before if probe.name == exponent] or before
        if not candidates:
            return "nothing finite came before it"
        largest = max(candidates, key=lambda probe: probe.largest or 0.0)
        return f"the largest number before it was {largest.largest:.3g}, in {largest.name}"
