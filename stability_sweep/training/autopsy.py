"""Repeats a diverging step with probes on every tensor, and finds the first one that was not finite.

The weights are still the last good ones, since the check comes before they move; batch and noise are those of the
step. Module outputs are probed with hooks, so that a user's own networks are looked into as well; gradients are probed
with hooks on every tensor of the forward pass and on every parameter, in the order in which autograd reaches them.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from stability_sweep.autopsy import BACKWARD_PREFIX, Autopsy, ProbedTensor, cause_of
from stability_sweep.models import RHVAE, ForwardPass
from stability_sweep.outcome import Cause

logger = logging.getLogger(__name__)


def examine(model: RHVAE, passes: Sequence[ForwardPass], step: int) -> Autopsy:
    """The autopsy of a step that diverged.

    Args:
        model: in training mode, with the weights from before the step; its gradients are overwritten.
        passes: the step's forward passes, one per micro-batch: batch and noise are taken from them.
        step: its number.
    """
    limit = torch.finfo(next(model.parameters()).dtype).max
    try:
        trail = _repeat(model, passes)
    except Exception as error:  # the result of the trial must not be lost with its autopsy
        logger.warning("the autopsy of step %d failed", step, exc_info=error)
        note = f"{type(error).__name__}: {' '.join(str(error).split())}"
        return Autopsy(step=step, cause=Cause.NOT_EXAMINED, origin=None, largest_finite=limit, note=note)
    if not trail or trail[-1].is_finite:
        note = "compiled code may round differently, or the sum of finite gradients overflowed"
        return Autopsy(step=step, cause=Cause.NOT_REPRODUCED, origin=None, largest_finite=limit, note=note)
    origin = trail[-1].name
    return Autopsy(step=step, cause=cause_of(origin), origin=origin, largest_finite=limit, trail=tuple(trail))


class _Trail(list[ProbedTensor]):
    """Probes in the order of their coming; after the first non-finite tensor it takes no more."""

    def probe(self, name: str, tensor: Tensor | None) -> None:
        """Measure a tensor; None is a gradient that autograd knows to be zero."""
        if tensor is not None and not self.is_closed:
            self.append(_measure(name, tensor.detach()))

    @property
    def is_closed(self) -> bool:
        return bool(self) and not self[-1].is_finite


def _measure(name: str, tensor: Tensor) -> ProbedTensor:
    finite = tensor[tensor.isfinite()].abs()
    extremes = (float(finite.min()), float(finite.max())) if finite.numel() else (None, None)
    return ProbedTensor(
        name=name,
        shape=tuple(tensor.shape),
        smallest=extremes[0],
        largest=extremes[1],
        nan=int(tensor.isnan().sum()),
        infinite=int(tensor.isinf().sum()),
    )


def _repeat(model: RHVAE, passes: Sequence[ForwardPass]) -> _Trail:
    trail = _Trail()
    for name, parameter in model.named_parameters():
        trail.probe(f"weights.{name}", parameter)
    model.zero_grad(set_to_none=True)
    for done in passes:
        trail = _Trail(trail[: len(list(model.parameters()))])  # a clean micro-batch leaves no trail
        for name, tensor in (
            ("input.images", done.images),
            ("input.latent_noise", done.latent_noise),
            ("input.momentum_noise", done.momentum_noise),
        ):
            trail.probe(name, tensor)
        if trail.is_closed:
            break
        _repeat_pass(model, done, len(passes), trail)
        if trail.is_closed:
            break
    return trail


def _repeat_pass(model: RHVAE, done: ForwardPass, count: int, trail: _Trail) -> None:
    with _module_outputs(model) as outputs:
        again = model.compute(done.images, done.latent_noise, done.momentum_noise)
    named = list(_in_order(model, again, outputs))
    loss = again.losses.mean() / count
    named.append(("loss.mean", loss))
    for name, tensor in named:
        trail.probe(name, tensor)
    if trail.is_closed:
        return
    seen: set[int] = set()
    for name, tensor in named:
        if tensor.requires_grad and id(tensor) not in seen:
            seen.add(id(tensor))
            tensor.register_hook(lambda gradient, name=name: trail.probe(f"{BACKWARD_PREFIX}{name}", gradient))
    handles = [
        parameter.register_post_accumulate_grad_hook(
            lambda parameter, name=name: trail.probe(f"{BACKWARD_PREFIX}weights.{name}", parameter.grad)
        )
        for name, parameter in model.named_parameters()
    ]
    try:
        loss.backward()
    finally:
        for handle in handles:
            handle.remove()


_Outputs = dict[str, list[list[tuple[str, Tensor]]]]
"""By network (``encoder``, ...): for every call of it, the outputs of its modules in the order of their coming."""


@contextmanager
def _module_outputs(model: RHVAE) -> Iterator[_Outputs]:
    """Collect the outputs of every module inside the three networks."""
    outputs: _Outputs = {name: [] for name, _ in model.named_children()}
    handles = []
    for network_name, network in model.named_children():
        calls = outputs[network_name]
        handles.append(network.register_forward_pre_hook(lambda module, inputs, calls=calls: calls.append([])))
        for name, module in network.named_modules(prefix=network_name):
            if not list(module.children()) and module is not network:
                handles.append(module.register_forward_hook(_collect_into(calls, name)))
    try:
        yield outputs
    finally:
        for handle in handles:
            handle.remove()


def _collect_into(calls: list[list[tuple[str, Tensor]]], name: str):  # type: ignore[no-untyped-def]
    def collect(module: nn.Module, inputs: object, output: object) -> None:
        tensors = output if isinstance(output, (tuple, list)) else (output,)
        for index, tensor in enumerate(tensors):
            if isinstance(tensor, Tensor) and calls:
                calls[-1].append((name if len(tensors) == 1 else f"{name}.{index}", tensor))

    return collect


def _in_order(model: RHVAE, done: ForwardPass, outputs: _Outputs) -> Iterator[tuple[str, Tensor]]:
    """Every tensor of a forward pass in training mode with its name, in the order of the computation."""
    points, noise = done.trajectory.points, done.latent_noise
    yield from _without(outputs["encoder"][0], done.mean, done.log_variance)
    yield "encoder.mean", done.mean
    yield "encoder.log_var", done.log_variance
    yield "encoder.sigma", torch.exp(0.5 * done.log_variance.detach())
    yield "latent[0]", points[0].position
    yield from outputs["metric"][0]
    assert done.factors is not None
    yield "metric.factor", done.factors
    yield "metric.matrices", done.metric.packed
    for k, point in enumerate(points):
        if k:
            yield f"momentum.half[{k}]", done.trajectory.half_momenta[k - 1]
            yield f"latent[{k}]", point.position
        yield from _decoder_outputs(model, point.position, k)
        yield f"log_likelihood[{k}]", point.potential.log_likelihood
        yield f"potential_gradient[{k}]", point.potential.gradient
        yield f"metric.weights[{k}]", point.metric.weights
        yield f"metric.inverse[{k}]", point.metric.inverse
        yield f"metric.tensor[{k}]", point.metric.tensor
        yield f"metric.log_det[{k}]", point.metric.log_det
        yield f"momentum[{k}]", point.momentum
    end = points[-1]
    yield "loss.reconstruction", -end.potential.log_likelihood
    yield "loss.prior", 0.5 * end.position.detach().square().sum(-1)
    kinetic = 0.5 * (end.momentum * end.metric.velocity(end.momentum)).detach().sum(-1)
    yield "loss.momentum", kinetic + 0.5 * end.metric.log_det.detach()
    yield "loss.entropy", -0.5 * (noise.square() + done.log_variance.detach()).sum(-1)
    yield "loss", done.losses


@torch.no_grad()
def _decoder_outputs(model: RHVAE, position: Tensor, k: int) -> Iterator[tuple[str, Tensor]]:
    """The decoder runs once more for its layers: its closed form keeps them to itself."""
    with _module_outputs(model) as outputs:
        reconstruction = model.decoder(position.detach())
    for name, tensor in _without(outputs["decoder"][0], reconstruction):
        yield f"{name}[{k}]", tensor
    yield f"reconstruction[{k}]", reconstruction


def _without(named: list[tuple[str, Tensor]], *others: Tensor) -> Iterator[tuple[str, Tensor]]:
    """Leave out what has a name of its own."""
    return ((name, tensor) for name, tensor in named if all(tensor is not other for other in others))
