"""Repeats a diverging step with probes on every tensor, and finds the first one that was not finite.

The weights are still the last good ones, since the check comes before they move; batch and noise are those of the
step. Module outputs are probed with hooks, so that anybody's networks are looked into; gradients are probed
with hooks on every tensor of the forward pass and on every parameter, in the order in which autograd reaches them.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from stability_sweep.engine.protocol import Pass, Probes
from stability_sweep.results.autopsy import BACKWARD_PREFIX, Autopsy, ProbedTensor
from stability_sweep.results.causes import NOT_EXAMINED, NOT_REPRODUCED

logger = logging.getLogger(__name__)


def examine(model: nn.Module, probes: Probes[Pass] | None, passes: Sequence[Pass], step: int) -> Autopsy:
    """The autopsy of a step that diverged.

    Args:
        model: in training mode, with the weights from before the step; its gradients are overwritten.
        probes: they say what a forward pass computes, and in which order; None without any.
        passes: the step's forward passes, one per micro-batch: batch and noise are taken from them.
        step: its number.
    """
    limit = torch.finfo(next(model.parameters()).dtype).max
    if probes is None:
        note = "this target has no probes"
        return Autopsy(step=step, cause=NOT_EXAMINED, origin=None, largest_finite=limit, note=note)
    try:
        trail = _repeat(model, probes, passes)
    except Exception as error:  # the result of the trial must not be lost with its autopsy
        logger.warning("the autopsy of step %d failed", step, exc_info=error)
        note = f"{type(error).__name__}: {' '.join(str(error).split())}"
        return Autopsy(step=step, cause=NOT_EXAMINED, origin=None, largest_finite=limit, note=note)
    if not trail or trail[-1].is_finite:
        note = "compiled code may round differently, or the sum of finite gradients overflowed"
        return Autopsy(step=step, cause=NOT_REPRODUCED, origin=None, largest_finite=limit, note=note)
    origin = trail[-1].name
    cause = probes.causes.cause_of(origin)
    return Autopsy(step=step, cause=cause, origin=origin, largest_finite=limit, trail=tuple(trail))


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


def _repeat(model: nn.Module, probes: Probes[Pass], passes: Sequence[Pass]) -> _Trail:
    trail = _Trail()
    for name, parameter in model.named_parameters():
        trail.probe(f"weights.{name}", parameter)
    model.zero_grad(set_to_none=True)
    for done in passes:
        trail = _Trail(trail[: len(list(model.parameters()))])  # a clean micro-batch leaves no trail
        for name, tensor in probes.inputs(done):
            trail.probe(name, tensor)
        if trail.is_closed:
            break
        _repeat_pass(model, probes, done, len(passes), trail)
        if trail.is_closed:
            break
    return trail


def _repeat_pass(model: nn.Module, probes: Probes[Pass], done: Pass, count: int, trail: _Trail) -> None:
    with module_outputs(model) as outputs:
        again = probes.repeat(model, done)
    named = list(probes.in_order(model, again, outputs))
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
def module_outputs(model: nn.Module) -> Iterator[_Outputs]:
    """Collect the outputs of every module inside the model's children, call by call."""
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
