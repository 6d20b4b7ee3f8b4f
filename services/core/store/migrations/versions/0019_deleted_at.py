"""What is deleted is marked so, and taken away later in short steps."""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"

TABLES = ("tenants", "files", "collections", "descriptions")


def upgrade() -> None:
    for table in TABLES:
        op.add_column(table, sa.Column("deleted_at", sa.BigInteger()))


def downgrade() -> None:
    op.execute("UPDATE tenants SET suspended_at = deleted_at WHERE deleted_at IS NOT NULL")
    for table in ("collections", "files", "descriptions"):
        op.execute(f"DELETE FROM {table} WHERE deleted_at IS NOT NULL")
    for table in TABLES:
        op.drop_column(table, "deleted_at")
