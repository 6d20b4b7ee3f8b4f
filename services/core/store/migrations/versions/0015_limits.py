"""Limits of tenants: their plan and what differs from it, what they have used, and what they have stored."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    op.add_column("tenants", sa.Column("plan", sa.String(64)))
    op.add_column("tenants", sa.Column("limits", sa.JSON(none_as_null=True)))
    op.add_column("api_keys", sa.Column("limits", sa.JSON(none_as_null=True)))
    op.create_table(
        "limiters",
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("tenant_id", sa.String(36), sa.ForeignKey("tenants.id", ondelete="CASCADE"), nullable=False),
        sa.Column("requests_tat", sa.BigInteger, nullable=False),
        sa.Column("tokens_tat", sa.BigInteger, nullable=False),
        sa.Column("in_progress", sa.JSON().with_variant(JSONB(), "postgresql"), nullable=False),
        sa.Column("would_refuse", sa.BigInteger, nullable=False),
    )
    op.create_index("limiters_by_tenant", "limiters", ["tenant_id"])
    op.create_table(
        "fronts",
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("alive_until", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "tenant_totals",
        sa.Column("tenant_id", sa.String(36), sa.ForeignKey("tenants.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("stored_bytes", sa.BigInteger, nullable=False),
        sa.Column("day", sa.Integer, nullable=False),
        sa.Column("video_seconds", sa.Float, nullable=False),
    )
    op.execute(
        "INSERT INTO tenant_totals (tenant_id, stored_bytes, day, video_seconds) "
        "SELECT tenant_id, SUM(size_bytes), 0, 0 FROM files GROUP BY tenant_id"
    )


def downgrade() -> None:
    for table in ("tenant_totals", "fronts", "limiters"):
        op.drop_table(table)
    op.drop_column("api_keys", "limits")
    op.drop_column("tenants", "limits")
    op.drop_column("tenants", "plan")
