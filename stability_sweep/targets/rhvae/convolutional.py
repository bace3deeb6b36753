"""The convolutional and the residual networks of pythae's MNIST benchmarks, which its RHVAE tutorial uses.

Layer shapes and parameter names are pythae's (`pythae.models.nn.benchmarks.mnist`), so that the tutorial's runs can be
reproduced and weights can be exchanged by name.

Shapes: B batch, D = 28·28 pixels, d latent dimension.
"""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn


class ImageEncoder(nn.Module):
    """Convolutions over 28×28 images, then one linear map each for the mean and the log-variance."""

    def __init__(self, layers: list[nn.Module], features: int, latent_dim: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)
        self.embedding = nn.Linear(features, latent_dim)
        self.log_var = nn.Linear(features, latent_dim)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Map (B, D) to μ and log σ², both (B, d)."""
        hidden = images.view(-1, 1, 28, 28)
        for layer in self.layers:
            hidden = layer(hidden)
        hidden = hidden.flatten(1)
        return self.embedding(hidden), self.log_var(hidden)


class ImageDecoder(nn.Module):
    """A linear map to `channels` images of 4×4, then transposed convolutions up to 28×28."""

    def __init__(self, layers: list[nn.Module], channels: int, latent_dim: int) -> None:
        super().__init__()
        self._channels = channels
        self.layers = nn.ModuleList([nn.Linear(latent_dim, channels * 4 * 4), *layers])

    def forward(self, latent: Tensor) -> Tensor:
        """Map z (B, d) to the reconstruction (B, D)."""
        first, *rest = self.layers
        hidden: Tensor = first(latent).view(-1, self._channels, 4, 4)
        for layer in rest:
            hidden = layer(hidden)
        return hidden.flatten(1)


class ConvEncoder(ImageEncoder):
    """Four strided convolutions with batch normalization, 1→128→256→512→1024 channels."""

    def __init__(self, latent_dim: int) -> None:
        widths = (1, 128, 256, 512, 1024)
        layers = [_normalized(nn.Conv2d(a, b, 4, 2, padding=1), b) for a, b in pairwise(widths)]
        super().__init__(layers, 1024, latent_dim)


class ConvDecoder(ImageDecoder):
    """Three transposed convolutions with batch normalization, 1024→512→256→1 channels."""

    def __init__(self, latent_dim: int) -> None:
        layers = [
            _normalized(nn.ConvTranspose2d(1024, 512, 3, 2, padding=1), 512),
            _normalized(nn.ConvTranspose2d(512, 256, 3, 2, padding=1, output_padding=1), 256),
            nn.Sequential(nn.ConvTranspose2d(256, 1, 3, 2, padding=1, output_padding=1), nn.Sigmoid()),
        ]
        super().__init__(layers, 1024, latent_dim)


class ResNetEncoder(ImageEncoder):
    """Three strided convolutions to 128×4×4, then two residual blocks."""

    def __init__(self, latent_dim: int) -> None:
        layers: list[nn.Module] = [
            nn.Sequential(nn.Conv2d(1, 64, 4, 2, padding=1)),
            nn.Sequential(nn.Conv2d(64, 128, 4, 2, padding=1)),
            nn.Sequential(nn.Conv2d(128, 128, 3, 2, padding=1)),
            nn.Sequential(ResidualBlock(128, 32), ResidualBlock(128, 32)),
        ]
        super().__init__(layers, 128 * 4 * 4, latent_dim)


class ResNetDecoder(ImageDecoder):
    """A transposed convolution, two residual blocks, and two more transposed convolutions."""

    def __init__(self, latent_dim: int) -> None:
        layers: list[nn.Module] = [
            nn.ConvTranspose2d(128, 128, 3, 2, padding=1),
            nn.Sequential(ResidualBlock(128, 32), ResidualBlock(128, 32), nn.ReLU()),
            nn.Sequential(nn.ConvTranspose2d(128, 64, 3, 2, padding=1, output_padding=1), nn.ReLU()),
            nn.Sequential(nn.ConvTranspose2d(64, 1, 3, 2, padding=1, output_padding=1), nn.Sigmoid()),
        ]
        super().__init__(layers, 128, latent_dim)


class ResidualBlock(nn.Module):
    """x + conv1×1(relu(conv3×3(relu(x))))."""

    def __init__(self, channels: int, inner_channels: int) -> None:
        super().__init__()
        self.conv_block = nn.Sequential(
            nn.ReLU(),
            nn.Conv2d(channels, inner_channels, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(inner_channels, channels, 1),
        )

    def forward(self, images: Tensor) -> Tensor:
        """Map (B, channels, height, width) to the same shape."""
        return images + self.conv_block(images)  # type: ignore[no-any-return]


def _normalized(convolution: nn.Module, channels: int) -> nn.Module:
    return nn.Sequential(convolution, nn.BatchNorm2d(channels), nn.ReLU())
