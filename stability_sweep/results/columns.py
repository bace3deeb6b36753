"""The names of the columns of our tables: of the trials, and of what analyses make of them.

A column is always named by one of these; a mistyped one is then an error before anything runs. Dimensions are columns
too, under their own names.
"""

from __future__ import annotations

from typing import Final

# -- the trials' table (`sources.frame`), and the export ---------------------------------------------------------------

NUMBER: Final = "number"
SEED: Final = "seed"
OUTCOME: Final = "outcome"
DIVERGENCE_STEP: Final = "divergence_step"
DIVERGENCE_SYMPTOM: Final = "divergence_signal"
"""What stopped being finite; the export has called it so from the beginning."""
DIVERGENCE_ORIGIN: Final = "divergence_origin"
DIVERGENCE_CAUSE: Final = "divergence_cause"
STEPS: Final = "steps"
HORIZON: Final = "horizon"
FIRST_LOSS: Final = "first_loss"
FINAL_LOSS: Final = "final_loss"
BEST_LOSS: Final = "best_loss"
MAX_LOSS: Final = "max_loss"
VALIDATION_LOSS: Final = "validation_loss"
SPIKE_HEIGHT: Final = "spike_height"
SPIKES: Final = "spikes"
WALL_SECONDS: Final = "wall_seconds"
FAILURE: Final = "failure"
WORKER: Final = "worker"
DEVICE: Final = "device"
THREADS: Final = "threads"
TORCH_VERSION: Final = "torch_version"
CPU: Final = "cpu"
NEVER_MEASURED: Final = "never_measured"
"""Bit n says that the trial has no value of the n-th of `LOSS_FIELDS`, which is NaN then; no file has this column."""
STUDY: Final = "study"
"""Of the trials of two studies in one table."""

# -- counts, probabilities and their bands -----------------------------------------------------------------------------

BAND: Final = "band"
"""Index of a band of an axis."""
LABEL: Final = "label"
"""What a band holds, in words."""
X_BAND: Final = "x_band"
Y_BAND: Final = "y_band"
X: Final = "x"
Y: Final = "y"
X_POSITION: Final = "x_position"
Y_POSITION: Final = "y_position"
SLICE: Final = "slice"
ROW: Final = "row"
COLUMN: Final = "column"
DIVERGED: Final = "diverged"
TOTAL: Final = "total"
TRIALS: Final = "trials"
FRACTION: Final = "fraction"
SHARE: Final = "share"
PROBABILITY: Final = "probability"
MEDIAN: Final = "median"
LOW: Final = "low"
HIGH: Final = "high"
SCORE: Final = "score"
MODEL: Final = "model"
BASE_RATE: Final = "base_rate"

# -- time --------------------------------------------------------------------------------------------------------------

GROUP: Final = "group"
STEP: Final = "step"
SURVIVAL: Final = "survival"
AT_RISK: Final = "at_risk"
EVENTS: Final = "events"
HAZARD: Final = "hazard"
HORIZON_STEPS: Final = "horizon_steps"
IS_EXTRAPOLATED: Final = "is_extrapolated"

# -- limits, effects, claims -------------------------------------------------------------------------------------------

CLIP: Final = "clip"
LIMIT: Final = "limit"
STATUS: Final = "status"
EFFECT: Final = "effect"
HAZARD_RATIO: Final = "hazard_ratio"
P_VALUE: Final = "p_value"
DIMENSION: Final = "dimension"
IMPORTANCE: Final = "importance"
CLAIM: Final = "claim"
SOURCE: Final = "source"
VERDICT: Final = "verdict"
TOLERANCE: Final = "tolerance"
OTHERS_DIVERGED: Final = "others_diverged"
OTHERS_TOTAL: Final = "others_total"
LEARNED: Final = "learned"
STALLED: Final = "stalled"
BEST_VALIDATION_LOSS: Final = "best_validation_loss"
COST: Final = "cost"
PRICE: Final = "price"
NEIGHBOURS: Final = "neighbours"
NEIGHBOURS_DIVERGED: Final = "neighbours_diverged"
NEIGHBOURS_LOSS: Final = "neighbours_loss"

# -- where divergence began, and what warned ---------------------------------------------------------------------------

CAUSE: Final = "cause"
ORIGIN: Final = "origin"
MEDIAN_STEP: Final = "median_step"
LOWEST_LEARNING_RATE: Final = "lowest_learning_rate"
HIGHEST_LEARNING_RATE: Final = "highest_learning_rate"
SIGNAL: Final = "signal"
WARNED: Final = "warned"
LEAD_STEPS: Final = "lead_steps"
SHORTEST_LEAD_STEPS: Final = "shortest_lead_steps"
LONGEST_LEAD_STEPS: Final = "longest_lead_steps"
FALSE_ALARMS: Final = "false_alarms"
STABLE: Final = "stable"
