"""Each tenant's share of the workers, and what of a job's video is left to do."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    op.create_table(
        "tenant_shares",
        sa.Column("tenant_id", sa.String(36), sa.ForeignKey("tenants.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("weight", sa.Float(), nullable=False, server_default="1"),
        sa.Column("virtual_seconds", sa.Float(), nullable=False, server_default="0"),
        sa.Column("turn_start", sa.Float(), nullable=False, server_default="0"),
    )
    op.create_index("tenant_shares_by_turn", "tenant_shares", ["turn_start"])
    op.add_column("jobs", sa.Column("priority", sa.Integer(), nullable=False, server_default="1"))
    op.add_column("jobs", sa.Column("video_seconds", sa.Float()))
    op.execute("UPDATE jobs SET priority = 0 WHERE kind = 'probe' AND state IN ('queued', 'running')")


def downgrade() -> None:
    op.drop_column("jobs", "video_seconds")
    op.drop_column("jobs", "priority")
    op.drop_table("tenant_shares")
