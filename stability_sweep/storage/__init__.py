"""The study database: Optuna's tables and ours, behind one URL."""

from stability_sweep.storage.database import Database
from stability_sweep.storage.repository import Repository, StoredResult, StoredStudy, StudySummary

__all__ = ["Database", "Repository", "StoredResult", "StoredStudy", "StudySummary"]
