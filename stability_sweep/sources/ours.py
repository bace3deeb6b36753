"""A study of ours as a source."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property, partial
from typing import TypeVar

import pandas as pd

from stability_sweep.definition.claims import Claim
from stability_sweep.definition.study import StudyDefinition
from stability_sweep.engine.signals import with_extra
from stability_sweep.errors import TelemetryError
from stability_sweep.results.autopsy import Autopsy
from stability_sweep.results.outcome import TrialResult
from stability_sweep.results.telemetry import Telemetry
from stability_sweep.sources.frame import study_frame
from stability_sweep.sources.protocol import OnDamaged, StudyFacts
from stability_sweep.storage import Repository, StoredStudy

Found = TypeVar("Found")


class StoredSource:
    """A study in a database of ours; see `protocol.Source`.

    Args:
        repository: where it lives.
        study: the study.
        claims: to judge these instead of the definition's.

    Raises:
        DefinitionError: if a claim speaks of something that the study does not search.
    """

    def __init__(self, repository: Repository, study: StoredStudy, claims: Sequence[Claim] | None = None) -> None:
        self._repository = repository
        self._study = study
        self._claims = claims
        _ = self.facts  # a claim that cannot be judged is refused before anything is loaded

    @cached_property
    def facts(self) -> StudyFacts:
        """What the definition says, with the data set that was really used."""
        definition = self._study.effective_definition
        if self._claims is not None:
            definition = definition.with_claims(self._claims)
        as_written, notice = self._study.definition, None
        if as_written.dataset != definition.dataset:
            notice = as_written.trains.fallback_notice(as_written.settings, definition.dataset)
        return facts_of(definition, as_written=as_written, notice=notice)

    @property
    def place(self) -> str:
        """The database."""
        return str(self._repository)

    def frame(self) -> pd.DataFrame:
        """Its trials."""
        return study_frame(self._repository, self._study)

    def telemetries(
        self, *, most_per_outcome: int | None = None, on_damaged: OnDamaged | None = None
    ) -> Iterator[tuple[TrialResult, Telemetry]]:
        """Finished trials that have telemetry."""
        found = self._repository.telemetries(self._study, most_per_outcome=most_per_outcome, on_damaged=on_damaged)
        return ((stored.result, telemetry) for stored, telemetry in found)

    def telemetries_of(
        self, numbers: Sequence[int], *, on_damaged: OnDamaged | None = None
    ) -> Iterator[tuple[int, Telemetry]]:
        """The telemetry of trials, by number."""
        return self._by_number(self._repository.telemetries_of, numbers, on_damaged)

    def autopsies_of(
        self, numbers: Sequence[int], *, on_damaged: OnDamaged | None = None
    ) -> Iterator[tuple[int, Autopsy]]:
        """The autopsies of trials, by number."""
        return self._by_number(self._repository.autopsies_of, numbers, on_damaged)

    def _by_number(
        self,
        read: Callable[..., Iterator[tuple[int, Found]]],
        numbers: Sequence[int],
        on_damaged: OnDamaged | None,
    ) -> Iterator[tuple[int, Found]]:
        ids = self._repository.trial_ids(self._study, list(numbers))
        number_of = {trial_id: number for number, trial_id in ids.items()}

        def tell(trial_id: int, error: TelemetryError) -> None:
            assert on_damaged is not None
            on_damaged(number_of[trial_id], error)

        for trial_id, found in read(list(number_of), on_damaged=None if on_damaged is None else tell):
            yield number_of[trial_id], found


def facts_of(
    definition: StudyDefinition, *, as_written: StudyDefinition | None = None, notice: str | None = None
) -> StudyFacts:
    """What a definition says to analysis and report.

    Args:
        definition: with the data set that was really used.
        as_written: as its author wrote it, if that is another one.
        notice: what a reader must know before anything else.
    """
    target, as_written = definition.trains, as_written or definition
    return StudyFacts(
        name=definition.name,
        space=definition.space,
        subject=definition.subject,
        description=definition.description,
        claims=definition.claims,
        horizon_in_words=target.horizon_in_words(definition.settings),
        steps_per_epoch=partial(target.steps_per_epoch, definition.settings),
        asked_decades=definition.budget.precision,
        budget_trials=definition.budget.trials,
        is_paired=definition.design.paired,
        chosen_by=definition.sampler.name if definition.sampler.kind.looks_at_results else None,
        signals=with_extra(target.signals),
        shown_signals=target.shown_signals,
        causes=target.causes,
        settings=definition.identity(),
        definition_json=as_written.to_json(),
        fingerprint=as_written.fingerprint,
        notice=notice,
    )
