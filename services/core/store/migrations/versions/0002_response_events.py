"""Responses as logs of events."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.add_column("responses", sa.Column("background", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column("responses", sa.Column("previous_response_id", sa.String(36)))
    op.add_column("responses", sa.Column("prompt", sa.LargeBinary()))
    op.add_column("responses", sa.Column("lease_until", sa.BigInteger()))
    op.add_column("responses", sa.Column("attempts", sa.Integer(), nullable=False, server_default="0"))
    op.create_index("responses_in_progress", "responses", ["status", "lease_until"])
    op.create_table(
        "response_events",
        sa.Column("response_id", sa.String(36), sa.ForeignKey("responses.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("first_number", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("entries", sa.JSON(), nullable=False),
        sa.Column("engine_text", sa.Text(), nullable=False),
        sa.Column("output_tokens", sa.Integer(), nullable=False),
    )


def downgrade() -> None:
    op.drop_table("response_events")
    op.drop_index("responses_in_progress", table_name="responses")
    for name in ("background", "previous_response_id", "prompt", "lease_until", "attempts"):
        op.drop_column("responses", name)
