"""A report from a finished study: ours beside Optuna's frame and contour plots, on the same database in one run.

Ours is ``stability-sweep report``, as a user types it. Beside it: a script that opens the study with Optuna, takes
`trials_dataframe()`, and writes `optuna.visualization.plot_contour` of all dimensions as HTML. Every measurement is a
process of its own, interpreter and imports included; they alternate. Studies are made in bulk, on SQLite.
Usage: ``python -m benchmarks.report [--trials 1000,10000,100000] [--runs N] [--peer-most N] [--json FILE]``.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

# Optuna and the builder of studies are imported where they are used: a measured process imports only what it needs.

WHO = ("ours", "optuna")

Measurement = dict[str, float]
"""``seconds`` (wall), ``memory_mib`` (peak resident memory of the process), ``html_mib``."""


def main() -> None:
    """Measure, print a table, and write the numbers as JSON."""
    arguments = _arguments()
    if arguments.process:
        who, *place = arguments.process
        _PROCESSES[who](*place)
        _print_peak_memory()
        return
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    print(
        f"Optuna {optuna.__version__}, Python {platform.python_version()}, median of {arguments.runs} runs "
        f"[smallest, largest]"
    )
    print(f"{'trials':>8} {'':>8} {'wall, s':>22} {'peak memory, MiB':>24} {'HTML, MiB':>10}")
    rows = []
    for trials in arguments.trials:
        row = _measure(trials, arguments.runs, with_peer=trials <= arguments.peer_most)
        rows.append(row)
        _print_row(row, arguments.peer_most)
    arguments.json.parent.mkdir(parents=True, exist_ok=True)
    numbers = {"optuna": optuna.__version__, "python": platform.python_version(), "peer_most": arguments.peer_most}
    arguments.json.write_text(json.dumps({**numbers, "rows": rows}, indent=1))
    print(f"Numbers: {arguments.json}")


def _measure(trials: int, runs: int, *, with_peer: bool) -> dict[str, Any]:
    """Both ways on one new study; ``optuna`` is None where it is left out."""
    from tests.studies import LARGE_STUDY, build_large_study

    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/study.db"
        started = time.perf_counter()
        build_large_study(url, trials, seed=trials)
        built = time.perf_counter() - started
        measured: dict[str, list[Measurement]] = {who: [] for who in WHO if with_peer or who == "ours"}
        for _ in range(runs):
            for who, found in measured.items():
                found.append(_run(who, LARGE_STUDY, url, Path(folder) / f"{who}.html"))
    return {"trials": trials, "build_seconds": built, **{who: measured.get(who) for who in WHO}}


def _run(who: str, name: str, url: str, output: Path) -> Measurement:
    command = [sys.executable, "-m", "benchmarks.report", "--process", who, name, url, str(output)]
    started = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - started
    if done.returncode:
        raise SystemExit(f"{who} ended with exit code {done.returncode}:\n{done.stderr[-2000:]}")
    memory = float(done.stdout.splitlines()[-1])
    return {"seconds": seconds, "memory_mib": memory, "html_mib": output.stat().st_size / 2**20}


def _ours(name: str, url: str, output: str) -> None:
    """``python -m stability_sweep report``, in this process, so that its memory can be asked for at the end."""
    import runpy

    sys.argv = ["stability-sweep", "report", name, "--storage", url, "--output", output]
    try:
        runpy.run_module("stability_sweep", run_name="__main__")
    except SystemExit as end:
        if end.code:
            raise


def _optuna(name: str, url: str, output: str) -> None:
    """What a plain script does for the same purpose."""
    import warnings

    import optuna

    warnings.simplefilter("ignore")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.load_study(study_name=name, storage=url)
    study.trials_dataframe()
    optuna.visualization.plot_contour(study).write_html(output)


_PROCESSES: dict[str, Callable[[str, str, str], None]] = {"ours": _ours, "optuna": _optuna}


def _print_peak_memory() -> None:
    """MiB on a line of its own. Not getrusage: Linux counts the memory of the process that started this one."""
    status = Path("/proc/self/status").read_text()
    print(int(status.split("VmHWM:")[1].split()[0]) / 1024)


def _print_row(row: dict[str, Any], peer_most: int) -> None:
    for who in WHO:
        if row[who] is None:
            print(f"{row['trials']:>8} {who:>8} left out: over --peer-most {peer_most}, it may take very long")
            continue
        seconds, memory, size = ([run[key] for run in row[who]] for key in ("seconds", "memory_mib", "html_mib"))
        print(
            f"{row['trials']:>8} {who:>8} {_spread(seconds, 1):>22} {_spread(memory):>24} "
            f"{statistics.median(size):>10.2f}",
            flush=True,
        )


def _spread(values: list[float], digits: int = 0) -> str:
    return f"{statistics.median(values):.{digits}f} [{min(values):.{digits}f}, {max(values):.{digits}f}]"


def _arguments() -> argparse.Namespace:
    def numbers(text: str) -> list[int]:
        return [int(number) for number in text.split(",")]

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--trials", type=numbers, default=[1000, 10_000, 100_000])
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--peer-most", type=int, default=10_000, help="leave Optuna out above so many trials")
    parser.add_argument("--json", type=Path, default=Path("benchmarks/results/report.json"))
    parser.add_argument("--process", nargs=4, help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
