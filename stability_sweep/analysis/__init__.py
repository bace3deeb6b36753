"""Numbers from a study: tables in, tables out, no drawing."""

from stability_sweep.analysis.analysis import Analysis, analyse
from stability_sweep.analysis.divergence import divergence_by_band, divergence_cells
from stability_sweep.analysis.forensics import divergence_origins, warning_signs
from stability_sweep.analysis.maps import PairMap
from stability_sweep.analysis.proportion import Proportion

__all__ = [
    "Analysis",
    "PairMap",
    "Proportion",
    "analyse",
    "divergence_by_band",
    "divergence_cells",
    "divergence_origins",
    "warning_signs",
]
