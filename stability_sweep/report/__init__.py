"""Stability reports: numbers to figures, figures to one HTML file."""

from stability_sweep.report.collect import analyse_study, write_study_report
from stability_sweep.report.comparison import write_comparison
from stability_sweep.report.panels.map_drawing import stability_map
from stability_sweep.report.study_report import write_report
from stability_sweep.report.summary import summary_sentences

__all__ = [
    "analyse_study",
    "stability_map",
    "summary_sentences",
    "write_comparison",
    "write_report",
    "write_study_report",
]
