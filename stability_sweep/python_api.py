"""The first line of Python: open a study that is there, or run one, and look at it with a few words each."""

from __future__ import annotations

import math
import os
import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import plotly.graph_objects as go

from stability_sweep.analysis import Analysis
from stability_sweep.analysis.baseline import placed_in
from stability_sweep.analysis.maps import pair_map
from stability_sweep.analysis.surface import Surface
from stability_sweep.definition import DEFAULT_TOLERANCE, StudyDefinition, define, load_definition
from stability_sweep.environment import DEFAULT_STORAGE, STORAGE_VARIABLE, allow_imports
from stability_sweep.errors import DefinitionError, StudyError
from stability_sweep.report import analyse_study, stability_map, summary_sentences, write_study_report
from stability_sweep.results import columns
from stability_sweep.sources import Source, StoredSource
from stability_sweep.sources.frame import with_gaps
from stability_sweep.storage import Database, Repository
from stability_sweep.text import value_in_words

if TYPE_CHECKING:
    from stability_sweep.workers import StopRequest


class Study:
    """A study as it was when it was looked at first; `open_study` again sees what came since.

    Nothing is computed before it is asked for, and then only once.
    """

    def __init__(self, source: Source, *, tolerance: float = DEFAULT_TOLERANCE) -> None:
        self._source = source
        self._tolerance = tolerance

    def __repr__(self) -> str:
        return f"<Study {self.name!r} in {self._source.place}: {len(self._analysis.frame)} finished trials>"

    @property
    def name(self) -> str:
        """What it is called."""
        return self._source.facts.name

    @cached_property
    def _analysis(self) -> Analysis:
        return analyse_study(self._source, tolerance=self._tolerance)

    @property
    def trials(self) -> pd.DataFrame:
        """One row per finished trial, with the columns of the export.

        "off" is infinity; None is what was never measured, and NaN a loss that was NaN.
        """
        return with_gaps(self._analysis.frame)

    def summary(self) -> list[str]:
        """The study in a few sentences, the answer first, as the command line prints them."""
        return summary_sentences(self._analysis)

    def surface(self) -> Surface | None:
        """The model of P(diverge) over the search space: ``surface.predict(points)`` gives it with its 90% band.

        None with fewer than 5 trials, or if nothing is searched.
        """
        return self._analysis.surface

    def probability(self, points: pd.DataFrame, steps: int | None = None) -> pd.DataFrame:
        """P(diverge) at any points, with how sure that is.

        Args:
            points: a column per dimension of the study ("off" is infinity, or the word); others are ignored. A
                dimension that is left out stands at the study's baseline.
            steps: within how many; None for the horizon. Beyond the longest one that was trained the band widens.

        Returns:
            Columns ``probability``, ``low`` and ``high`` (90% credible band), with the index of `points`. What is
            unknown has no probability (NaN) and a band from 0 to 1: every point with fewer than 5 trials, and points
            outside the search space.

        Raises:
            StudyError: if `steps` is less than 1, or a column holds what cannot be a value of its dimension.
        """
        if steps is not None and steps < 1:
            raise StudyError(f"expected at least 1 step, got {steps}")
        space = self._source.facts.space
        placed, is_inside = placed_in(space, points)
        unknown = {columns.PROBABILITY: math.nan, columns.LOW: 0.0, columns.HIGH: 1.0}
        found = pd.DataFrame(unknown, index=points.index)
        if self._analysis.surface is not None and is_inside.any():
            known = self._analysis.surface.predict(placed[is_inside], steps)
            found.loc[is_inside, list(unknown)] = known[list(unknown)]
        return found

    def map(self, x: str, y: str) -> go.Figure:
        """The stability map of two dimensions; all others stand at the study's baseline.

        Args:
            x: the dimension from left to right, such as ``"learning_rate"``.
            y: the dimension from bottom to top, such as ``"batch_size"``.

        Returns:
            A Plotly figure with the model's P(diverge), its 50% line, and the trials; with counts alone where the
            trials are too few for a model.

        Raises:
            StudyError: if one of them is not searched, or both are the same.
        """
        space = self._source.facts.space
        for name in (x, y):
            if name not in space.searched:
                known = ", ".join(space.searched)
                raise StudyError(f"expected two dimensions that study {self.name!r} searches ({known}), got {name!r}")
        if x == y:
            raise StudyError(f"expected two dimensions, got {x!r} twice")
        model = None
        if self._analysis.surface is not None:
            model = pair_map(self._analysis.surface, space, space.axes[x], space.axes[y])
        return stability_map(
            self._analysis.trials, space.axes[x], space.axes[y], model, space, tolerance=self._tolerance
        )

    def speed_limit(self) -> pd.DataFrame:
        """The largest learning rate below which P(diverge) stays within the tolerance, by batch size and clipping.

        Returns:
            Columns as in ``speed-limits.csv`` of a report, among them ``batch_size``, ``clip``, ``limit``, ``low`` and
            ``high`` (its 90% band) and ``status``; empty where the trials are too few.
        """
        return self._analysis.limits.copy()

    def tables(self) -> dict[str, pd.DataFrame]:
        """Every table of the report, by the name of its CSV file."""
        return self._analysis.tables()

    def report(self, path: str | os.PathLike[str]) -> Path:
        """Write the HTML report.

        Args:
            path: the file; its folder is made if need be.

        Returns:
            The same path.

        Raises:
            OutputError: if it cannot be written.
        """
        write_study_report(self._source, Path(path), tolerance=self._tolerance)
        return Path(path)


def open_study(storage_url: str | None, name: str, *, tolerance: float = DEFAULT_TOLERANCE) -> Study:
    """A study that is there, also while it runs.

    Args:
        storage_url: ``sqlite:///FILE``, ``postgresql://USER:PASSWORD@HOST/DATABASE`` or ``mysql://...``; None takes
            $STABILITY_SWEEP_STORAGE, or ``stability-sweep.db`` in the working folder.
        name: of the study.
        tolerance: P(diverge) up to which a setting is called safe.

    Raises:
        StorageError: if the database cannot be opened.
        StudyError: if it has no such study; the message lists those that it has.
    """
    repository = Repository(Database.open(_url(storage_url)))
    return Study(StoredSource(repository, repository.get_study(name)), tolerance=tolerance)


def sweep(
    definition: Mapping[str, Any] | StudyDefinition | str | os.PathLike[str],
    storage: str | None = None,
    *,
    trials: int | None = None,
    data_dir: str | os.PathLike[str] | None = None,
    device: str = "cpu",
) -> Study:
    """Run a study in this process until its budget is used up, and open it; one that was begun goes on.

    Other processes may work on it at the same time (``stability-sweep worker NAME``). Ctrl-C gives the running trial
    back.

    Args:
        definition: a dictionary with the keys of a definition's TOML file (``name`` among them), a definition, or the
            path of a TOML file.
        storage: as for `open_study`; a SQLite file is made if it does not exist.
        trials: the study's whole budget, instead of the definition's.
        data_dir: a folder with the data; else the environment's, the cache, or a download.
        device: ``"cpu"``, ``"cuda"``, ...

    Raises:
        DefinitionError: if the definition is not allowed; one line per mistake.
        StudyError: if the study exists with another definition.
        StorageError: if the database cannot be opened, or stays away.
        DataError: if the data is not to be had.
    """
    import torch

    from stability_sweep.workers import StopRequest, Worker, prepare_study

    chosen = _definition(definition)
    allow_imports(chosen.imported_modules())  # whoever calls this has chosen what it names
    repository = Repository(Database.open(_url(storage), create=True))
    folder = None if data_dir is None else Path(data_dir)
    study = prepare_study(repository, chosen, trials=trials, data_dir=folder)
    prepared = study.effective_definition.prepare(data_dir=folder, device=torch.device(device))
    stop = StopRequest(chosen.budget.timeout_seconds)
    with _ctrl_c(stop):
        Worker(repository, study, prepared, stop).run()
    return Study(StoredSource(repository, study))


def _definition(given: Mapping[str, Any] | StudyDefinition | str | os.PathLike[str]) -> StudyDefinition:
    if isinstance(given, StudyDefinition):
        return given
    if isinstance(given, Mapping):
        return define(**given)
    if isinstance(given, (str, os.PathLike)):
        return load_definition(Path(given))
    raise DefinitionError(
        f"expected a dictionary, a definition or the path of a TOML file, got {value_in_words(given)}"
    )


def _url(given: str | None) -> str:
    return given or os.environ.get(STORAGE_VARIABLE) or DEFAULT_STORAGE


@contextmanager
def _ctrl_c(stop: StopRequest) -> Iterator[None]:
    """The first Ctrl-C asks the worker to give its trial back, and is raised when it has; the second is raised at once.

    Only the main thread gets signals. Unlike the command line this must not end the process: it may be a notebook.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    previous = signal.getsignal(signal.SIGINT)

    def receive(number: int, frame: object) -> None:
        if stop.interrupted:
            raise KeyboardInterrupt
        stop.interrupted = True

    signal.signal(signal.SIGINT, receive)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, previous)
    if stop.interrupted:
        raise KeyboardInterrupt
