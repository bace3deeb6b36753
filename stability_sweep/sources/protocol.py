"""What analysis and report need of a study, wherever it comes from."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

import pandas as pd

from stability_sweep.definition.claims import Claim
from stability_sweep.errors import TelemetryError
from stability_sweep.results.autopsy import Autopsy
from stability_sweep.results.causes import CauseBook
from stability_sweep.results.outcome import TrialResult
from stability_sweep.results.telemetry import Telemetry
from stability_sweep.space.dimensions import Point
from stability_sweep.space.search_space import SearchSpace

OnDamaged = Callable[[int, TelemetryError], None]
"""Takes the number of a trial whose telemetry or autopsy cannot be read, and why."""


EpochsOf = Callable[[Point], float | None]
"""From some settings to optimizer steps in one pass over the training data; None where there is no such thing."""


@dataclass(frozen=True)
class StudyFacts:
    """What is known of a study beside its trials."""

    name: str
    space: SearchSpace
    subject: str
    """What is trained, in words: ``RHVAE training on MNIST``."""
    description: str = ""
    claims: tuple[Claim, ...] = ()
    """Advice that the report judges."""
    horizon_in_words: str | None = None
    """The horizon where it is no fixed number of steps, such as ``10 epochs``."""
    steps_per_epoch: EpochsOf | None = None
    """None where that is no question."""
    asked_decades: float | None = None
    """How well the 50% line is to be known, of a study that ends by that."""
    budget_trials: int | None = None
    is_paired: bool = False
    """Whether its trials come in blocks that share point and seed, so that remedies can be compared trial by trial."""
    chosen_by: str | None = None
    """The sampler, if earlier results decided where later trials are."""
    signals: Mapping[str, str] = field(default_factory=dict)
    """The series that telemetry may hold, each with its meaning, in the order in which they are shown."""
    shown_signals: tuple[str, ...] = ()
    """The few of these that are shown of one trial, where there is no room for all."""
    causes: CauseBook = field(default_factory=CauseBook)
    """What words there are for the causes of divergence."""
    settings: Mapping[str, str] = field(default_factory=dict)
    """Everything that decides its results, as JSON values by the key's path; for comparisons."""
    definition_json: str = "{}"
    fingerprint: str = ""
    notice: str | None = None
    """What a reader must know before anything else."""

    def judging(self, claims: Sequence[Claim]) -> StudyFacts:
        """The same study with other claims to judge."""
        return replace(self, claims=tuple(claims))


class Source(Protocol):
    """One study, ready to be analysed and reported."""

    @property
    def facts(self) -> StudyFacts:
        """What is known of it beside its trials."""

    @property
    def place(self) -> str:
        """Where it is stored, without any password."""

    def frame(self) -> pd.DataFrame:
        """One row per finished trial, in the order of their numbers: what `sources.frame.frame_of` makes of records."""

    def telemetries(
        self, *, most_per_outcome: int | None = None, on_damaged: OnDamaged | None = None
    ) -> Iterator[tuple[TrialResult, Telemetry]]:
        """Finished trials that have telemetry, in the order of their numbers.

        Args:
            most_per_outcome: at most so many stable and so many diverged trials, spread evenly, and no others.
            on_damaged: called for each trial whose telemetry cannot be read, which is then left out.

        Raises:
            TelemetryError: if there is one, and no `on_damaged`.
        """

    def telemetries_of(
        self, numbers: Sequence[int], *, on_damaged: OnDamaged | None = None
    ) -> Iterator[tuple[int, Telemetry]]:
        """The telemetry of trials, by their numbers and in their order; those without any are left out."""

    def autopsies_of(
        self, numbers: Sequence[int], *, on_damaged: OnDamaged | None = None
    ) -> Iterator[tuple[int, Autopsy]]:
        """The autopsies of trials, by their numbers and in their order; those without any are left out."""
