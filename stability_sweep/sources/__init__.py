"""Studies as analysis and report see them: ours first."""

from stability_sweep.sources.ours import StoredSource, facts_of
from stability_sweep.sources.protocol import Source, StudyFacts

__all__ = ["Source", "StoredSource", "StudyFacts", "facts_of"]
