"""One training run: from a trial's settings and seed to its result."""

from stability_sweep.training.seeds import TrialSeeds, trial_seed
from stability_sweep.training.trainer import Progress, StopTrainingError, TrainingRun, train

__all__ = ["Progress", "StopTrainingError", "TrainingRun", "TrialSeeds", "train", "trial_seed"]
