"""One training run: from a trial's settings and seed to its result."""

from stability_sweep.training.seeds import TrialSeeds, trial_seed
from stability_sweep.training.telemetry import TelemetryRecorder
from stability_sweep.training.trainer import BrokenStep, Progress, StopTrainingError, TrainingRun, train

__all__ = [
    "BrokenStep",
    "Progress",
    "StopTrainingError",
    "TelemetryRecorder",
    "TrainingRun",
    "TrialSeeds",
    "train",
    "trial_seed",
]
