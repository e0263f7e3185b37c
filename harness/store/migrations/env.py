"""Alembic's entry: runs migrations on the connection that `harness.store.database` hands over."""

from alembic import context

from harness.store.schema import Base

context.configure(
    connection=context.config.attributes["connection"], target_metadata=Base.metadata, render_as_batch=True
)
context.run_migrations()
