"""Measures the signals of every step without waiting for the device.

A step only keeps references to what the forward pass computed anyway, and adds two small operations. Every 16 steps
(fewer if the tensors are large) the signals of all of them are computed at once, so the cost per operator is shared.

Shapes: n steps measured at once.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from stability_sweep.engine.protocol import ModelSignals
from stability_sweep.engine.signals import extra_signals
from stability_sweep.results.telemetry import LAST_STEPS, SIGNALS, Telemetry, is_kept

STEPS_AT_ONCE = 16
LARGEST_WAIT_ELEMENTS = 4_000_000
"""So many numbers may wait to be measured; references to them keep their memory in use."""

SAMPLED_PARAMETERS = 4096
"""How many parameters the size of an update is estimated from."""

SAMPLED_BLOCK = 16
"""Sampled in blocks of so many neighbours, a cache line of them: reading from memory is what a sample costs."""

LOOKS = 32
"""In how many steps all parameters are looked at once."""


@dataclass(frozen=True)
class _Waiting:
    """A step that is not measured yet."""

    step: int
    passes: Sequence[Any]
    """One per micro-batch."""
    loss_and_norm: Tensor
    """(2,), float64."""
    sample: Tensor
    """The sampled parameters after the step."""
    look: Tensor
    """Largest |parameter| of this step's share."""
    remedies: Mapping[str, Tensor]
    """What the remedies did, scalars."""
    extra: Tensor | None
    """What installed packages measure, (number of such signals,); None if there are none."""


class TelemetryRecorder:
    """Collects the telemetry of one run; `telemetry` may be asked for at any time, also after an error."""

    def __init__(self) -> None:
        self._names: tuple[str, ...] = tuple(SIGNALS)
        self._waiting: list[_Waiting] = []
        self._kept: dict[int, Tensor] = {}
        # Some more than are kept at the end: those after a bad step that the host saw late are discarded.
        self._last: deque[tuple[int, Tensor]] = deque(maxlen=LAST_STEPS + STEPS_AT_ONCE)

    def start(
        self,
        model: nn.Module,
        signals: ModelSignals[Any] | None,
        clip_norm: float,
        *,
        steps_at_once: int,
        remedies: Sequence[str] = (),
    ) -> None:
        """Get ready for a run of that model; called before its first step.

        Args:
            model: on its device.
            signals: the series that only this model has.
            clip_norm: above which norm gradients are scaled down.
            steps_at_once: how many steps may wait to be measured together.
            remedies: the series of the remedies that are on.
        """
        parameters = [parameter.detach() for parameter in model.parameters() if parameter.requires_grad]
        count = sum(parameter.numel() for parameter in parameters)
        share = SAMPLED_PARAMETERS / count
        self._sampled = [_blocks(parameter, share) for parameter in parameters if parameter.numel() >= SAMPLED_BLOCK]
        if not self._sampled:  # a model so small that no parameter fills a block: all of it
            self._sampled = [_flat(parameter).unsqueeze(1) for parameter in parameters]
        self._scale = math.sqrt(count / sum(part.numel() for part in self._sampled))
        self._chunks = _in_chunks(parameters, LOOKS)
        self._signals, self._clip_norm, self._steps_at_once = signals, clip_norm, steps_at_once
        self._model, self._extra = model, extra_signals()
        self._names = (*(SIGNALS if signals is None else signals.names), *remedies, *self._extra)
        self.weights_were_replaced(0)

    def weights_were_replaced(self, step: int) -> None:
        """Look at the weights anew, after a step: they changed, and no step is to be told to have done it."""
        self._measure_waiting()
        count = len(self._chunks)
        self._looks = torch.stack([_largest(self._chunks[(step + later) % count]) for later in range(1, count)])
        self._sample = torch.cat(self._sampled)

    def observe(
        self, step: int, passes: Sequence[Any], loss_and_norm: Tensor, remedies: Mapping[str, Tensor] | None = None
    ) -> None:
        """Take note of a finished step.

        Args:
            step: its number.
            passes: its forward passes.
            loss_and_norm: its loss, and the gradient's norm before clipping, (2,).
            remedies: what the remedies did, scalars; every step has the same ones.
        """
        look = _largest(self._chunks[(step - 1) % len(self._chunks)])
        extra = self._measure_extra(passes, loss_and_norm) if self._extra else None
        self._waiting.append(
            _Waiting(step, passes, loss_and_norm, torch.cat(self._sampled), look, remedies or {}, extra)
        )
        elements = 0 if self._signals is None else sum(map(self._signals.elements, passes)) * len(self._waiting)
        if len(self._waiting) >= self._steps_at_once or elements > LARGEST_WAIT_ELEMENTS:
            self._measure_waiting()

    def discard_after(self, step: int) -> None:
        """Forget later steps: they were begun before the host saw that this one broke."""
        self._measure_waiting()
        self._kept = {kept: row for kept, row in self._kept.items() if kept <= step}
        self._last = deque([entry for entry in self._last if entry[0] <= step], maxlen=self._last.maxlen)

    def telemetry(self) -> Telemetry:
        """Everything kept so far; without a step, a telemetry without rows."""
        self._measure_waiting()
        rows = self._kept | dict(list(self._last)[-LAST_STEPS:])
        steps = sorted(rows)
        values = torch.stack([rows[step] for step in steps]).cpu().numpy() if steps else np.empty((0, len(self._names)))
        return Telemetry(np.array(steps, dtype=np.int64), values.astype(np.float64), self._names)

    @torch.no_grad()
    def _measure_waiting(self) -> None:
        waiting, self._waiting = self._waiting, []
        if not waiting:
            return
        rows = self._measure(waiting)
        for entry, row in zip(waiting, rows, strict=True):
            self._last.append((entry.step, row))
            if is_kept(entry.step):
                self._kept[entry.step] = row

    def _measure(self, waiting: list[_Waiting]) -> Tensor:
        """The signals of all waiting steps, (n, number of signals), float64."""
        loss, norm = torch.stack([entry.loss_and_norm for entry in waiting]).unbind(1)
        signals = {
            "loss": loss,
            "gradient_norm": norm,
            "clipped": (norm + 1e-6 > self._clip_norm).to(norm.dtype),
            "update_norm": self._update_norms(waiting),
            "largest_parameter": self._largest_parameters(waiting),
        }
        if self._signals is not None:
            signals |= self._signals.measure([entry.passes for entry in waiting])
        signals |= {name: torch.stack([entry.remedies[name] for entry in waiting]) for name in waiting[0].remedies}
        extra = [entry.extra for entry in waiting if entry.extra is not None]
        if extra:
            signals |= dict(zip(self._extra, torch.stack(extra).unbind(1), strict=True))
        return torch.stack([signals[name].double() for name in self._names], dim=1)

    @torch.no_grad()
    def _measure_extra(self, passes: Sequence[Any], loss_and_norm: Tensor) -> Tensor:
        values = [signal.measure(self._model, passes, loss_and_norm) for signal in self._extra.values()]
        return torch.stack([value.detach().double() for value in values])

    def _update_norms(self, waiting: list[_Waiting]) -> Tensor:
        samples = torch.stack([self._sample, *(entry.sample for entry in waiting)])
        self._sample = samples[-1]
        norms: Tensor = torch.linalg.vector_norm(samples.diff(dim=0), dim=(1, 2))
        return norms.double() * self._scale

    def _largest_parameters(self, waiting: list[_Waiting]) -> Tensor:
        """The largest of every step's look and of those before it that complete the parameters."""
        looks = torch.cat([self._looks, torch.stack([entry.look for entry in waiting])])
        self._looks = looks[len(waiting) :]
        windows: Tensor = looks.unfold(0, len(self._chunks), 1)
        return windows.amax(1)


def _largest(tensors: list[Tensor]) -> Tensor:
    """Largest |entry| over some tensors; NaN if one is NaN."""
    # Not the norm of order infinity: torch takes twenty times as long for that.
    return torch.stack([extreme for tensor in tensors for extreme in torch.aminmax(tensor)]).abs().amax()


def _flat(parameter: Tensor) -> Tensor:
    """A view of all entries in the order of memory, whatever the layout."""
    return parameter.as_strided((parameter.numel(),), (1,))


def _blocks(parameter: Tensor, share: float) -> Tensor:
    """A view of evenly spread blocks that hold about that share of the entries, (blocks, SAMPLED_BLOCK)."""
    available = parameter.numel() // SAMPLED_BLOCK
    count = min(available, max(1, round(parameter.numel() * share / SAMPLED_BLOCK)))
    return parameter.as_strided((count, SAMPLED_BLOCK), (available // count * SAMPLED_BLOCK, 1))


def _in_chunks(parameters: list[Tensor], count: int) -> list[list[Tensor]]:
    """Views that cover all entries of the parameters, in about `count` groups of equal size."""
    size = math.ceil(sum(parameter.numel() for parameter in parameters) / count)
    groups: list[list[Tensor]] = [[]]
    room = size
    for flat in map(_flat, parameters):
        start = 0
        while start < len(flat):
            part = flat[start : start + room]
            groups[-1].append(part)
            start, room = start + len(part), room - len(part)
            if room == 0:
                groups.append([])
                room = size
    return [group for group in groups if group]
