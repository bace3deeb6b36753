"""Everything that the page's template sees; `docs/page-context.md` lists it, and a test holds the two together."""

from __future__ import annotations

from dataclasses import dataclass

from stability_sweep.report.blocks import Exhibit, KeyFigure, Section
from stability_sweep.report.page.payload import Payload


@dataclass(frozen=True)
class AnswerBlock:
    """The first lines of the page, and what they say to other questions that the reader may ask."""

    sentences: list[str]
    """The answer to the study's own question; then what it is conditional on, and what it costs."""
    horizons: list[str]
    """What the reader may choose, in words, as the next one; empty where there is no choice."""
    tolerances: list[str]
    tolerance_values: list[float]
    """The same as numbers, from 0 to 1."""
    step_slices: list[int]
    """By horizon, the slice of the map by step that shows it."""
    first: tuple[int, int]
    """Horizon and tolerance of the study's own question."""
    choices: list[list[list[str]]]
    """By horizon and tolerance, the sentences."""
    of_several: bool = False
    """Whether every sentence is the answer of another study."""


@dataclass(frozen=True)
class PageContext:
    """A page: the template sees it as ``page``."""

    name: str
    description: str
    notice: str | None
    """What a reader must know before anything else."""
    answer: AnswerBlock | None
    """None without a trial that counts."""
    sentences: list[str]
    key_figures: list[KeyFigure]
    sections: list[Section]
    trials_text: str
    """What the table of trials holds."""
    method: list[tuple[str, str]]
    """Terms and what they mean."""
    appendix: list[Exhibit]
    definition_json: str
    fingerprint: str
    storage: str
    """Where the study lives, without a password."""
    version: str
    created_at: str
    refresh_seconds: int | None
    """The page loads itself anew so often; None where it is written once."""
    payload: Payload
    """What the page's script needs."""
