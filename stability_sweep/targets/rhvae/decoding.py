"""log p(x|z) of a decoder, and its gradient in z; for one hidden layer with a backward pass written by hand.

The leapfrog integrator needs ∂_z(−log p(x|z)), and training needs that gradient's own derivative. For one hidden layer
both are a handful of matrix products. Written out, they cost one pass each instead of differentiating the decoder
twice, and the two contributions to every weight's gradient become one product.

Shapes: B batch, D pixels, h hidden units, d latent dimension. Notation: a bar is the derivative of the loss.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from stability_sweep.targets.rhvae.likelihood import LIKELIHOODS, Likelihood, differentiable_log_density


class Decoded(NamedTuple):
    """A decoder's answer at latent positions z."""

    log_likelihood: Tensor
    """log p(x|z), (B,), without the constants that pythae drops."""
    gradient: Tensor
    """∂_z of −log p(x|z), (B, d), itself differentiable."""


def decode_one_hidden_layer(
    latent: Tensor, images: Tensor, hidden: nn.Linear, output: nn.Linear, reconstruction_loss: str
) -> Decoded:
    """Evaluate z → relu(W₁z + b₁) → sigmoid(W₂h + b₂) in closed form.

    Args:
        latent: z, (B, d).
        images: (B, D), values in [0, 1].
        hidden: W₁ and b₁.
        output: W₂ and b₂.
        reconstruction_loss: ``mse`` or ``bce``.
    """
    likelihood = LIKELIHOODS[reconstruction_loss]
    return Decoded(
        *_OneHiddenLayer.apply(  # type: ignore[no-untyped-call]
            latent, images, hidden.weight, hidden.bias, output.weight, output.bias, likelihood
        )
    )


def decode_by_autograd(decoder: nn.Module, latent: Tensor, images: Tensor, reconstruction_loss: str) -> Decoded:
    """The same for any decoder, at the price of differentiating it twice.

    Args:
        decoder: from z to pixels in [0, 1], (B, D).
        latent: z, (B, d).
        images: (B, D), values in [0, 1].
        reconstruction_loss: ``mse`` or ``bce``.
    """
    differentiable = torch.is_grad_enabled() and latent.requires_grad
    with torch.enable_grad():
        z = latent if differentiable else latent.detach().requires_grad_()
        reconstruction = decoder(z).flatten(1)
        density = differentiable_log_density(reconstruction, images, LIKELIHOODS[reconstruction_loss])
        (gradient,) = torch.autograd.grad(-density.sum(), z, create_graph=differentiable)
    return Decoded(density, gradient) if differentiable else Decoded(density.detach(), gradient)


class _OneHiddenLayer(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, z: Tensor, x: Tensor, W1: Tensor, b1: Tensor, W2: Tensor, b2: Tensor, likelihood: Likelihood
    ) -> tuple[Tensor, Tensor]:
        h = torch.addmm(b1, z, W1.t()).relu_()
        y = torch.addmm(b2, h, W2.t()).sigmoid_()
        q = likelihood.slope(y, x)
        delta = _through_sigmoid(q, y)  # ∂(−log p)/∂a
        v = _through_relu(delta @ W2, h)
        ctx.likelihood = likelihood
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(z, x, W1, W2, h, y, q, delta, v)
        return likelihood.log_density(y, x), v @ W1

    @staticmethod
    def backward(ctx: Any, *bars: Tensor | None) -> tuple[Tensor | None, ...]:
        density_bar, gradient_bar = bars
        z, x, W1, W2, h, y, q, delta, v = ctx.saved_tensors
        gradient_bar = torch.zeros_like(z) if gradient_bar is None else gradient_bar
        v_bar = _through_relu(gradient_bar @ W1.t(), h)
        delta_bar = v_bar @ W2.t()
        # The order of these operations is torch's own, so that rounding agrees with pythae where x̂ saturates.
        y_bar = (delta_bar * q).mul_(torch.rsub(y, 1, alpha=2))
        q_bar = _through_sigmoid(delta_bar, y)
        derivative = ctx.likelihood.slope_derivative(y, x)
        y_bar += q_bar if derivative is None else derivative * q_bar
        if density_bar is not None:
            y_bar.addcmul_(density_bar.unsqueeze(-1), q, value=-1)
        a_bar = _through_sigmoid(y_bar, y)
        h_bar = _through_relu(a_bar @ W2, h)
        W2_bar = torch.cat([a_bar, delta]).t() @ torch.cat([h, v_bar])
        W1_bar = torch.cat([h_bar, v]).t() @ torch.cat([z, gradient_bar])
        return h_bar @ W1, None, W1_bar, h_bar.sum(0), W2_bar, a_bar.sum(0), None


def _through_sigmoid(gradient: Tensor, sigmoid: Tensor) -> Tensor:
    """gradient · (1 − y) · y in one pass, given y = sigmoid(a)."""
    result: Tensor = torch.ops.aten.sigmoid_backward(gradient, sigmoid)
    return result


def _through_relu(gradient: Tensor, relu: Tensor) -> Tensor:
    """The gradient where the unit is alive, in one pass, given h = relu(a)."""
    result: Tensor = torch.ops.aten.threshold_backward(gradient, relu, 0.0)
    return result
