"""What tenants used, by key; responses and files know the key that asked for them. Admin keys have no time of use."""

import sqlalchemy as sa
from alembic import op

from services.core.store.append_only import append_only, not_append_only

revision = "0018"
down_revision = "0017"


def upgrade() -> None:
    op.add_column("responses", sa.Column("key_id", sa.String(36)))
    op.drop_column("admin_keys", "last_used_at")
    op.create_table(
        "usage_records",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True, autoincrement=True),
        sa.Column("tenant_id", sa.String(36), nullable=False),
        sa.Column("key_id", sa.String(36)),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("subject_id", sa.String(36), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("input_tokens", sa.BigInteger(), nullable=False),
        sa.Column("output_tokens", sa.BigInteger(), nullable=False),
        sa.Column("video_seconds", sa.Float(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.UniqueConstraint("kind", "subject_id", name="usage_records_subject"),
    )
    op.create_index("usage_records_by_time", "usage_records", ["at"])
    op.create_index("usage_records_by_tenant", "usage_records", ["tenant_id", "at"])
    for statement in append_only("usage_records", is_sqlite=_is_sqlite()):
        op.execute(statement)


def downgrade() -> None:
    op.drop_table("usage_records")
    for statement in not_append_only("usage_records", is_sqlite=_is_sqlite()):
        op.execute(statement)
    op.add_column("admin_keys", sa.Column("last_used_at", sa.BigInteger()))
    op.drop_column("responses", "key_id")


def _is_sqlite() -> bool:
    return op.get_bind().dialect.name == "sqlite"
