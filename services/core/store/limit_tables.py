"""The tables of limits. Times are microseconds of Unix time: at a million tokens a minute, one takes 60 of them."""

from __future__ import annotations

from sqlalchemy import JSON, BigInteger, Column, Float, ForeignKey, Index, Integer, String, Table
from sqlalchemy.dialects.postgresql import JSONB

from services.core.store.schema import metadata


def _tenant(*, is_key: bool = False) -> Column:
    tenant = ForeignKey("tenants.id", ondelete="CASCADE")
    return Column("tenant_id", String(36), tenant, nullable=False, primary_key=is_key)


# What a tenant, or a key with rates of its own, has used. One row holds all that a request is charged for, so that one
# statement, and one row's lock, admits it or refuses it as a whole.
limiters = Table(
    "limiters",
    metadata,
    Column("id", String(36), primary_key=True),  # of the tenant or of the key
    _tenant(),
    Column("requests_tat", BigInteger, nullable=False),  # theoretical arrival time: see core/tenants/gcra.py
    Column("tokens_tat", BigInteger, nullable=False),
    Column("in_progress", JSON().with_variant(JSONB(), "postgresql"), nullable=False),  # requests, by front
    Column("would_refuse", BigInteger, nullable=False),  # requests that limits in shadow mode let pass
    Index("limiters_by_tenant", "tenant_id"),
)

# Fronts that hold places of limiters. Those of one that is silent do not count.
fronts = Table(
    "fronts",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("alive_until", BigInteger, nullable=False),
)

# What a tenant has stored, and has had understood today. Changed in the transaction of the file that changes it.
tenant_totals = Table(
    "tenant_totals",
    metadata,
    _tenant(is_key=True),
    Column("stored_bytes", BigInteger, nullable=False),
    Column("day", Integer, nullable=False),  # of Unix time, in UTC
    Column("video_seconds", Float, nullable=False),  # of files probed on that day
)
