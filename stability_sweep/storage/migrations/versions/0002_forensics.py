"""Telemetry and autopsies; origin, cause, spikes and processor of a result."""

import sqlalchemy as sa
from sqlalchemy.dialects.mysql import MEDIUMBLOB

from stability_sweep.storage.migrations import steps

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Results from before have none of this: NULL means "never measured"."""
    for name, kind in (
        ("divergence_origin", sa.String(255)),
        ("divergence_cause", sa.String(40)),
        ("spikes", sa.Integer),
        ("spike_height", sa.Double),
        ("spike_height_kind", sa.String(8)),
        ("cpu", sa.String(120)),
    ):
        steps.add_column("stability_results", sa.Column(name, kind))
    for name in ("stability_telemetry", "stability_autopsies"):
        steps.create_table(
            name,
            sa.Column(
                "trial_id",
                sa.Integer,
                sa.ForeignKey("trials.trial_id", ondelete="CASCADE"),
                primary_key=True,
                autoincrement=False,
            ),
            sa.Column("content", sa.LargeBinary().with_variant(MEDIUMBLOB(), "mysql", "mariadb"), nullable=False),
        )
