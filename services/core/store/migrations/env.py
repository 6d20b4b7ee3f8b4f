"""Runs migrations on the connection that Database hands over."""

from alembic import context

from services.core.store.schema import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
context.run_migrations()
