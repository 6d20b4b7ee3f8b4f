"""The tables of who runs this Arcus, and of what they changed. Append-only: triggers refuse to change or delete rows."""

from __future__ import annotations

from sqlalchemy import JSON, BigInteger, Column, Index, String, Table

from services.core.store.schema import RowNumber, metadata

# Of no tenant: what they open is the administration, and nothing that tenants keep.
admin_keys = Table(
    "admin_keys",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("name", String(200), nullable=False),
    Column("hash", String(64), nullable=False, unique=True),  # SHA-256 of the key
    Column("hint", String(24), nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("last_used_at", BigInteger),
    Column("revoked_at", BigInteger),
)

# What was changed, by whom. It outlives what it tells of.
audit_records = Table(
    "audit_records",
    metadata,
    Column("id", RowNumber, primary_key=True, autoincrement=True),
    Column("at", BigInteger, nullable=False),
    Column("actor_key_id", String(36)),  # an admin key; null: the command line beside the database
    Column("action", String(32), nullable=False),
    Column("target_type", String(16), nullable=False),  # tenant, key, admin_key
    Column("target_id", String(36), nullable=False),
    Column("before", JSON(none_as_null=True)),
    Column("after", JSON(none_as_null=True)),
    Column("address", String(64), nullable=False),
    Column("request_id", String(64), nullable=False),
    Index("audit_records_by_time", "at"),
    Index("audit_records_by_target", "target_id"),
)

# Rows of an append-only table from before this moment may be deleted: it is moved on before they are.
kept_since = Table(
    "kept_since",
    metadata,
    Column("table_name", String(32), primary_key=True),
    Column("at", BigInteger, nullable=False),
)
