"""What runs did, counted, so that it can be priced on any hardware."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def _integer() -> sa.types.TypeEngine[int]:
    return sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "ledger",
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name="pk_ledger"),
    )
    op.create_table(
        "work",
        sa.Column("run_id", _integer(), nullable=False),
        sa.Column("ledger_digest", sa.String(length=64), nullable=True),
        sa.Column("served", sa.LargeBinary(), nullable=True),
        sa.Column("preparing", sa.LargeBinary(), nullable=False),
        sa.Column("observed_n", _integer(), nullable=False),
        sa.Column("observed_examples", _integer(), nullable=False),
        sa.Column("observed_clock", sa.String(length=20), nullable=False),
        sa.Column("observed_min_seconds", sa.Double(), nullable=True),
        sa.Column("observed_median_seconds", sa.Double(), nullable=True),
        sa.Column("observed_max_seconds", sa.Double(), nullable=True),
        sa.Column("note", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["ledger_digest"], ["ledger.digest"], name="fk_work_ledger_digest"),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name="fk_work_run_id"),
        sa.PrimaryKeyConstraint("run_id", name="pk_work"),
    )
