"""Scores that were made elsewhere, and how far each run's is verified."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def _integer() -> sa.types.TypeEngine[int]:
    return sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "report",
        sa.Column("id", _integer(), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("verification", sa.String(length=20), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("created", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_report"),
        sa.UniqueConstraint("digest", name="uq_report_digest"),
    )
    op.create_table(
        "reported_score",
        sa.Column("report_id", _integer(), nullable=False),
        sa.Column("position", _integer(), nullable=False),
        sa.Column("task", sa.String(length=200), nullable=False),
        sa.Column("model", sa.String(length=200), nullable=False),
        sa.Column("metric", sa.String(length=100), nullable=False),
        sa.Column("value", sa.Double(), nullable=False),
        sa.Column("digits", _integer(), nullable=False),
        sa.Column("low", sa.Double(), nullable=True),
        sa.Column("high", sa.Double(), nullable=True),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["report_id"], ["report.id"], name="fk_reported_score_report_id"),
        sa.PrimaryKeyConstraint("report_id", "position", name="pk_reported_score"),
    )
    op.create_index("ix_reported_score_task", "reported_score", ["task"])
    # Added in place: SQLite would copy the table otherwise, and drop the one that others refer to.
    op.add_column("run", sa.Column("verification", sa.String(length=20), nullable=False, server_default="recomputed"))
    # Until now, answers that were made elsewhere were those of kind replay, and of runs that are done without a cost.
    op.execute(
        "UPDATE run SET verification = 'rescored'"
        " WHERE submission_id IN (SELECT id FROM submission WHERE kind = 'replay')"
        " OR (state = 'done' AND NOT EXISTS (SELECT 1 FROM cost WHERE cost.run_id = run.id))"
    )
