"""AEPsych's look-ahead rules on AEPsych's own process, as Optuna samplers: peers of the boundary sampler.

AEPsych asks for older versions of nearly everything, so it is no dependency: it is installed without its own into a
folder of this benchmark (`INSTALL`), and read from there.
"""

from __future__ import annotations

import sys
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution
from optuna.study import Study
from optuna.trial import FrozenTrial

from benchmarks.entrants import Entrant
from stability_sweep.sampling.cube import positions
from stability_sweep.sampling.evidence import EvidenceReader
from stability_sweep.sampling.exploration import is_planned, sobol_point, sobol_points
from stability_sweep.sampling.optuna_private import cached_trials
from stability_sweep.space.coordinates import Coordinates

FOLDER = Path("benchmarks/results/aepsych")
INSTALL = (
    f"pip install --no-deps --target {FOLDER} aepsych==0.8.0 botorch==0.18.1 gpytorch==1.15.2 linear_operator==0.6.1 "
    "pyro-ppl==1.9.2 pyro-api jaxtyping wadler_lindig opt_einsum dill multipledispatch pyre-extensions typing-inspect "
    "mypy-extensions aepsych_client"
)

RULES = ("EAVC", "GlobalMI", "LocalSUR")

CANDIDATES = 512
FIT_SECONDS = 2.0
"""At most, per question; AEPsych's own limit is none."""


class AEPsychSampler(Entrant):
    """Asks for the one of 512 Sobol' points of which one of AEPsych's rules thinks most, after 16 Sobol' points.

    The process is `GPClassificationModel` with its defaults, in the unit cube, fitted anew for every question from
    where the last fit ended.
    """

    def __init__(self, seed: int, rule: str) -> None:
        super().__init__(seed)
        self._rule = rule
        self._model: Any = None

    @cached_property
    def _aepsych(self) -> Any:
        """The package; it is looked for last, so that no package of ours is taken from its folder.

        Raises:
            SystemExit: if it is not there.
        """
        if not FOLDER.is_dir():
            raise SystemExit(f"no AEPsych in {FOLDER}: {INSTALL}")
        from contextlib import chdir  # Python 3.11

        if str(FOLDER.resolve()) not in sys.path:
            sys.path.append(str(FOLDER.resolve()))
        with chdir(FOLDER):  # it begins a log where it is imported
            import aepsych  # type: ignore[import-not-found]

        return aepsych

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """The next point."""
        if not search_space:
            return {}
        coordinates = Coordinates.of(search_space)
        dimensions = len(coordinates.dimensions)
        if is_planned(trial.number):
            return coordinates.params_at(sobol_point(dimensions, self._seed, trial.number))
        import torch

        if self._reader is None:  # one sampler serves one study here
            self._reader = EvidenceReader(coordinates, None)
            torch.manual_seed(self._seed)
            self._model = self._aepsych.models.GPClassificationModel(dim=dimensions, max_fit_time=FIT_SECONDS)
        evidence = self._reader.read(cached_trials(study), leaving_out=trial.number)
        where = torch.tensor(positions(coordinates, evidence.values))
        self._model.fit(where, torch.tensor(evidence.diverged), warmstart_hyperparams=True)
        units = sobol_points(dimensions, CANDIDATES, np.random.default_rng([self._seed, trial.number]))
        with torch.no_grad():
            worth = self._worth_of(dimensions)(torch.tensor(units)[:, None, :])
        return coordinates.params_at(units[int(worth.argmax())])

    def _worth_of(self, dimensions: int) -> Any:
        import torch

        rule = getattr(self._aepsych.acquisition, self._rule)
        whole = {"lb": torch.zeros(dimensions), "ub": torch.ones(dimensions)} if self._rule != "LocalSUR" else {}
        return rule(model=self._model.eval(), target=0.5, lookahead_type="levelset", **whole)
