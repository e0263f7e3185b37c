"""The first tables."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def _integer() -> sa.types.TypeEngine[int]:
    return sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "submission",
        sa.Column("id", _integer(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("kind", sa.String(length=100), nullable=False),
        sa.Column("config", sa.JSON(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("licence", sa.Text(), nullable=False),
        sa.Column("runs_code", sa.Boolean(), nullable=False),
        sa.Column("created", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_submission"),
        sa.UniqueConstraint("digest", name="uq_submission_digest"),
    )
    op.create_index("ix_submission_name", "submission", ["name"])
    op.create_table(
        "task",
        sa.Column("id", _integer(), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("family", sa.String(length=100), nullable=False),
        sa.Column("protocol", sa.String(length=100), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("primary_metric", sa.String(length=100), nullable=False),
        sa.Column("generated", sa.Boolean(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("licence", sa.Text(), nullable=False),
        sa.Column("citation", sa.Text(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("facts", sa.JSON(), nullable=False),
        sa.Column("examples", _integer(), nullable=False),
        sa.Column("created", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_task"),
        sa.UniqueConstraint("name", "protocol", "digest", name="uq_task_name_protocol_digest"),
    )
    op.create_table(
        "document_title",
        sa.Column("task_id", _integer(), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["task_id"], ["task.id"], name="fk_document_title_task_id"),
        sa.PrimaryKeyConstraint("task_id", "document", name="pk_document_title"),
    )
    op.create_table(
        "example_block",
        sa.Column("task_id", _integer(), nullable=False),
        sa.Column("first", _integer(), nullable=False),
        sa.Column("count", _integer(), nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["task_id"], ["task.id"], name="fk_example_block_task_id"),
        sa.PrimaryKeyConstraint("task_id", "first", name="pk_example_block"),
    )
    op.create_table(
        "run",
        sa.Column("id", _integer(), nullable=False),
        sa.Column("key", sa.String(length=32), nullable=False),
        sa.Column("submission_id", _integer(), nullable=False),
        sa.Column("task_id", _integer(), nullable=False),
        sa.Column("seed", _integer(), nullable=False),
        sa.Column("example_limit", _integer(), nullable=False),
        sa.Column("repeat", _integer(), nullable=False),
        sa.Column("examples", _integer(), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("next_step", sa.Text(), nullable=False),
        sa.Column("owner", sa.String(length=200), nullable=False),
        sa.Column("heartbeat", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished", sa.DateTime(timezone=True), nullable=True),
        sa.Column("code_version", sa.String(length=200), nullable=False),
        sa.Column("environment", sa.JSON(), nullable=False),
        sa.Column("prepared", sa.JSON(), nullable=False),
        sa.Column("coverage", sa.Double(), nullable=True),
        sa.Column("index_ram_bytes", _integer(), nullable=True),
        sa.Column("index_disk_bytes", _integer(), nullable=True),
        sa.Column("peak_rss_bytes", _integer(), nullable=True),
        sa.ForeignKeyConstraint(["submission_id"], ["submission.id"], name="fk_run_submission_id"),
        sa.ForeignKeyConstraint(["task_id"], ["task.id"], name="fk_run_task_id"),
        sa.PrimaryKeyConstraint("id", name="pk_run"),
        sa.UniqueConstraint("key", name="uq_run_key"),
        sa.UniqueConstraint(
            "submission_id",
            "task_id",
            "seed",
            "example_limit",
            "repeat",
            name="uq_run_submission_id_task_id_seed_example_limit_repeat",
        ),
    )
    op.create_index("ix_run_task_state", "run", ["task_id", "state"])
    op.create_table(
        "attempt",
        sa.Column("id", _integer(), nullable=False),
        sa.Column("run_id", _integer(), nullable=False),
        sa.Column("number", _integer(), nullable=False),
        sa.Column("owner", sa.String(length=200), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("started", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended", sa.DateTime(timezone=True), nullable=True),
        sa.Column("prepare_cpu_seconds", sa.Double(), nullable=True),
        sa.Column("prepare_wall_seconds", sa.Double(), nullable=True),
        sa.Column("prepare_peak_rss_bytes", _integer(), nullable=True),
        sa.Column("prepare_cached", sa.Boolean(), nullable=False),
        sa.Column("code_version", sa.String(length=200), nullable=False),
        sa.Column("environment", sa.JSON(), nullable=False),
        sa.Column("prepared", sa.LargeBinary(), nullable=True),
        sa.Column("log", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name="fk_attempt_run_id"),
        sa.PrimaryKeyConstraint("id", name="pk_attempt"),
        sa.UniqueConstraint("run_id", "number", name="uq_attempt_run_id_number"),
    )
    op.create_table(
        "cost",
        sa.Column("run_id", _integer(), nullable=False),
        sa.Column("phase", sa.String(length=50), nullable=False),
        sa.Column("basis", sa.String(length=20), nullable=False),
        sa.Column("hardware", sa.String(length=200), nullable=False),
        sa.Column("cpu_seconds", sa.Double(), nullable=False),
        sa.Column("wall_seconds", sa.Double(), nullable=False),
        sa.Column("cached", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name="fk_cost_run_id"),
        sa.PrimaryKeyConstraint("run_id", "phase", "basis", "hardware", name="pk_cost"),
    )
    op.create_table(
        "score",
        sa.Column("run_id", _integer(), nullable=False),
        sa.Column("metric", sa.String(length=100), nullable=False),
        sa.Column("position", _integer(), nullable=False),
        sa.Column("value", sa.Double(), nullable=False),
        sa.Column("ci_low", sa.Double(), nullable=False),
        sa.Column("ci_high", sa.Double(), nullable=False),
        sa.Column("n", _integer(), nullable=False),
        sa.Column("higher_is_better", sa.Boolean(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name="fk_score_run_id"),
        sa.PrimaryKeyConstraint("run_id", "metric", name="pk_score"),
    )
    op.create_table(
        "score_column",
        sa.Column("run_id", _integer(), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name="fk_score_column_run_id"),
        sa.PrimaryKeyConstraint("run_id", "name", name="pk_score_column"),
    )
    op.create_table(
        "block",
        sa.Column("run_id", _integer(), nullable=False),
        sa.Column("first", _integer(), nullable=False),
        sa.Column("count", _integer(), nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("cpu_seconds", sa.Double(), nullable=False),
        sa.Column("wall_seconds", sa.Double(), nullable=False),
        sa.Column("peak_rss_bytes", _integer(), nullable=False),
        sa.Column("cached", sa.Boolean(), nullable=False),
        sa.Column("attempt_id", _integer(), nullable=False),
        sa.ForeignKeyConstraint(["attempt_id"], ["attempt.id"], name="fk_block_attempt_id"),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name="fk_block_run_id"),
        sa.PrimaryKeyConstraint("run_id", "first", name="pk_block"),
    )
