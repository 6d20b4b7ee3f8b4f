"""The tables of who runs this Arcus, what they changed, and what tenants used: triggers keep these two append-only."""

from __future__ import annotations

from sqlalchemy import JSON, BigInteger, Column, Float, Index, String, Table, Text, UniqueConstraint

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

# What was done for a tenant. It outlives what it tells of, and the tenant.
usage_records = Table(
    "usage_records",
    metadata,
    Column("id", RowNumber, primary_key=True, autoincrement=True),
    Column("tenant_id", String(36), nullable=False),
    Column("key_id", String(36)),
    Column("kind", String(16), nullable=False),  # response, upload, video
    Column("subject_id", String(36), nullable=False),  # a response or a file
    Column("model", Text, nullable=False),
    Column("input_tokens", BigInteger, nullable=False),
    Column("output_tokens", BigInteger, nullable=False),
    Column("video_seconds", Float, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("at", BigInteger, nullable=False),
    UniqueConstraint("kind", "subject_id", name="usage_records_subject"),
    Index("usage_records_by_time", "at"),
    Index("usage_records_by_tenant", "tenant_id", "at"),
)

# Rows of an append-only table from before this moment may be deleted: it is moved on before they are.
kept_since = Table(
    "kept_since",
    metadata,
    Column("table_name", String(32), primary_key=True),
    Column("at", BigInteger, nullable=False),
)
