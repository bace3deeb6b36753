"""Things that are known by a name: our own, and those that an installed package adds by an entry point.

A registry stands below what it names (a definition names its sampler, the samplers know definitions), so it holds
import paths, and imports a thing when it is asked for.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from functools import cache
from importlib import metadata
from typing import Generic, TypeVar, cast

from stability_sweep.errors import DefinitionError

Thing = TypeVar("Thing")


class Registry(Generic[Thing]):
    """Names and what they stand for.

    Args:
        group: of the entry points by which other packages add to it, such as ``stability_sweep.samplers``.
        built_in: our own, as ``package.module:attribute``, by name; no package can take these names.
    """

    def __init__(self, group: str, built_in: Mapping[str, str]) -> None:
        self.group = group
        self._built_in = dict(built_in)

    def names(self) -> tuple[str, ...]:
        """All names: our own in their order, then those of other packages in the order of the alphabet."""
        return (*self._built_in, *sorted(set(_entry_points(self.group)) - set(self._built_in)))

    def __contains__(self, name: object) -> bool:
        return name in self._built_in or name in _entry_points(self.group)

    def __getitem__(self, name: str) -> Thing:
        """What a name stands for.

        Raises:
            KeyError: if it stands for nothing here.
            DefinitionError: if the package that adds it cannot be imported.
        """
        if name in self._built_in:
            module, _, attribute = self._built_in[name].partition(":")
            return cast("Thing", getattr(importlib.import_module(module), attribute))
        point = _entry_points(self.group)[name]
        try:
            return cast("Thing", point.load())
        except Exception as error:  # whatever another package's code raises: it must not end a program of ours
            raise DefinitionError(
                f"{name!r}, which an installed package adds to {self.group}, cannot be imported ({point.value}: "
                f"{type(error).__name__}: {error}); mend or remove that package"
            ) from error


@cache
def _entry_points(group: str) -> dict[str, metadata.EntryPoint]:
    return {point.name: point for point in metadata.entry_points(group=group)}
