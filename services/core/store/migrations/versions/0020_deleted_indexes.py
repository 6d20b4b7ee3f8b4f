"""Indexes by which what is marked as deleted is found without reading what is not."""

import sqlalchemy as sa
from alembic import op

from services.core.store.indexes import build_index

revision = "0020"
down_revision = "0019"

TABLES = ("tenants", "files", "collections", "descriptions")


def upgrade() -> None:
    where = sa.text("deleted_at IS NOT NULL")
    for table in TABLES:
        build_index(f"{table}_deleted", table, ["id"], sqlite_where=where, postgresql_where=where)


def downgrade() -> None:
    for table in TABLES:
        op.drop_index(f"{table}_deleted", table_name=table)
