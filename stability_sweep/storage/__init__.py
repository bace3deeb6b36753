"""The study database: Optuna's tables and ours, behind one URL."""

from stability_sweep.storage.database import Database
from stability_sweep.storage.records import (
    Provenance,
    StoredResult,
    StoredStudy,
    StoredTrial,
    StudySummary,
    TrialIdentity,
)
from stability_sweep.storage.repository import Repository

__all__ = [
    "Database",
    "Provenance",
    "Repository",
    "StoredResult",
    "StoredStudy",
    "StoredTrial",
    "StudySummary",
    "TrialIdentity",
]
