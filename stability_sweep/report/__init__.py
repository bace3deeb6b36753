"""Stability reports: numbers to figures, figures to one HTML file."""

from stability_sweep.report.page import write_report
from stability_sweep.report.summary import summary_sentences

__all__ = ["summary_sentences", "write_report"]
