"""What a target is: the training that a study repeats at every point.

A target declares the keys that it adds to a definition, its dimensions and their roles, and how a run is started. What
is here imports no engine: a definition is read, and a report written, without torch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from stability_sweep.engine.settings import OutcomeConfig
from stability_sweep.registry import Registry
from stability_sweep.results.causes import CauseBook
from stability_sweep.space.dimensions import Dimension, Point, Value

if TYPE_CHECKING:
    import torch

    from stability_sweep.engine.recorder import TelemetryRecorder
    from stability_sweep.engine.run import Progress, TrainingRun

Settings = Mapping[str, Any]
"""The values of a definition under the keys that its target adds to it."""


class TrialSettings(Protocol):
    """Everything that decides a trial but its seed."""

    @property
    def horizon(self) -> int:
        """Optimizer steps of the trial if nothing happens.

        Raises:
            ValueError: if there is no such number; the message says which settings do not fit.
        """


class Prepared(Protocol):
    """A target on this machine, with its data on a device, ready to run trial after trial."""

    @property
    def device(self) -> torch.device:
        """Where it runs."""

    @property
    def trials_at_once(self) -> int:
        """How many trials a worker takes hold of at a time, to be trained together; 1 where each is trained alone."""

    def run(
        self,
        settings: Any,
        *,
        seed: int,
        on_step: Callable[[Progress], None] | None = None,
        recorder: TelemetryRecorder | None = None,
    ) -> TrainingRun:
        """One trial from its seed to its horizon, or to the step in which it diverges.

        Args:
            settings: from the target's `at`.
            seed: decides everything random in it.
            on_step: called for every finite step; it may raise `StopTrainingError`.
            recorder: takes the telemetry.
        """

    def broken_step(self, run: TrainingRun) -> Mapping[str, Any]:
        """What repeats the diverging step of a run, as plain values and tensors on the CPU."""


class Target(Protocol):
    """The training that a study repeats at every point."""

    @property
    def keys(self) -> Mapping[str, tuple[Any, Any]]:
        """What it adds to a definition: by key the type, and the default (``...`` where there is none)."""

    @property
    def default_dimensions(self) -> Mapping[str, Any]:
        """The dimensions that every study of it has, as a TOML file would write them."""

    @property
    def roles(self) -> Mapping[str, str]:
        """The dimension that has a role (`space.roles`), by the role."""

    @property
    def causes(self) -> CauseBook:
        """Its words for the kinds of places at which a run breaks."""

    @property
    def signals(self) -> Mapping[str, str]:
        """The series that its telemetry records, each with its meaning, in the order of the columns."""

    @property
    def shown_signals(self) -> tuple[str, ...]:
        """The few of these that are shown of one trial, where there is no room for all."""

    @property
    def reproducer(self) -> str | None:
        """A program that repeats a saved step; ``{step}``, ``{number}``, ``{study}`` and ``{file}`` are filled in.

        None where there is none: then no step of the target's is saved.
        """

    def is_real(self, dimension: str) -> bool:
        """Whether a dimension's setting is real-valued; False for one that does not exist."""

    def can_be_off(self, dimension: str) -> bool:
        """Whether a dimension's setting can be switched off.

        Raises:
            ValueError: if the target has no such setting; the message lists those that it has.
        """

    def own_value(self, settings: Settings, dimension: str) -> Value | None:
        """The definition's own setting of a dimension, where a run without a search would stand; None without one."""

    def at(self, settings: Settings, outcome: OutcomeConfig, point: Point) -> TrialSettings:
        """The settings of the trial at a point.

        Raises:
            pydantic.ValidationError: if a value is not allowed.
            ValueError: if a dimension is not the name of a setting.
        """

    def check_value(self, settings: Settings, outcome: OutcomeConfig, dimension: str, value: Value) -> None:
        """Refuse a value of a dimension that no trial could have.

        Raises:
            ValueError: if there is no such dimension, or the value is not allowed.
        """

    def check_space(self, settings: Settings, outcome: OutcomeConfig, space: Mapping[str, Dimension]) -> None:
        """Refuse a search space some point of which no trial could have, though each value alone is allowed.

        Raises:
            ValueError: if there is such a point.
        """

    def subject(self, settings: Settings) -> str:
        """What is trained, in words: ``RHVAE training on MNIST``."""

    def fixed_horizon(self, settings: Settings) -> int | None:
        """The horizon where it is the same number of steps at every point; else None."""

    def horizon_in_words(self, settings: Settings) -> str | None:
        """The horizon where it is no fixed number of steps, such as ``10 epochs``; else None."""

    def steps_per_epoch(self, settings: Settings, point: Point) -> float | None:
        """Optimizer steps in one pass over the training data; None where there is no such thing, or it is not known.

        Args:
            settings: the definition's own.
            point: values of some dimensions; the others have the definition's.
        """

    def imported_modules(self, settings: Settings, space: Mapping[str, Dimension]) -> set[str]:
        """The modules that its trials import by a path which the definition names."""

    def check_here(self, settings: Settings, space: Mapping[str, Dimension]) -> None:
        """Refuse what this machine cannot run.

        Raises:
            DefinitionError: if a trial's code is missing here, or is not allowed.
        """

    def dataset(self, settings: Settings) -> str:
        """The data set that a definition asks for."""

    def dataset_here(self, settings: Settings, data_dir: Path | None) -> str:
        """The data set that a new study will use on this machine: the one it asks for, or its fallback.

        Raises:
            DataError: if neither is to be had.
        """

    def on(self, settings: Settings, dataset: str) -> Settings:
        """The settings with another data set.

        Raises:
            pydantic.ValidationError: if that is too small for them.
        """

    def fallback_notice(self, settings: Settings, dataset: str) -> str:
        """What a reader must know where a study runs on another data set than it asks for.

        Args:
            settings: as the definition was written, with the data set that it asks for.
            dataset: the one that is used.
        """

    def prepare(self, settings: Settings, *, data_dir: Path | None, device: torch.device) -> Prepared:
        """Load the data, and make ready to run.

        Args:
            settings: with the data set that is really used.
            data_dir: a folder with the data; else the environment's, the cache, or a download.
            device: where to run.

        Raises:
            DataError: if the data is missing or corrupt.
        """


TARGETS: Registry[Target] = Registry(
    "stability_sweep.targets", {"rhvae": "stability_sweep.targets.rhvae.target:TARGET"}
)
"""Every target by the name that a definition gives it."""
