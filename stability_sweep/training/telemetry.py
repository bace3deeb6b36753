"""Measures the signals of every step without waiting for the device.

A step only keeps references to what the forward pass computed anyway, and adds two small operations. Every 16 steps
(fewer if the tensors are large) the signals of all of them are computed at once, so the cost per operator is shared.

Shapes: n steps measured at once, P = K + 1 points of a trajectory, B images of a step, d latent dimension.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from operator import attrgetter

import numpy as np
import torch
from torch import Tensor, nn

from stability_sweep.models import ForwardPass, RHVAEConfig
from stability_sweep.models.leapfrog import tempering_ratios
from stability_sweep.telemetry import LAST_STEPS, SIGNALS, Telemetry, is_kept

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
    passes: Sequence[ForwardPass]
    """One per micro-batch."""
    loss_and_norm: Tensor
    """(2,), float64."""
    sample: Tensor
    """The sampled parameters after the step."""
    look: Tensor
    """Largest |parameter| of this step's share."""


class TelemetryRecorder:
    """Collects the telemetry of one run; `telemetry` may be asked for at any time, also after an error."""

    def __init__(self) -> None:
        self._waiting: list[_Waiting] = []
        self._kept: dict[int, Tensor] = {}
        # Some more than are kept at the end: those after a bad step that the host saw late are discarded.
        self._last: deque[tuple[int, Tensor]] = deque(maxlen=LAST_STEPS + STEPS_AT_ONCE)

    def start(self, model: nn.Module, config: RHVAEConfig, clip_norm: float, *, steps_at_once: int) -> None:
        """Get ready for a run of that model; called before its first step."""
        parameters = [parameter.detach() for parameter in model.parameters() if parameter.requires_grad]
        count = sum(parameter.numel() for parameter in parameters)
        share = SAMPLED_PARAMETERS / count
        self._sampled = [_blocks(parameter, share) for parameter in parameters if parameter.numel() >= SAMPLED_BLOCK]
        self._scale = math.sqrt(count / sum(part.numel() for part in self._sampled))
        self._chunks = _in_chunks(parameters, LOOKS)
        self._config, self._clip_norm, self._steps_at_once = config, clip_norm, steps_at_once
        self._ratios = list(tempering_ratios(config.n_lf, config.beta_zero))
        self._looks = torch.stack([_largest(chunk) for chunk in self._chunks[1:]])
        self._sample = torch.cat(self._sampled)

    def observe(self, step: int, passes: Sequence[ForwardPass], loss_and_norm: Tensor) -> None:
        """Take note of a finished step: its forward passes, and its loss with the gradient's norm, (2,)."""
        look = _largest(self._chunks[(step - 1) % len(self._chunks)])
        self._waiting.append(_Waiting(step, passes, loss_and_norm, torch.cat(self._sampled), look))
        elements = sum(_elements(done) for done in passes) * len(self._waiting)
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
        values = torch.stack([rows[step] for step in steps]).cpu().numpy() if steps else np.empty((0, len(SIGNALS)))
        return Telemetry(np.array(steps, dtype=np.int64), values.astype(np.float64))

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
            **_of_trajectories([entry.passes for entry in waiting], self._ratios),
        }
        return torch.stack([signals[name].double() for name in SIGNALS], dim=1)

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


def _of_trajectories(passes: list[Sequence[ForwardPass]], ratios: list[float]) -> dict[str, Tensor]:
    """The signals that come from the model: each (n,), over all images of a step's micro-batches."""
    steps, flat = len(passes), [done for of_step in passes for done in of_step]

    def gather(tensors: list[Tensor]) -> Tensor:
        """(n·micro·B, ...) to (n, micro·B, ...)."""
        together = torch.stack(tensors)
        return together.view(steps, -1, *together.shape[2:])

    points = [done.trajectory.points for done in flat]
    names = ("position", "momentum", "potential.log_likelihood", "metric.log_det", "metric.inverse")
    position, momentum, log_likelihood, log_det, inverse = (
        [gather([read(run[k]) for run in points]) for k in range(len(ratios) + 1)]  # a list over the points
        for read in map(attrgetter, names)
    )
    kinetic = [_half_quadratic(*pair) for pair in zip(inverse, momentum, strict=True)]
    potential = [
        0.5 * z.square().sum(-1) - log_p + 0.5 * log_d
        for z, log_p, log_d in zip(position, log_likelihood, log_det, strict=True)
    ]
    drift = torch.zeros_like(kinetic[0])
    for k, ratio in enumerate(ratios, start=1):
        drift += potential[k] - potential[k - 1] + kinetic[k] / ratio**2 - kinetic[k - 1]
    noise, log_variance = gather([done.latent_noise for done in flat]), gather([done.log_variance for done in flat])
    return {
        "reconstruction": -log_likelihood[-1].mean(1),
        "prior": 0.5 * position[-1].square().sum(-1).mean(1),
        "momentum": (kinetic[-1] + 0.5 * log_det[-1]).mean(1),
        "entropy": -0.5 * (noise.square() + log_variance).sum(-1).mean(1),
        "largest_latent": position[-1].abs().amax((1, 2)),
        "largest_momentum": momentum[-1].abs().amax((1, 2)),
        "smallest_eigenvalue": 1 / _row_sum_norm(gather([run[-1].metric.tensor for run in points])),
        "largest_eigenvalue": _row_sum_norm(inverse[-1]),
        "energy_drift": drift.abs().mean(1) / (potential[0] + kinetic[0]).abs().mean(1),
    }


def _half_quadratic(inverse: Tensor, momentum: Tensor) -> Tensor:
    """½ρᵀG⁻¹ρ, (n, B)."""
    return 0.5 * (momentum * (inverse @ momentum.unsqueeze(-1)).squeeze(-1)).sum(-1)


def _row_sum_norm(matrices: Tensor) -> Tensor:
    """Largest ‖·‖∞ of the matrices of every step, (n,) of (n, B, d, d): a bound of their eigenvalues."""
    return matrices.abs().sum(-1).amax((1, 2))


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


def _elements(done: ForwardPass) -> int:
    """Roughly how many numbers a waiting pass keeps in memory."""
    points = done.trajectory.points
    return done.images.numel() + len(points) * (2 * points[0].metric.inverse.numel() + points[0].metric.weights.numel())
