"""Keys have a name, scopes and an end; tenants may be suspended; keys of their own for administration; what it changed."""

import sqlalchemy as sa
from alembic import op

from services.core.store.append_only import append_only, not_append_only

revision = "0014"
down_revision = "0013"

MOMENTS = ("expires_at", "last_used_at", "blocked_at")


def upgrade() -> None:
    op.add_column("tenants", sa.Column("suspended_at", sa.BigInteger()))
    op.add_column("api_keys", sa.Column("name", sa.String(200), nullable=False, server_default=""))
    op.add_column("api_keys", sa.Column("scopes", sa.String(64), nullable=False, server_default="read ask ingest"))
    for name in MOMENTS:
        op.add_column("api_keys", sa.Column(name, sa.BigInteger()))
    op.create_table(
        "admin_keys",
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("hash", sa.String(64), nullable=False, unique=True),
        sa.Column("hint", sa.String(24), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("last_used_at", sa.BigInteger()),
        sa.Column("revoked_at", sa.BigInteger()),
    )
    op.create_table(
        "audit_records",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True, autoincrement=True),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("actor_key_id", sa.String(36)),
        sa.Column("action", sa.String(32), nullable=False),
        sa.Column("target_type", sa.String(16), nullable=False),
        sa.Column("target_id", sa.String(36), nullable=False),
        sa.Column("before", sa.JSON(none_as_null=True)),
        sa.Column("after", sa.JSON(none_as_null=True)),
        sa.Column("address", sa.String(64), nullable=False),
        sa.Column("request_id", sa.String(64), nullable=False),
    )
    op.create_index("audit_records_by_time", "audit_records", ["at"])
    op.create_index("audit_records_by_target", "audit_records", ["target_id"])
    op.create_table(
        "kept_since",
        sa.Column("table_name", sa.String(32), primary_key=True),
        sa.Column("at", sa.BigInteger(), nullable=False),
    )
    for statement in append_only("audit_records", is_sqlite=_is_sqlite()):
        op.execute(statement)


def downgrade() -> None:
    for table in ("audit_records", "kept_since", "admin_keys"):
        op.drop_table(table)
    for statement in not_append_only("audit_records", is_sqlite=_is_sqlite()):
        op.execute(statement)
    for name in (*MOMENTS, "scopes", "name"):
        op.drop_column("api_keys", name)
    op.drop_column("tenants", "suspended_at")


def _is_sqlite() -> bool:
    return op.get_bind().dialect.name == "sqlite"
