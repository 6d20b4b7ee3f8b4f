"""Indexes of tables that are in use: on PostgreSQL they are built while others read and write."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from alembic import op


def build_index(name: str, table: str, columns: Sequence[Any], **options: Any) -> None:
    """In a version of the database. One that builds indexes does nothing else: what came before is committed first.

    Tried again after a failure, it takes away what that left.
    """
    context = op.get_context()
    if context.dialect.name != "postgresql":
        op.create_index(name, table, columns, **options)
        return
    with context.autocommit_block():
        op.execute("SET lock_timeout = 0")  # it waits for transactions, and nobody waits for it
        op.drop_index(name, table_name=table, if_exists=True, postgresql_concurrently=True)
        op.create_index(name, table, columns, postgresql_concurrently=True, **options)
        op.execute("RESET lock_timeout")
