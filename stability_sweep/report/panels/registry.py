"""Which panels a report has, in their order."""

from __future__ import annotations

from stability_sweep.analysis import Analysis
from stability_sweep.registry import Registry
from stability_sweep.report.blocks import Section
from stability_sweep.report.panels.panel import Panel

PANELS: Registry[Panel] = Registry(
    "stability_sweep.panels",
    {
        "maps": "stability_sweep.report.panels.stability_maps:PANEL",
        "trust": "stability_sweep.report.panels.calibrated:PANEL",
        "time": "stability_sweep.report.panels.how_soon:PANEL",
        "limits": "stability_sweep.report.panels.limits:PANEL",
        "remedies": "stability_sweep.report.panels.which_remedy:PANEL",
        "effects": "stability_sweep.report.panels.what_decides:PANEL",
        "claims": "stability_sweep.report.panels.judged_claims:PANEL",
        "origins": "stability_sweep.report.panels.origins:PANEL",
        "best": "stability_sweep.report.panels.best_settings:PANEL",
    },
)
"""Every panel by its key. Those of installed packages (entry points of the group) come after our own."""


def report_sections(analysis: Analysis) -> list[Section]:
    """The sections of a report that have something to show, in order.

    Raises:
        DefinitionError: if an installed package adds a panel that cannot be imported.
    """
    sections = [PANELS[key].build(analysis) for key in PANELS.names()]
    return [section for section in sections if section.exhibits]
