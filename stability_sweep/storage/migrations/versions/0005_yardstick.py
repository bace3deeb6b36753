"""The yardstick of a result, at its end and at its start."""

import sqlalchemy as sa

from stability_sweep.storage.migrations import steps

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Results from before have none: NULL means "never measured"."""
    for name in ("yardstick", "yardstick_at_start"):
        steps.add_column("stability_results", sa.Column(name, sa.Double))
        steps.add_column("stability_results", sa.Column(f"{name}_kind", sa.String(8)))
