"""Floors, rungs and audits of tasks, and which submissions are floors."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.add_column("submission", sa.Column("floor", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.add_column("task", sa.Column("marks", sa.JSON(), server_default="[]", nullable=False))
    op.add_column("task", sa.Column("lines", sa.JSON(), server_default="[]", nullable=False))
    op.add_column("task", sa.Column("audit", sa.JSON(), server_default="{}", nullable=False))
