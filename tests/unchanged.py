"""What no change of the house may change: fingerprints, every loss of the quickstart's trials, its export, a report.

The values were recorded on the commit before the rooms were moved (`tests/data/unchanged/`); the report again when its
surface learned time and became surer (Laplace's approximation gave way to expectation propagation), its calibration
when there came to be one, its answer, summary and best settings when there came to be a yardstick, and its effects,
claims and remedies when these became contrasts. Losses are the same to the last bit only where processor, torch version
and thread count are; elsewhere they are compared by their ends.
Usage: ``python -m tests.unchanged [--record]``; tests run the quick part (`tests/test_unchanged.py`).
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import io
import json
import math
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch

from stability_sweep.analysis import analyse
from stability_sweep.definition.files import load_definition
from stability_sweep.definition.study import StudyDefinition
from stability_sweep.report.files.json_file import report_json
from stability_sweep.results.outcome import LOSS_FIELDS
from stability_sweep.sampling.plan import planned_params
from stability_sweep.sources import facts_of
from stability_sweep.sources.frame import RESULT_COLUMNS, frame_of
from stability_sweep.targets.images.images import load_images
from stability_sweep.targets.rhvae.settings import TrialConfig
from stability_sweep.targets.rhvae.trainable import train
from stability_sweep.workers.provenance import provenance_here

ROOT = Path(__file__).parent.parent
RECORDED = ROOT / "tests" / "data" / "unchanged"
STUDIES = ROOT / "studies"
ADVICE_TRIALS = ROOT / "reports" / "sample" / "advice.csv"

OF_THE_MACHINE = ("wall_seconds", "worker", "cpu", "torch_version")
"""Columns of an export that say where and how fast it ran."""

QUICK_TRIALS = (2, 7, 11)
"""Trials of the quickstart that the tests train again; the script trains all."""


def fingerprints() -> dict[str, str]:
    """Fingerprint of every shipped definition, by its file's name."""
    return {path.name: load_definition(path).fingerprint for path in sorted(STUDIES.glob("*.toml"))}


def quickstart() -> StudyDefinition:
    """The definition of the quickstart."""
    return load_definition(STUDIES / "quickstart.toml")


def place() -> dict[str, str]:
    """What the last bits of a loss depend on."""
    here = provenance_here(torch.device("cpu"))
    return {"cpu": here.cpu or "", "torch_version": here.torch_version}


def losses(numbers: Iterable[int], data_dir: Path) -> dict[str, dict[str, Any]]:
    """Trials of the quickstart, trained with one thread: how each ended, and all its losses as one hash."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    definition = quickstart()
    images = load_images(definition.settings["data"], data_dir, torch.device("cpu"))
    found = {}
    for number in numbers:
        params = planned_params(definition, number)
        assert params is not None
        config = definition.at(definition.space.point_of(params))
        assert isinstance(config, TrialConfig)
        run = train(config, images, seed=definition.trial_seed(number))
        found[str(number)] = {
            "outcome": run.result.outcome.value,
            "steps": run.result.steps,
            "first_loss": run.losses[0].item(),
            "losses_sha256": hashlib.sha256(run.losses.tobytes()).hexdigest(),
        }
    torch.set_num_threads(threads)
    return found


def quickstart_export(data_dir: Path) -> str:
    """The export of a whole quickstart study, run from the command line, without what depends on the machine."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "STABILITY_SWEEP_STORAGE": f"sqlite:///{folder}/study.db"}
        program = [sys.executable, "-m", "stability_sweep"]
        run = [*program, "run", str(STUDIES / "quickstart.toml"), "--no-report", "--threads", "1"]
        subprocess.run([*run, "--data-dir", str(data_dir)], env=environment, check=True, stdout=subprocess.DEVNULL)
        done = subprocess.run(
            [*program, "export", "quickstart"], env=environment, check=True, capture_output=True, text=True
        )
    rows = csv.DictReader(io.StringIO(done.stdout))
    kept = [name for name in rows.fieldnames or [] if name not in OF_THE_MACHINE]
    text = io.StringIO()
    writer = csv.DictWriter(text, kept, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def advice_report() -> Any:
    """The JSON report of the trials of `reports/sample/`, as it is read back."""
    definition = load_definition(STUDIES / "advice.toml")
    with ADVICE_TRIALS.open(encoding="utf-8", newline="") as file:
        records = [_record(row) for row in csv.DictReader(file)]
    frame = frame_of(records, ["number", *definition.search_space, *RESULT_COLUMNS])
    return json.loads(json.dumps(report_json(analyse(facts_of(definition), frame))))


def _record(row: dict[str, str]) -> dict[str, Any]:
    """A trial of an exported CSV file."""
    whole = {"number", "batch_size", "seed", "divergence_step", "steps", "horizon", "spikes", "threads"}
    real = {"learning_rate", "clip_norm", "wall_seconds", *LOSS_FIELDS}
    return {
        name: None if text == "" else int(text) if name in whole else float(text) if name in real else text
        for name, text in row.items()
    }


def differences(now: Any, then: Any, *, relative: float = 0.0, where: str = "") -> list[str]:
    """Where two JSON values differ, one line each; numbers may differ by a share of their size."""
    if isinstance(now, dict) and isinstance(then, dict):
        return [
            line
            for key in sorted(now.keys() | then.keys())
            for line in differences(
                now.get(key, "absent"), then.get(key, "absent"), relative=relative, where=f"{where}.{key}"
            )
        ]
    if isinstance(now, list) and isinstance(then, list) and len(now) == len(then):
        return [
            line
            for place, (mine, theirs) in enumerate(zip(now, then, strict=True))
            for line in differences(mine, theirs, relative=relative, where=f"{where}[{place}]")
        ]
    numbers = isinstance(now, (int, float)) and isinstance(then, (int, float))
    same = math.isclose(now, then, rel_tol=relative) if relative and numbers else now == then
    return [] if same else [f"{where}: {then!r} then, {now!r} now"]


def recorded(name: str) -> Any:
    """A recorded JSON value."""
    return json.loads((RECORDED / name).read_text(encoding="utf-8"))


def _now(data_dir: Path) -> dict[str, Any]:
    return {
        "fingerprints.json": fingerprints(),
        "losses.json": {"place": place(), "trials": losses(range(quickstart().budget.trials), data_dir)},
        "quickstart-export.json": quickstart_export(data_dir).splitlines(),
        "advice-report.json": advice_report(),
    }


def main() -> int:
    """Compare everything with what was recorded, or record it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--record", action="store_true", help="write the values instead of comparing them")
    parser.add_argument("--data-dir", type=Path, default=os.environ.get("STABILITY_SWEEP_DATA"))
    arguments = parser.parse_args()
    found = _now(Path(arguments.data_dir))
    lines = []
    for name, value in found.items():
        if arguments.record:
            RECORDED.mkdir(parents=True, exist_ok=True)
            (RECORDED / name).write_text(json.dumps(value, indent=0) + "\n", encoding="utf-8")
        changed = differences(json.loads(json.dumps(value)), recorded(name))
        print(f"{name}: {'the same' if not changed else f'{len(changed)} differences'}")  # noqa: T201
        lines += changed
    for line in lines[:20]:
        print(line)  # noqa: T201
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main())
