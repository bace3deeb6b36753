"""Names for every tensor of an RHVAE's forward pass, so that an autopsy can say where it broke."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from stability_sweep.engine.examination import module_outputs
from stability_sweep.engine.protocol import ModuleOutputs, NamedTensors
from stability_sweep.targets.rhvae.causes import CAUSES
from stability_sweep.targets.rhvae.model import RHVAE, ForwardPass


class RHVAEProbes:
    """The probes of an RHVAE."""

    causes = CAUSES

    def inputs(self, done: ForwardPass) -> NamedTensors:
        """Images and noise."""
        return (
            ("input.images", done.images),
            ("input.latent_noise", done.latent_noise),
            ("input.momentum_noise", done.momentum_noise),
        )

    def repeat(self, model: RHVAE, done: ForwardPass) -> ForwardPass:
        """The same pass, uncompiled."""
        return model.compute(done.images, done.latent_noise, done.momentum_noise)

    def in_order(self, model: RHVAE, done: ForwardPass, outputs: ModuleOutputs) -> NamedTensors:
        """From the encoder to the loss."""
        return _in_order(model, done, outputs)


def _in_order(model: RHVAE, done: ForwardPass, outputs: ModuleOutputs) -> Iterator[tuple[str, Tensor]]:
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
    with module_outputs(model) as outputs:
        reconstruction = model.decoder(position.detach())
    for name, tensor in _without(outputs["decoder"][0], reconstruction):
        yield f"{name}[{k}]", tensor
    yield f"reconstruction[{k}]", reconstruction


def _without(named: NamedTensors, *others: Tensor) -> Iterator[tuple[str, Tensor]]:
    """Leave out what has a name of its own."""
    return ((name, tensor) for name, tensor in named if all(tensor is not other for other in others))
