"""What a study is: definitions, the claims that they judge, and how they are read."""

from stability_sweep.definition.claims import DEFAULT_TOLERANCE, Claim
from stability_sweep.definition.files import load_claims, load_definition
from stability_sweep.definition.study import StudyDefinition, define

__all__ = ["DEFAULT_TOLERANCE", "Claim", "StudyDefinition", "define", "load_claims", "load_definition"]
