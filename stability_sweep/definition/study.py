"""Study definitions: everything that decides a study's results, validated, frozen, fingerprinted."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, Field, ValidationError, create_model, field_validator, model_validator
from typing_extensions import Self

from stability_sweep.definition.budget import BudgetConfig
from stability_sweep.definition.canonical import SettingDifference, canonical_json, flattened
from stability_sweep.definition.checks import CHECKS
from stability_sweep.definition.claims import Claim
from stability_sweep.definition.design import Blocks, DesignConfig, remedies_of, without_remedies
from stability_sweep.definition.samplers import SamplerConfig
from stability_sweep.engine.settings import OutcomeConfig
from stability_sweep.errors import DefinitionError
from stability_sweep.mistakes import describe_validation_error
from stability_sweep.space.dimensions import LATER, Dimension, Frozen, GrownTable, Range, Value, complete_search_space
from stability_sweep.targets.protocol import TARGETS, Prepared, Settings, Target, TrialSettings
from stability_sweep.text import value_in_words

if TYPE_CHECKING:
    import torch

    from stability_sweep.space.search_space import SearchSpace

DEFAULT_TARGET = "rhvae"
"""What is trained where a definition says nothing; it is left out of the identity, so that fingerprints stay."""

_STUDY_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


class StudyDefinition(GrownTable):
    """A whole study. Immutable once the study exists; it travels to the workers through the database.

    The keys that belong to what is trained come from its target: `define` makes a definition of the class that has
    them, and `settings` holds their values.
    """

    name: str
    description: str = ""
    seed: int = Field(default=0, ge=0, lt=2**63)
    target: str = DEFAULT_TARGET
    search_space: dict[str, Dimension] = Field(default_factory=dict, validate_default=True)
    baseline: Annotated[dict[str, Value], LATER] = Field(default_factory=dict)
    """The settings at which maps, limits, effects and contrasts stand: some of the dimensions, "off" by name."""
    design: Annotated[DesignConfig, LATER] = DesignConfig()
    sampler: SamplerConfig = SamplerConfig()
    budget: BudgetConfig = BudgetConfig()
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
        return complete_search_space(raw, cls._target().default_dimensions)

    @field_validator("search_space")
    @classmethod
    def _take_the_types_of_the_settings(cls, search_space: dict[str, Any]) -> dict[str, Any]:
        """A range of a real-valued setting is real-valued, also where its ends are written as whole numbers."""
        is_real = cls._target().is_real
        return {
            name: dimension.as_real() if isinstance(dimension, Range) and is_real(name) else dimension
            for name, dimension in search_space.items()
        }

    @classmethod
    def _target(cls) -> Target:
        """The target of this class of definitions."""
        return TARGETS[cls.model_fields["target"].default]

    @model_validator(mode="after")
    def _check_what_fits_together(self) -> Self:
        for check in CHECKS:
            check(self)
        return self

    @cached_property
    def space(self) -> SearchSpace:
        """The search space with what the target knows of its dimensions."""
        from stability_sweep.space.search_space import SearchSpace  # with NumPy and Optuna, which `--help` need not

        target = self._target()
        return SearchSpace(
            dimensions=self.search_space,
            roles=target.roles,
            own={name: target.own_value(self.settings, name) for name in self.search_space},
            baseline=self._named_baseline(),
            grid_levels=self.sampler.grid_levels if self.sampler.kind.is_grid else None,
        )

    def _named_baseline(self) -> dict[str, Value]:
        """What `baseline` says, as searched values."""
        meant = {name: self.search_space[name].meant_by(written) for name, written in self.baseline.items()}
        return {name: value for name, value in meant.items() if value is not None}

    @cached_property
    def blocks(self) -> Blocks | None:
        """The blocks in which its trials come; None where remedies are drawn like every other dimension."""
        return Blocks(remedies_of(self.space), self.design, self.budget.repeats) if self.design.is_planned else None

    @cached_property
    def point_space(self) -> SearchSpace:
        """The dimensions that a sampler's plan has to give values to: all but the remedies of a design."""
        return self.space if self.blocks is None else without_remedies(self.space, self.blocks.remedies)

    def point_index(self, number: int) -> int:
        """Which of the sampler's planned points the trial of that number has."""
        return number // self.budget.repeats if self.blocks is None else self.blocks.point_index(number)

    def trial_seed(self, number: int) -> int:
        """The seed of the trial of that number, which a paired design gives to a whole block."""
        from stability_sweep.engine.seeds import trial_seed  # with NumPy

        return trial_seed(self.seed, number if self.blocks is None else self.blocks.seed_index(number))

    @property
    def settings(self) -> Settings:
        """The values of the keys that the target adds."""
        return {key: getattr(self, key) for key in self._target().keys}

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

        Description, baseline, claims and the size of the budget are left out: a study may be continued for longer, and
        read in another way. Only where a design tries remedies against their baseline does that decide the trials.
        """
        return hashlib.sha256(canonical_json(self._identity()).encode()).hexdigest()

    def _identity(self) -> dict[str, Any]:
        budget = {"trials", "timeout_seconds", "precision"}
        identity = self._dump(description=True, baseline=True, claims=True, budget=budget)
        if self.blocks is not None:
            identity["baseline"] = self.blocks.params(0)
        return identity

    def _dump(self, **excluded: Any) -> dict[str, Any]:
        """All keys as JSON values, but for the excluded ones, and for a target that need not be said."""
        if self.target == DEFAULT_TARGET:
            excluded["target"] = True
        return self.model_dump(mode="json", exclude=excluded)

    def to_json(self) -> str:
        """The whole definition as canonical JSON; `from_json` reads it back."""
        return canonical_json(self._dump())

    @classmethod
    def from_json(cls, text: str) -> StudyDefinition:
        """Read a definition back from the database.

        Raises:
            DefinitionError: if this version of the program does not understand it.
        """
        try:
            return validate_json(text, source="stored definition")
        except DefinitionError as error:
            first = error.args[0]
            raise DefinitionError(f"another version of stability-sweep wrote this study: {first}") from error

    def at(self, point: Mapping[str, Value]) -> TrialSettings:
        """The settings of the trial at a point.

        Raises:
            pydantic.ValidationError: if a value is not allowed.
            ValueError: if a dimension is not the path of a setting.
        """
        return self._target().at(self.settings, self.outcome, dict(point))

    @property
    def subject(self) -> str:
        """What is trained, in words: ``RHVAE training on MNIST``."""
        return self._target().subject(self.settings)

    @property
    def trains(self) -> Target:
        """What is trained."""
        return self._target()

    @property
    def fixed_horizon(self) -> int | None:
        """The horizon where it is the same number of steps at every point; else None."""
        return self._target().fixed_horizon(self.settings)

    @property
    def dataset(self) -> str:
        """The data set that it asks for."""
        return self._target().dataset(self.settings)

    def on(self, dataset: str) -> StudyDefinition:
        """The definition with the data set that the study really uses (a new study may fall back on another one).

        Raises:
            DefinitionError: if that data set is too small for the definition.
        """
        target = self._target()
        if dataset == self.dataset:
            return self
        try:
            return self._changed(**target.on(self.settings, dataset))
        except ValidationError as error:
            mistake = describe_validation_error(error, type(self))[0].line
            raise DefinitionError(f"study {self.name!r} does not fit the {dataset} data set: {mistake}") from error

    def imported_modules(self) -> set[str]:
        """The modules that its trials import by a path."""
        return self._target().imported_modules(self.settings, self.search_space)

    def check_here(self) -> None:
        """Refuse a definition that this machine cannot run.

        Raises:
            DefinitionError: if a trial's code is missing here, or is not allowed.
        """
        self._target().check_here(self.settings, self.search_space)

    def prepare(self, *, data_dir: Path | None, device: torch.device) -> Prepared:
        """Load the data on a device, and make ready to run trials.

        Raises:
            DataError: if the data is missing or corrupt.
        """
        return self._target().prepare(self.settings, data_dir=data_dir, device=device)

    def named(self, name: str) -> StudyDefinition:
        """The same study under another name."""
        return self if name == self.name else self._changed(name=name)

    def with_claims(self, claims: Sequence[Claim]) -> StudyDefinition:
        """The same study with other claims to judge.

        Raises:
            DefinitionError: if a claim speaks of something that is not searched.
        """
        try:
            return self._changed(claims=tuple(claims))
        except ValidationError as error:
            mistake = describe_validation_error(error, type(self))[0].line
            raise DefinitionError(f"study {self.name!r} cannot judge these claims: {mistake}") from error

    def _changed(self, **changes: Any) -> StudyDefinition:
        present = {key: getattr(self, key) for key in type(self).model_fields}
        return type(self)(**{**present, **changes})

    def identity(self) -> dict[str, str]:
        """Everything that decides what a trial's result means: JSON values by the path of their key."""
        return flattened(self._identity())

    def differences(self, other: StudyDefinition) -> list[SettingDifference]:
        """Every setting in which two definitions differ."""
        mine, theirs = self.identity(), other.identity()
        keys = sorted(mine.keys() | theirs.keys())
        return [
            SettingDifference(key, mine.get(key, "absent"), theirs.get(key, "absent"))
            for key in keys
            if mine.get(key) != theirs.get(key)
        ]


class _TargetKey(BaseModel):
    """What has to be known of a definition before it can be validated."""

    target: Any = DEFAULT_TARGET


@cache
def definition_class(target: str) -> type[StudyDefinition]:
    """The class of the definitions of a target: the keys of all, and those that it adds.

    Raises:
        KeyError: if there is no such target here.
    """
    keys: dict[str, Any] = dict(TARGETS[target].keys)
    return create_model("StudyDefinition", __base__=StudyDefinition, target=(str, target), **keys)


def validate_json(text: str, *, source: str) -> StudyDefinition:
    """A definition from JSON.

    Args:
        text: a JSON object.
        source: where it came from, for messages.

    Raises:
        DefinitionError: with one line per mistake.
    """
    try:
        target = _TargetKey.model_validate_json(text).target
    except ValidationError:  # no JSON object at all: that is told below, with everything else
        target = DEFAULT_TARGET
    if not isinstance(target, str) or target not in TARGETS:
        known = ", ".join(f"'{known}'" for known in TARGETS.names())
        raise DefinitionError(f"{source}: target: expected one of {known}, got {value_in_words(target)}")
    cls = definition_class(target)
    try:
        return cls.model_validate_json(text)
    except ValidationError as error:
        mistakes = describe_validation_error(error, cls)
        raise DefinitionError(*(f"{source}: {mistake.line}" for mistake in mistakes)) from error


def define(**settings: Any) -> StudyDefinition:
    """A definition from Python values: keys as in a TOML file, tables as dictionaries.

    Raises:
        DefinitionError: with one line per mistake.
    """
    return validate_json(json.dumps(settings, default=_plain), source="definition")


def _plain(value: Any) -> Any:
    return value.model_dump(mode="json") if isinstance(value, Frozen) else str(value)
