"""What most targets have in common: tables of settings that are dimensions by their path, ``table.key``."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic.fields import FieldInfo

from stability_sweep.engine.settings import OutcomeConfig, TrainingConfig, TrainingSettings
from stability_sweep.mistakes import describe_validation_error
from stability_sweep.results.causes import CauseBook
from stability_sweep.results.telemetry import SIGNALS
from stability_sweep.space.dimensions import Dimension, Frozen, Point, Value
from stability_sweep.space.roles import BATCH_SIZE, CLIP_NORM, LEARNING_RATE, ROLES
from stability_sweep.targets.protocol import Settings, TrialSettings


class TargetBase:
    """A target with the table ``[training]`` and, if a subclass says so, others; see `targets.protocol.Target`.

    A subclass has at least `settings_of`, `subject` and `prepare`.
    """

    sections: Mapping[str, type[Frozen]] = {"training": TrainingConfig}
    """The tables whose settings can be dimensions, with everything that a trial has of them."""
    short_names: tuple[str, ...] = ROLES
    """Settings of ``[training]`` that every study searches; they are called without the table's name."""
    keys: Mapping[str, tuple[Any, Any]] = {"training": (TrainingSettings, ...)}
    default_dimensions: Mapping[str, Any] = {
        "learning_rate": {"low": 1e-6, "high": 1e-1, "log": True},
        "batch_size": {"choices": [16, 32, 64, 128, 256, 512, 1024]},
        "clip_norm": {"low": 0.1, "high": 1000.0, "log": True, "off_share": 0.2},
    }
    roles: Mapping[str, str] = {LEARNING_RATE: "learning_rate", BATCH_SIZE: "batch_size", CLIP_NORM: "clip_norm"}
    causes: CauseBook = CauseBook()
    signals: Mapping[str, str] = SIGNALS
    shown_signals: tuple[str, ...] = ("loss", "gradient_norm", "update_norm")
    reproducer: str | None = None

    # -- what a subclass says ------------------------------------------------------------------------------------------

    def settings_of(self, tables: Mapping[str, Frozen], settings: Settings, outcome: OutcomeConfig) -> TrialSettings:
        """The settings of a trial.

        Args:
            tables: those of `sections`, at the trial's point.
            settings: the definition's own, of all keys.
            outcome: the definition's table ``[outcome]``.
        """
        raise NotImplementedError

    def subject(self, settings: Settings) -> str:
        """What is trained, in words."""
        raise NotImplementedError

    # -- dimensions ----------------------------------------------------------------------------------------------------

    def split_dimension(self, name: str) -> tuple[str, str]:
        """Table and key of a dimension: ``learning_rate`` is short for ``training.learning_rate``.

        Raises:
            ValueError: if no such setting exists; the message lists those that do.
        """
        path = f"training.{name}" if name in self.short_names else name
        section, _, field = path.partition(".")
        if (
            section not in self.sections
            or field not in self.sections[section].model_fields
            or (field in self.short_names and path == name)
        ):
            others = sorted(
                (section, place, field)
                for section, table in self.sections.items()
                for place, field in enumerate(table.model_fields)
                if not (section == "training" and field in self.short_names)
            )
            known = [*self.short_names, *(f"{section}.{field}" for section, _, field in others)]
            raise ValueError(f"no such dimension; allowed: {', '.join(known)}")
        return section, field

    def _field(self, name: str) -> FieldInfo:
        section, field = self.split_dimension(name)
        return self.sections[section].model_fields[field]

    def is_real(self, dimension: str) -> bool:
        """Whether a dimension's setting is real-valued; False for one that does not exist."""
        try:
            return self._field(dimension).annotation in (float, float | None)
        except ValueError:
            return False

    def can_be_off(self, dimension: str) -> bool:
        """Whether a dimension's setting can be switched off: its default is infinite."""
        return bool(self._field(dimension).default == math.inf)

    def own_value(self, settings: Settings, dimension: str) -> Value | None:
        """The definition's own setting, defaults included; those that every study searches have none."""
        if dimension in self.short_names:
            return None
        section, name = self.split_dimension(dimension)
        own: Value | None = getattr(settings[section], name)
        return own

    def at(self, settings: Settings, outcome: OutcomeConfig, point: Point) -> TrialSettings:
        """The settings of the trial at a point."""
        raw: dict[str, dict[str, Any]] = {name: settings[name].model_dump() for name in self.sections}
        for dimension, value in point.items():
            section, name = self.split_dimension(dimension)
            raw[section][name] = value
        tables = {name: table(**raw[name]) for name, table in self.sections.items()}
        return self.settings_of(tables, settings, outcome)

    def check_value(self, settings: Settings, outcome: OutcomeConfig, dimension: str, value: Value) -> None:
        """Refuse a value that no trial could have.

        Args:
            settings: the definition's own, of all keys.
            outcome: its table ``[outcome]``.
            dimension: the searched setting.
            value: one of its values.

        Raises:
            ValueError: if there is no such setting, or the value is not allowed.
        """
        # The other dimensions get values that are surely allowed: each answers for itself.
        allowed: Point = {LEARNING_RATE: 1.0, BATCH_SIZE: 1}
        point = {name: value for name, value in allowed.items() if name in self.short_names}
        try:
            config = self.at(settings, outcome, {**point, dimension: value})
        except ValidationError as error:
            section, _ = self.split_dimension(dimension)
            raise ValueError(describe_validation_error(error, self.sections[section])[0].text) from None
        if dimension == BATCH_SIZE:
            _ = config.horizon  # a step may need more examples than there are

    def check_space(self, settings: Settings, outcome: OutcomeConfig, space: Mapping[str, Dimension]) -> None:
        """Refuse a space whose largest step takes more examples than there are."""
        largest: dict[str, Value] = {LEARNING_RATE: 1.0} if LEARNING_RATE in self.short_names else {}
        for name in (BATCH_SIZE, "training.accumulation_steps"):
            if name in space:
                largest[name] = max(space[name].extremes().values())
        _ = self.at(settings, outcome, largest).horizon

    # -- the horizon ---------------------------------------------------------------------------------------------------

    def fixed_horizon(self, settings: Settings) -> int | None:
        """``horizon_steps``."""
        steps: int | None = settings["training"].horizon_steps
        return steps

    def horizon_in_words(self, settings: Settings) -> str | None:
        """``10.0 epochs``, where the horizon is told in epochs."""
        epochs = settings["training"].horizon_epochs
        return f"{epochs} epochs" if epochs else None

    # -- what most targets need not care for ---------------------------------------------------------------------------

    def steps_per_epoch(self, settings: Settings, point: Point) -> float | None:
        """Not known: a target without a fixed set of examples has no epochs."""
        return None

    def imported_modules(self, settings: Settings, space: Mapping[str, Dimension]) -> set[str]:
        """None: a definition of this target names no code."""
        return set()

    def check_here(self, settings: Settings, space: Mapping[str, Dimension]) -> None:
        """Nothing is missing here."""

    def dataset(self, settings: Settings) -> str:
        """One data set only."""
        return "own"

    def dataset_here(self, settings: Settings, data_dir: Path | None) -> str:
        """The same."""
        return self.dataset(settings)

    def on(self, settings: Settings, dataset: str) -> Settings:
        """There is no other data set."""
        return settings

    def fallback_notice(self, settings: Settings, dataset: str) -> str:
        """There is no other data set."""
        return ""
