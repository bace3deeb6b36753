"""Networks by name, and a user's own by import path."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable
from functools import partial

from torch import nn

from stability_sweep.environment import ALLOWED_IMPORTS_VARIABLE, is_import_allowed
from stability_sweep.errors import DefinitionError
from stability_sweep.targets.rhvae import convolutional, networks
from stability_sweep.targets.rhvae.settings import RHVAEConfig

ENCODERS: dict[str, Callable[[int], nn.Module]] = {
    "conv": convolutional.ConvEncoder,
    "resnet": convolutional.ResNetEncoder,
}
DECODERS: dict[str, Callable[[int], nn.Module]] = {
    "conv": convolutional.ConvDecoder,
    "resnet": convolutional.ResNetDecoder,
}


def encoder_class(config: RHVAEConfig) -> Callable[[int], nn.Module]:
    """What builds the encoder from the latent dimension.

    Raises:
        DefinitionError: if the import path leads nowhere.
    """
    if config.encoder == "mlp":
        return partial(networks.MLPEncoder, activation=config.activation)
    return ENCODERS.get(config.encoder) or _imported(config.encoder, "model.encoder")


def decoder_class(config: RHVAEConfig) -> Callable[[int], nn.Module]:
    """What builds the decoder from the latent dimension.

    Raises:
        DefinitionError: if the import path leads nowhere.
    """
    if config.decoder == "mlp":
        return partial(networks.MLPDecoder, activation=config.activation)
    return DECODERS.get(config.decoder) or _imported(config.decoder, "model.decoder")


def check_networks(configs: Iterable[RHVAEConfig]) -> None:
    """Refuse settings whose networks cannot be had here.

    Raises:
        DefinitionError: if an import path is not allowed, leads nowhere, or to something else than a module of torch.
    """
    for config in configs:
        encoder_class(config)
        decoder_class(config)


def _imported(path: str, key: str) -> Callable[[int], nn.Module]:
    module, _, name = path.partition(":")
    if not is_import_allowed(module):
        raise DefinitionError(
            f"{key}: {path!r} is not imported here: what a study database names is only run where this machine allows "
            f"it; if you trust it, set ${ALLOWED_IMPORTS_VARIABLE}={module}"
        )
    try:
        found = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise DefinitionError(
            f"{key}: {path!r} cannot be imported here ({error}); expected mlp, conv, resnet or package.module:Class, "
            f"with the package installed or on PYTHONPATH"
        ) from error
    if not (isinstance(found, type) and issubclass(found, nn.Module)):
        raise DefinitionError(f"{key}: {path!r} is not a class of torch.nn.Module")
    return found
