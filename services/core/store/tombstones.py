"""Tombstones: rows that are marked as deleted. No reader finds them; what hangs on them is taken away in short steps."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Table, Update, select, update

from services.core.clock import now_ms
from services.core.store.schema import files


def is_kept(table: Table) -> ColumnElement[bool]:
    return table.c.deleted_at.is_(None)


def of_kept_file(file_id: ColumnElement[str]) -> ColumnElement[bool]:
    """For rows that know their file by its id alone. Those that are deleted are few at any time, and have an index."""
    deleted = files.alias("deleted_files")
    return file_id.not_in(select(deleted.c.id).where(deleted.c.deleted_at.is_not(None)))


def mark_deleted(table: Table, *which: ColumnElement[bool], **values: Any) -> Update:
    """`values`: what is to be free for others at once, as a name."""
    return update(table).where(*which).values(deleted_at=now_ms(), **values)
