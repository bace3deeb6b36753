"""Make the table of real outcomes that `benchmarks.sampler` asks: 625 RHVAE trials, 28 minutes on one core.

Runs ``benchmarks/data/rhvae_outcomes.toml`` on MNIST and writes ``benchmarks/data/rhvae_outcomes.csv``. It may be
stopped and started again. Usage: ``python -m benchmarks.rhvae_outcomes [--workers N]``.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

from stability_sweep.sources.frame import study_frame
from stability_sweep.storage import Database, Repository

FOLDER = Path(__file__).parent / "data"
STUDY, TABLE = FOLDER / "rhvae_outcomes.toml", FOLDER / "rhvae_outcomes.csv"
STORAGE = "sqlite:///benchmarks/results/rhvae_outcomes.db"
COLUMNS = ["learning_rate", "batch_size", "outcome", "steps", "horizon", "final_loss"]


def main() -> None:
    """Run what is missing of the study, and write its table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--storage", default=STORAGE)
    arguments = parser.parse_args()
    Path("benchmarks/results").mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "stability_sweep", "run", str(STUDY), "--no-report"]
    subprocess.run(
        [*command, "--storage", arguments.storage, "--workers", str(arguments.workers), "--threads", "1"], check=True
    )
    repository = Repository(Database.open(arguments.storage))
    frame = study_frame(repository, repository.get_study("rhvae-outcomes"))
    ordered = frame.sort_values(["learning_rate", "batch_size", "number"])[COLUMNS]
    ordered.to_csv(TABLE, index=False, float_format="%.6g")
    print(f"{len(ordered)} trials: {TABLE}")


if __name__ == "__main__":
    main()
