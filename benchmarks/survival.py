"""S(t), the chance to be finite after t steps: our surface beside Cox, Weibull AFT, a survival forest and Kaplan-Meier.

Six shapes with a known truth in two dimensions; a quarter of the trials is censored at a shorter horizon. Two figures:
the integrated Brier score (over steps on a logarithmic axis, expected under the truth: smaller is better; ``truth`` is
what nobody can beat), and for ours the share of places and steps at which the 90% band holds the truth.
lifelines pins pandas < 3 and scikit-survival wants much: both go, without their dependencies, into a folder of this
benchmark's own, ``benchmarks/results/judges`` (`INSTALL` says how).
Usage: ``python -m benchmarks.survival [--seeds N] [--trials 64 256] [--table]``.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import expit
from scipy.stats import qmc

from stability_sweep.analysis.kaplan_meier import KaplanMeier
from stability_sweep.analysis.surface import fit_surface
from stability_sweep.results import columns
from stability_sweep.typing import Array
from tests.conftest import make_definition

JUDGES = Path("benchmarks/results/judges")
INSTALL = (
    f"pip install --no-deps --target {JUDGES} lifelines==0.30.3 autograd autograd-gamma formulaic interface-meta wrapt "
    "scikit-survival==0.28.0 numexpr ecos osqp qdldl"
)

HORIZON, SHORT = 150, 40
STEPS = np.unique(np.geomspace(1, HORIZON, 12).round().astype(int))
PLACES = 512
BANDS = 5

SPACE = make_definition(
    data={"dataset": "mnist", "training_images": 10000, "validation_images": 500},
    search_space={
        "learning_rate": {"low": 1e-6, "high": 1e-1, "log": True},
        "batch_size": {"low": 16, "high": 1024, "log": True},
        "clip_norm": "off",
    },
).space

Shape = Callable[[Array], tuple[Array, Array]]
"""From the unit square, (points, 2), to P(diverge by the horizon) and the shape of the Weibull distribution of when."""


def _ridge(unit: Array) -> Array:
    """P of a ridge below the boundary, at large batch sizes."""
    return np.asarray(0.9 * np.exp(-(((unit[:, 0] - 0.5) / 0.1) ** 2)) * expit(20 * unit[:, 1] - 10))


SHAPES: dict[str, Shape] = {
    "soft, early": lambda u: (expit(18 * (u[:, 0] - 0.55 + 0.2 * u[:, 1])), np.full(len(u), 0.6)),
    "sharp, early": lambda u: (expit(70 * (u[:, 0] - 0.6 - 0.1 * np.sin(5 * u[:, 1]))), np.full(len(u), 0.6)),
    "soft, late": lambda u: (expit(18 * (u[:, 0] - 0.55 + 0.2 * u[:, 1])), np.full(len(u), 3.0)),
    "early above, late below": lambda u: (
        np.maximum(
            expit(60 * (u[:, 0] - 0.75)), 0.9 * np.exp(-(((u[:, 0] - 0.5) / 0.1) ** 2)) * expit(20 * u[:, 1] - 10)
        ),
        np.where(u[:, 0] > 0.65, 0.5, 4.0),
    ),
    "constant hazard": lambda u: (0.02 + 0.9 * expit(12 * (u[:, 0] - 0.5)), np.ones(len(u))),
    "island": lambda u: (
        0.02 + 0.95 * expit(40 * (0.25 - np.hypot(u[:, 0] - 0.6, u[:, 1] - 0.5))),
        np.full(len(u), 0.8),
    ),
}


def main() -> None:
    """Measure what is missing, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--trials", type=int, nargs="+", default=[64, 256, 1000])
    parser.add_argument("--json", type=Path, default=Path("benchmarks/results/survival.jsonl"))
    parser.add_argument("--judges", type=Path, default=JUDGES, help="the folder with lifelines and scikit-survival")
    parser.add_argument("--table", action="store_true", help="print what was measured, and run nothing")
    arguments = parser.parse_args()
    arguments.json.parent.mkdir(parents=True, exist_ok=True)
    if not arguments.table:
        if not arguments.judges.is_dir():
            parser.error(f"expected lifelines and scikit-survival in {arguments.judges}; {INSTALL}")
        sys.path.append(str(arguments.judges))
        warnings.simplefilter("ignore")
        _measure(arguments)
    print_tables(pd.read_json(arguments.json, lines=True))


def _measure(arguments: argparse.Namespace) -> None:
    known: set[tuple[Any, ...]] = set()
    if arguments.json.exists() and arguments.json.stat().st_size:
        rows = pd.read_json(arguments.json, lines=True)
        known = set(rows[["shape", "trials", "seed"]].itertuples(index=False, name=None))
    for seed in range(arguments.seeds):
        for trials in arguments.trials:
            for shape in SHAPES:
                if (shape, trials, seed) in known:
                    continue
                with arguments.json.open("a") as file:
                    for row in run(shape, trials, seed):
                        file.write(json.dumps(row) + "\n")
                        print(row, flush=True)


def run(name: str, trials: int, seed: int) -> list[dict[str, Any]]:
    """All of them on one simulated study."""
    frame = simulated(name, trials, seed)
    places = qmc.Sobol(2, rng=999).random(PLACES)
    truth = survival(name, places)
    rows: list[dict[str, Any]] = []
    for who, fit in FITTERS.items():
        started = time.perf_counter()
        try:
            found, low, high = fit(frame, places)
        except Exception as error:  # noqa: BLE001  # a judge that does not converge has lost this study
            rows.append({"who": who, "error": f"{type(error).__name__}: {error}"[:200]})
            continue
        row = {"who": who, "seconds": time.perf_counter() - started, "brier": brier(found, truth)}
        if low is not None and high is not None:
            row["covered"] = float(((low <= truth + 1e-9) & (truth <= high + 1e-9)).mean())
        rows.append(row)
    rows.append({"who": "truth", "brier": brier(truth, truth)})
    return [{"shape": name, "trials": trials, "seed": seed, **row} for row in rows]


def survival(name: str, unit: Array) -> Array:
    """The true S(t) at points of the unit square, (points, steps)."""
    probability, shape = SHAPES[name](unit)
    hazard = -np.log1p(-np.minimum(probability, 1 - 1e-9))[:, None]
    return np.asarray(np.exp(-hazard * (STEPS[None, :] / HORIZON) ** shape[:, None]))


def brier(found: Array, truth: Array) -> float:
    """The expected score of forecasts, both (points, steps): (S - truth)^2 and what chance adds."""
    return float(((found - truth) ** 2 + truth * (1 - truth)).mean())


def simulated(name: str, trials: int, seed: int) -> pd.DataFrame:
    """A study's frame at Sobol' points, with the unit square in ``u`` and ``v``."""
    unit = qmc.Sobol(2, rng=seed).random(trials)
    generator = np.random.default_rng([seed, trials])
    probability, shape = SHAPES[name](unit)
    hazard = -np.log1p(-np.minimum(probability, 1 - 1e-9))
    lived = np.ceil(HORIZON * (generator.exponential(size=trials) / hazard) ** (1 / shape)).clip(1, None)
    horizon = np.where(generator.random(trials) < 0.25, SHORT, HORIZON)
    diverged = lived <= horizon
    return pd.DataFrame(
        {
            columns.NUMBER: np.arange(trials),
            "u": unit[:, 0],
            "v": unit[:, 1],
            "learning_rate": 10 ** (-6 + 5 * unit[:, 0]),
            "batch_size": np.round(16 * 64 ** unit[:, 1]).astype(int),
            "clip_norm": np.inf,
            columns.OUTCOME: np.where(diverged, "diverged", "stable"),
            columns.DIVERGENCE_STEP: pd.Series(np.where(diverged, lived, np.nan)).astype("Int64"),
            columns.STEPS: pd.Series(np.minimum(lived, horizon)).astype("Int64"),
            columns.HORIZON: pd.Series(horizon).astype("Int64"),
        }
    )


Found = tuple[Array, Array | None, Array | None]
"""S(t) and the ends of its 90% band, if there is one; (points, steps) each."""


def ours(frame: pd.DataFrame, places: Array) -> Found:
    """The report's surface."""
    surface = fit_surface(frame, SPACE)
    assert surface is not None
    points = pd.DataFrame({"learning_rate": 10 ** (-6 + 5 * places[:, 0]), "batch_size": 16 * 64 ** places[:, 1]})
    found = [surface.predict(points, int(step)) for step in STEPS]
    mean, low, high = (
        np.column_stack([table[name] for table in found]) for name in (columns.PROBABILITY, columns.LOW, columns.HIGH)
    )
    return 1 - mean, 1 - high, 1 - low


def cox(frame: pd.DataFrame, places: Array) -> Found:
    """Cox's proportional hazards with quadratic terms and a light penalty."""
    from lifelines import CoxPHFitter

    model = CoxPHFitter(penalizer=0.01).fit(_terms(frame), "time", "event")
    return model.predict_survival_function(_quadratic(places), times=STEPS).to_numpy().T, None, None


def weibull(frame: pd.DataFrame, places: Array) -> Found:
    """Accelerated failure times with quadratic terms and a light penalty."""
    from lifelines import WeibullAFTFitter

    model = WeibullAFTFitter(penalizer=0.01).fit(_terms(frame), "time", "event")
    return model.predict_survival_function(_quadratic(places), times=STEPS).to_numpy().T, None, None


def forest(frame: pd.DataFrame, places: Array) -> Found:
    """A random survival forest."""
    from sksurv.ensemble import RandomSurvivalForest

    lived = np.array(
        list(zip(frame[columns.OUTCOME] == "diverged", frame[columns.STEPS].astype(float), strict=True)),
        dtype=[("event", bool), ("time", float)],
    )
    model = RandomSurvivalForest(200, min_samples_leaf=3, random_state=0).fit(frame[["u", "v"]].to_numpy(), lived)
    curves = model.predict_survival_function(places)
    return np.array([[curve(min(step, curve.domain[1])) for step in STEPS] for curve in curves]), None, None


def bands(frame: pd.DataFrame, places: Array) -> Found:
    """Kaplan-Meier in bands of the learning rate."""
    edges = np.linspace(0, 1, BANDS + 1)[1:-1]
    of_trial, of_place = np.digitize(frame["u"], edges), np.digitize(places[:, 0], edges)
    rows = frame.copy()
    rows[columns.TIME], rows[columns.EVENT] = rows[columns.STEPS].astype(int), rows[columns.OUTCOME] == "diverged"
    curves = [
        KaplanMeier.of(rows[of_trial == band]).at(STEPS.tolist())[columns.SURVIVAL].to_numpy() for band in range(BANDS)
    ]
    return np.array(curves)[of_place], None, None


def _quadratic(unit: Array) -> pd.DataFrame:
    u, v = unit[:, 0] - 0.5, unit[:, 1] - 0.5
    return pd.DataFrame({"u": u, "v": v, "uu": u * u, "vv": v * v, "uv": u * v})


def _terms(frame: pd.DataFrame) -> pd.DataFrame:
    terms = _quadratic(frame[["u", "v"]].to_numpy())
    return terms.assign(
        time=frame[columns.STEPS].astype(float).to_numpy(), event=(frame[columns.OUTCOME] == "diverged").to_numpy()
    )


FITTERS: dict[str, Callable[[pd.DataFrame, Array], Found]] = {
    "ours": ours,
    "Cox": cox,
    "Weibull AFT": weibull,
    "survival forest": forest,
    "Kaplan-Meier by band": bands,
}


def print_tables(rows: pd.DataFrame) -> None:
    """Medians over the seeds, and how often somebody failed."""
    order = [*FITTERS, "truth"]
    table = rows.pivot_table(index=["trials", "shape"], columns="who", values="brier", aggfunc="median")[order]
    print("integrated Brier score, median\n" + table.to_string(float_format="{:.4f}".format))
    own = rows[rows["who"] == "ours"].groupby(["trials", "shape"])[["covered", "seconds"]].mean()
    print("\nours: share of places and steps whose 90% band holds the truth, and seconds")
    print(own.to_string(float_format="{:.2f}".format))
    if "error" in rows and rows["error"].notna().any():
        print("\n" + rows[rows["error"].notna()].groupby(["who", "error"]).size().to_string())


if __name__ == "__main__":
    main()
