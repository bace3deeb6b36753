"""Study definitions and trial results."""

import sqlalchemy as sa

from stability_sweep.storage.migrations import steps

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create both tables; deleting a study or a trial in Optuna deletes our rows of it."""
    steps.create_table(
        "stability_definitions",
        sa.Column(
            "study_id",
            sa.Integer,
            sa.ForeignKey("studies.study_id", ondelete="CASCADE"),
            primary_key=True,
            autoincrement=False,
        ),
        sa.Column("study_name", sa.String(100), nullable=False),
        sa.Column("fingerprint", sa.String(64), nullable=False),
        sa.Column("definition", sa.Text, nullable=False),
        sa.Column("dataset", sa.String(20), nullable=False),
        sa.Column("budget_trials", sa.Integer, nullable=False),
        sa.Column("granted_trials", sa.Integer, nullable=False),
        sa.Column("program_version", sa.String(40), nullable=False),
        sa.Column("created_at", sa.DateTime, nullable=False, server_default=sa.func.now()),
    )
    losses = ("first_loss", "final_loss", "best_loss", "max_loss", "validation_loss")
    steps.create_table(
        "stability_results",
        sa.Column(
            "trial_id",
            sa.Integer,
            sa.ForeignKey("trials.trial_id", ondelete="CASCADE"),
            primary_key=True,
            autoincrement=False,
        ),
        sa.Column("study_id", sa.Integer, nullable=False, index=True),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("seed", sa.BigInteger, nullable=False),
        sa.Column("outcome", sa.String(20), nullable=False),
        sa.Column("divergence_step", sa.Integer),
        sa.Column("divergence_signal", sa.String(20)),
        sa.Column("steps", sa.Integer, nullable=False),
        sa.Column("horizon", sa.Integer, nullable=False),
        *(
            column
            for name in losses
            for column in (sa.Column(name, sa.Double), sa.Column(f"{name}_kind", sa.String(8)))
        ),
        sa.Column("wall_seconds", sa.Double, nullable=False),
        sa.Column("failure", sa.Text),
        sa.Column("worker", sa.String(255), nullable=False),
        sa.Column("device", sa.String(20), nullable=False),
        sa.Column("threads", sa.Integer, nullable=False),
        sa.Column("torch_version", sa.String(40), nullable=False),
        sa.Column("created_at", sa.DateTime, nullable=False, server_default=sa.func.now()),
    )
