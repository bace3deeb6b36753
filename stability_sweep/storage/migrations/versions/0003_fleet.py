"""Workers and claims; the budget is counted from the trials instead of from grants."""

import sqlalchemy as sa

from stability_sweep.storage.migrations import steps

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Trials that run while this happens have no claim: they are taken over when nobody claims them."""
    steps.create_table(
        "stability_workers",
        sa.Column("worker_id", sa.String(36), primary_key=True),
        sa.Column(
            "study_id", sa.Integer, sa.ForeignKey("studies.study_id", ondelete="CASCADE"), nullable=False, index=True
        ),
        sa.Column("host", sa.String(255), nullable=False),
        sa.Column("process_id", sa.Integer, nullable=False),
        sa.Column("device", sa.String(20), nullable=False),
        sa.Column("trial_id", sa.Integer),
        sa.Column("grace_seconds", sa.Double, nullable=False),
        sa.Column("started_at", sa.Double, nullable=False),
        sa.Column("last_seen", sa.Double, nullable=False),
        sa.Column("ended_at", sa.Double),
    )
    steps.create_table(
        "stability_claims",
        sa.Column(
            "trial_id",
            sa.Integer,
            sa.ForeignKey("trials.trial_id", ondelete="CASCADE"),
            primary_key=True,
            autoincrement=False,
        ),
        sa.Column("worker_id", sa.String(36)),
        sa.Column("attempts", sa.Integer, nullable=False),
    )
    steps.drop_column("stability_definitions", "granted_trials")
