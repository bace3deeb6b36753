"""Study definitions: everything that decides a study's results, read from TOML, validated, frozen, fingerprinted."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic.fields import FieldInfo
from typing_extensions import Self

from stability_sweep.claim import Claim
from stability_sweep.configs import (
    SMALLEST_SAFE_BATCH,
    BudgetConfig,
    DataConfig,
    OutcomeConfig,
    RHVAEConfig,
    SamplerConfig,
    TrainingConfig,
    TrainingSettings,
    TrialConfig,
)
from stability_sweep.definition_errors import describe_validation_error
from stability_sweep.errors import DefinitionError
from stability_sweep.search_space import Choices, Dimension, Frozen, Range, Value, complete_search_space
from stability_sweep.text import value_in_words
from stability_sweep.toml_file import read_toml

CORE_DIMENSIONS = ("learning_rate", "batch_size", "clip_norm")
"""The dimensions that every study has, by their short names."""

_SECTIONS: dict[str, type[Frozen]] = {"training": TrainingConfig, "model": RHVAEConfig}
"""The tables whose settings can be dimensions."""

_STUDY_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


class StudyDefinition(Frozen):
    """A whole study. Immutable once the study exists; it travels to the workers through the database."""

    name: str
    description: str = ""
    seed: int = Field(default=0, ge=0, lt=2**63)
    allow_small_batches: bool = False
    search_space: dict[str, Dimension] = Field(default_factory=dict, validate_default=True)
    sampler: SamplerConfig = SamplerConfig()
    budget: BudgetConfig = BudgetConfig()
    training: TrainingSettings
    model: RHVAEConfig = RHVAEConfig()
    data: DataConfig = DataConfig()
    outcome: OutcomeConfig = OutcomeConfig()
    claims: tuple[Claim, ...] = ()
    """Advice that the report judges."""

    @field_validator("name")
    @classmethod
    def _check_name(cls, name: str) -> str:
        if not _STUDY_NAME.fullmatch(name):
            raise ValueError(
                f"a study name is 1 to 100 letters, digits, '.', '_' or '-' and starts with a letter or digit, "
                f"got {value_in_words(name)}"
            )
        return name

    @field_validator("claims", mode="before")
    @classmethod
    def _freeze_claims(cls, raw: Any) -> Any:
        return tuple(raw) if isinstance(raw, list) else raw

    @field_validator("search_space", mode="before")
    @classmethod
    def _complete_search_space(cls, raw: Any) -> Any:
        return complete_search_space(raw)

    @field_validator("search_space")
    @classmethod
    def _take_the_types_of_the_settings(cls, search_space: dict[str, Any]) -> dict[str, Any]:
        """A range of a real-valued setting is real-valued, also where its ends are written as whole numbers."""
        return {
            name: dimension.as_real() if isinstance(dimension, Range) and _is_real(name) else dimension
            for name, dimension in search_space.items()
        }

    @model_validator(mode="after")
    def _check_dimensions(self) -> Self:
        for name, dimension in self.search_space.items():
            try:
                split_dimension(name)
            except ValueError as error:
                raise ValueError(f"search_space.{name}: {error}") from None
            for key, value in dimension.extremes().items():
                if key == "off_share" and not _can_be_off(name):
                    raise ValueError(f"search_space.{name}.off_share: this dimension cannot be off; leave the key out")
                try:
                    self._check_value(name, value)
                except ValueError as error:
                    raise ValueError(f"search_space.{name}.{key}: {error}") from None
        return self

    def _check_value(self, name: str, value: Value) -> None:
        try:
            # The other dimensions get values that are surely allowed: each answers for itself.
            config = self.at({"learning_rate": 1.0, "batch_size": 1, name: value})
        except ValidationError as error:
            raise ValueError(describe_validation_error(error, TrialConfig)[0].text) from None
        if name != "batch_size":
            return
        config.training.horizon(self.data.training_images)
        if config.training.batch_size < SMALLEST_SAFE_BATCH and not self.allow_small_batches:
            raise ValueError(
                f"batch sizes start at {SMALLEST_SAFE_BATCH}, got {value}, because the RHVAE's metric is a sum over "
                f"the batch and fewer images leave it mostly regularization; to try it all the same, put "
                f"allow_small_batches = true at the top of the definition"
            )

    @model_validator(mode="after")
    def _check_largest_step(self) -> Self:
        largest: dict[str, Value] = {"learning_rate": 1.0}
        for name in ("batch_size", "training.accumulation_steps"):
            if name in self.search_space:
                largest[name] = max(self.search_space[name].extremes().values())
        try:
            self.at(largest).training.horizon(self.data.training_images)
        except ValueError as error:
            raise ValueError(f"search_space: at the largest values, {error}") from None
        return self

    @model_validator(mode="after")
    def _check_claims(self) -> Self:
        for place, claim in enumerate(self.claims):
            for condition in claim.conditions:
                if condition.dimension not in self.search_space:
                    raise ValueError(
                        f"claims[{place}].says: expected a dimension of this study ({', '.join(self.search_space)}), "
                        f"got {condition.dimension!r}"
                    )
        return self

    @model_validator(mode="after")
    def _check_grid(self) -> Self:
        if self.sampler.name == "grid" and self.budget.trials > self.grid_trials:
            raise ValueError(
                f"budget.trials: this grid has {self.grid_size} points x {self.budget.repeats} repeats = "
                f"{self.grid_trials} trials, got {self.budget.trials}; lower it or raise sampler.grid_levels"
            )
        return self

    @model_validator(mode="after")
    def _check_precision(self) -> Self:
        rate = self.search_space["learning_rate"]
        if self.budget.precision is not None and not (isinstance(rate, Range) and rate.log):
            raise ValueError(
                "budget.precision: the 50% line is measured in decades of the learning rate, so it needs "
                "search_space.learning_rate = { low = ..., high = ..., log = true }"
            )
        return self

    @property
    def grid_size(self) -> int:
        """Number of points if the search space were a grid."""
        size = 1
        for dimension in self.search_space.values():
            size *= len(dimension.grid(self.sampler.grid_levels))
        return size

    @property
    def grid_trials(self) -> int:
        """Trials of a complete grid: every point with its repeats."""
        return self.grid_size * self.budget.repeats

    @property
    def sampler_seed(self) -> int:
        """Seed of the points."""
        return self.sampler.seed if self.sampler.seed is not None else self.seed % 2**32

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the canonical JSON of everything that decides what a trial's result means.

        Description, claims and the size of the budget are left out: a study may be continued for longer.
        """
        return hashlib.sha256(_canonical_json(self._identity()).encode()).hexdigest()

    def _identity(self) -> dict[str, Any]:
        return self.model_dump(
            mode="json",
            exclude={"description": True, "claims": True, "budget": {"trials", "timeout_seconds", "precision"}},
        )

    def to_json(self) -> str:
        """The whole definition as canonical JSON; `from_json` reads it back."""
        return _canonical_json(self.model_dump(mode="json"))

    @classmethod
    def from_json(cls, text: str) -> StudyDefinition:
        """Read a definition back from the database.

        Raises:
            DefinitionError: if this version of the program does not understand it.
        """
        try:
            return _validate(cls, text, source="stored definition")
        except DefinitionError as error:
            first = error.args[0]
            raise DefinitionError(f"another version of stability-sweep wrote this study: {first}") from error

    def at(self, point: Mapping[str, Value]) -> TrialConfig:
        """The settings of the trial at a point.

        Raises:
            pydantic.ValidationError: if a value is not allowed.
            ValueError: if a dimension is not the path of a setting.
        """
        sections: dict[str, dict[str, Any]] = {
            "training": self.training.model_dump(),
            "model": self.model.model_dump(),
        }
        for name, value in point.items():
            section, field = split_dimension(name)
            sections[section][field] = value
        return TrialConfig(
            training=TrainingConfig(**sections["training"]),
            model=RHVAEConfig(**sections["model"]),
            data=self.data,
            outcome=self.outcome,
        )

    def on(self, dataset: Literal["mnist", "digits"]) -> StudyDefinition:
        """The definition with the data set that the study really uses (see `DataConfig.fallback`).

        Raises:
            DefinitionError: if that data set is too small for the definition.
        """
        if dataset == self.data.dataset:
            return self
        try:
            return StudyDefinition(**{**dict(self), "data": self.data.on(dataset)})
        except ValidationError as error:
            mistake = describe_validation_error(error, StudyDefinition)[0].line
            raise DefinitionError(f"study {self.name!r} does not fit the {dataset} data set: {mistake}") from error

    def network_settings(self) -> list[RHVAEConfig]:
        """The model's settings with every encoder and every decoder that its trials may have."""
        found = [self.model]
        for field in ("encoder", "decoder"):
            dimension = self.search_space.get(f"model.{field}")
            if isinstance(dimension, Choices):
                found += [self.model.model_copy(update={field: str(choice)}) for choice in dimension.choices]
        return found

    def imported_modules(self) -> set[str]:
        """The modules that its trials import by a path."""
        paths = {path for config in self.network_settings() for path in (config.encoder, config.decoder)}
        return {path.partition(":")[0] for path in paths if ":" in path}

    def named(self, name: str) -> StudyDefinition:
        """The same study under another name."""
        return self if name == self.name else StudyDefinition(**{**dict(self), "name": name})

    def with_claims(self, claims: Sequence[Claim]) -> StudyDefinition:
        """The same study with other claims to judge.

        Raises:
            DefinitionError: if a claim speaks of something that is not searched.
        """
        try:
            return StudyDefinition(**{**dict(self), "claims": tuple(claims)})
        except ValidationError as error:
            mistake = describe_validation_error(error, StudyDefinition)[0].line
            raise DefinitionError(f"study {self.name!r} cannot judge these claims: {mistake}") from error

    def differences(self, other: StudyDefinition) -> list[str]:
        """One line for every setting in which two definitions differ, ``key: mine -> theirs``."""
        mine, theirs = _flatten(self._identity()), _flatten(other._identity())
        keys = sorted(mine.keys() | theirs.keys())
        return [
            f"{key}: {mine.get(key, 'absent')} -> {theirs.get(key, 'absent')}"
            for key in keys
            if mine.get(key) != theirs.get(key)
        ]


def split_dimension(name: str) -> tuple[str, str]:
    """Section and field of a dimension: ``learning_rate`` is short for ``training.learning_rate``.

    Raises:
        ValueError: if no such setting exists.
    """
    path = f"training.{name}" if name in CORE_DIMENSIONS else name
    section, _, field = path.partition(".")
    if (
        section not in _SECTIONS
        or field not in _SECTIONS[section].model_fields
        or (field in CORE_DIMENSIONS and path == name)
    ):
        known = [*CORE_DIMENSIONS, *(f"model.{f}" for f in RHVAEConfig.model_fields),
                 *(f"training.{f}" for f in TrainingSettings.model_fields)]  # fmt: skip
        raise ValueError(f"no such dimension; allowed: {', '.join(known)}")
    return section, field


def is_dimension(name: str) -> bool:
    """Whether a column or a key is called as a dimension is: by a short name, or by the path of a setting."""
    section, dot, _ = name.partition(".")
    return name in CORE_DIMENSIONS or (bool(dot) and section in _SECTIONS)


def _setting(name: str) -> FieldInfo:
    """The setting that a dimension varies."""
    section, field = split_dimension(name)
    return _SECTIONS[section].model_fields[field]


def _can_be_off(name: str) -> bool:
    return bool(_setting(name).default == math.inf)


def _is_real(name: str) -> bool:
    """Whether a dimension's setting is real-valued; False for one that does not exist (which is told elsewhere)."""
    try:
        return _setting(name).annotation in (float, float | None)
    except ValueError:
        return False


def load_definition(path: Path) -> StudyDefinition:
    """Read a TOML file; the study takes the file's name if the definition gives none.

    Raises:
        DefinitionError: if the file cannot be read, is no TOML, or holds what is not allowed. The message has one
            line per mistake, each with the file, the key and what is allowed.
    """
    raw = read_toml(path)
    raw.setdefault("name", path.stem)
    # Through JSON, so that a definition means the same whether it comes from a file or from the database.
    return _validate(StudyDefinition, json.dumps(raw, default=str), source=str(path))


def load_claims(path: Path) -> tuple[Claim, ...]:
    """Read the ``[[claims]]`` of a TOML file; whatever else it holds is not looked at.

    Raises:
        DefinitionError: as for `load_definition`, and if there is none.
    """
    raw = read_toml(path).get("claims", [])
    if not isinstance(raw, list) or not raw:
        raise DefinitionError(f'{path}: expected at least one [[claims]] table with says = "...", got none')
    try:
        return tuple(Claim.model_validate(entry) for entry in raw)
    except ValidationError as error:
        mistake = describe_validation_error(error, Claim)[0].line
        raise DefinitionError(f"{path}: claims: {mistake}") from error


def _validate(cls: type[StudyDefinition], text: str, *, source: str) -> StudyDefinition:
    try:
        return cls.model_validate_json(text)
    except ValidationError as error:
        mistakes = describe_validation_error(error, cls)
        raise DefinitionError(*(f"{source}: {mistake.line}" for mistake in mistakes)) from error


def _canonical_json(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def _flatten(value: Any, prefix: str = "") -> dict[str, str]:
    if isinstance(value, dict):
        flat: dict[str, str] = {}
        for key, item in value.items():
            flat.update(_flatten(item, f"{prefix}.{key}" if prefix else key))
        return flat
    return {prefix: json.dumps(value)}
