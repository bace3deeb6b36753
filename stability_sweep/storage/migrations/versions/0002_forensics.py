"""Telemetry and autopsies; origin, cause, spikes and processor of a result."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.mysql import MEDIUMBLOB

revision = "0002"
down_revision = "0001"

COLUMNS = (
    sa.Column("divergence_origin", sa.String(255)),
    sa.Column("divergence_cause", sa.String(40)),
    sa.Column("spikes", sa.Integer),
    sa.Column("spike_height", sa.Double),
    sa.Column("spike_height_kind", sa.String(8)),
    sa.Column("cpu", sa.String(120)),
)


def upgrade() -> None:
    """Results from before have none of this: NULL means "never measured"."""
    for column in COLUMNS:
        op.add_column("stability_results", column.copy())
    for name in ("stability_telemetry", "stability_autopsies"):
        op.create_table(
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
