"""The tables of durable work: jobs, and what each tenant has had of the workers' time."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Float, ForeignKey, Index, Integer, String, Table, Text

from services.core.store.schema import metadata, only

jobs = Table(
    "jobs",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("tenant_id", String(36), ForeignKey("tenants.id"), nullable=False),
    Column("kind", String(16), nullable=False),  # probe, describe, extract
    Column("subject_id", String(36), nullable=False),  # a file, a description or an extraction
    Column("priority", Integer, nullable=False, server_default="1"),  # among those of its tenant, the least first
    Column("video_seconds", Float),  # that are left to do; null: not known
    Column("state", String(16), nullable=False),  # queued, running, completed, failed
    Column("attempts", Integer, nullable=False),
    Column("postponed", Integer, nullable=False, server_default="0"),  # times in a row
    Column("useful_attempts", Integer, nullable=False, server_default="0"),  # up to the one that last got on
    Column("owner", String(64)),
    Column("lease_until", BigInteger),
    Column("run_after", BigInteger, nullable=False),
    Column("error", Text),
    Column("traceparent", String(55)),  # W3C Trace Context of what asked for it, where that is traced
    Column("created_at", BigInteger, nullable=False),
    Index("jobs_of_tenant_queued", "tenant_id", "priority", "created_at", "id", **only("state = 'queued'")),
    Index("jobs_queued_once", "kind", "subject_id", unique=True, **only("state = 'queued'")),
    Index("jobs_due", "run_after", **only("state = 'queued'")),
    Index("jobs_running", "lease_until", **only("state = 'running'")),
    Index("jobs_ended", "created_at", **only("state IN ('completed', 'failed')")),
    Index("jobs_by_subject", "subject_id"),
    Index("jobs_by_tenant", "tenant_id"),
)

# Start-time fair queuing (Goyal, Vin and Cheng, 1996): whoever begins earliest in virtual time has the next turn. Virtual time
# is video seconds divided by weight. A tenant that was idle begins where the last turn began: idleness saves nothing up.
tenant_shares = Table(
    "tenant_shares",
    metadata,
    Column("tenant_id", String(36), ForeignKey("tenants.id", ondelete="CASCADE"), primary_key=True),
    Column("weight", Float, nullable=False, server_default="1"),
    Column("virtual_seconds", Float, nullable=False, server_default="0"),  # when its last turn ends
    Column("turn_start", Float, nullable=False, server_default="0"),  # when that began
    Index("tenant_shares_by_turn", "turn_start"),
)
