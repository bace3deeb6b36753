"""The default networks of the RHVAE: one hidden layer each.

Layer sizes and parameter names are pythae's, so that weights can be exchanged with it by name.

Shapes: B batch, D pixels, d latent dimension.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from stability_sweep.targets.rhvae.decoding import Decoded, decode_by_autograd, decode_one_hidden_layer

IMAGE_PIXELS = 28 * 28
ENCODER_UNITS = 512
DECODER_UNITS = 512
METRIC_UNITS = 400


def clamp_magnitude(values: Tensor, limit: float) -> Tensor:
    """max(−limit, min(limit, x)), element by element; an infinite limit costs nothing."""
    return values if math.isinf(limit) else values.clamp(-limit, limit)


ACTIVATIONS: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "leaky_relu": nn.LeakyReLU,
    "elu": nn.ELU,
    "silu": nn.SiLU,
    "gelu": nn.GELU,
    "tanh": nn.Tanh,
    "softplus": nn.Softplus,
}


def _hidden(inputs: int, units: int, activation: str) -> nn.Sequential:
    return nn.Sequential(nn.Linear(inputs, units), ACTIVATIONS[activation]())


class MLPEncoder(nn.Module):
    """Images to the mean and the log-variance of the approximate posterior."""

    def __init__(self, latent_dim: int, activation: str = "relu") -> None:
        super().__init__()
        self.layers = nn.Sequential(_hidden(IMAGE_PIXELS, ENCODER_UNITS, activation))
        self.embedding = nn.Linear(ENCODER_UNITS, latent_dim)
        self.log_var = nn.Linear(ENCODER_UNITS, latent_dim)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Map (B, D) to μ and log σ², both (B, d)."""
        hidden = self.layers(images)
        return self.embedding(hidden), self.log_var(hidden)


class MLPMetric(nn.Module):
    """Images to the factors L of the metric's matrices: lower triangular, exp on the diagonal."""

    _places: Tensor

    def __init__(self, latent_dim: int, log_diagonal_clamp: float = math.inf, activation: str = "relu") -> None:
        super().__init__()
        self._log_diagonal_clamp = log_diagonal_clamp
        self.layers = _hidden(IMAGE_PIXELS, METRIC_UNITS, activation)
        self.diag = nn.Linear(METRIC_UNITS, latent_dim)
        self.lower = nn.Linear(METRIC_UNITS, latent_dim * (latent_dim - 1) // 2)
        # Where each entry of L comes from in (diagonal, lower part, zero) laid side by side.
        places = torch.full((latent_dim, latent_dim), latent_dim * (latent_dim + 1) // 2)
        places.fill_diagonal_(0)
        places += torch.diag(torch.arange(latent_dim))
        rows, columns = torch.tril_indices(latent_dim, latent_dim, offset=-1)
        places[rows, columns] = latent_dim + torch.arange(len(rows))
        self.register_buffer("_places", places.flatten(), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """Map (B, D) to L, (B, d, d)."""
        hidden = self.layers(images)
        diagonal = clamp_magnitude(self.diag(hidden), self._log_diagonal_clamp).exp()
        entries = torch.cat([diagonal, self.lower(hidden), torch.zeros_like(diagonal[:, :1])], dim=1)
        d = diagonal.shape[1]
        return entries.index_select(1, self._places).view(-1, d, d)


class MLPDecoder(nn.Module):
    """Latent positions to pixels."""

    def __init__(self, latent_dim: int, activation: str = "relu") -> None:
        super().__init__()
        self._closed_form = activation == "relu"
        self.layers = nn.Sequential(
            _hidden(latent_dim, DECODER_UNITS, activation),
            nn.Sequential(nn.Linear(DECODER_UNITS, IMAGE_PIXELS), nn.Sigmoid()),
        )

    def forward(self, latent: Tensor) -> Tensor:
        """Map z (B, d) to the reconstruction (B, D)."""
        return self.layers(latent)  # type: ignore[no-any-return]

    def decode(self, latent: Tensor, images: Tensor, reconstruction_loss: str) -> Decoded:
        """log p(x|z) and its gradient for z (B, d) and x (B, D); `reconstruction_loss` is ``mse`` or ``bce``."""
        if not self._closed_form:
            return decode_by_autograd(self, latent, images, reconstruction_loss)
        return decode_one_hidden_layer(latent, images, self._linear(0), self._linear(1), reconstruction_loss)

    def _linear(self, index: int) -> nn.Linear:
        block = self.layers[index]
        assert isinstance(block, nn.Sequential)
        linear = block[0]
        assert isinstance(linear, nn.Linear)
        return linear
