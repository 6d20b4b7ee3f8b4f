"""Runs migrations on the connection that Database hands over, each in a transaction of its own if it is in none."""

from alembic import context

from services.core.store.schema import metadata

context.configure(
    connection=context.config.attributes["connection"], target_metadata=metadata, transaction_per_migration=True
)
with context.begin_transaction():
    context.run_migrations()
