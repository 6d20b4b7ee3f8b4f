"""Collections that several shards hold, and snapshots of shards."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.add_column("collection_files", sa.Column("shard", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("shards", sa.Column("trimmed_sequence", sa.BigInteger(), nullable=False, server_default="0"))
    op.add_column("shards", sa.Column("is_retired", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column("shards", sa.Column("snapshot_until", sa.BigInteger(), nullable=False, server_default="0"))
    op.create_table(
        "collection_shards",
        sa.Column("collection_id", sa.String(36), sa.ForeignKey("collections.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("shard", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("vectors", sa.BigInteger(), nullable=False),
    )
    op.create_table(
        "index_snapshots",
        sa.Column("shard", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("sequence", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("object_key", sa.Text(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
    )
    op.execute(
        "UPDATE collection_files SET shard ="
        " (SELECT shard FROM collections WHERE collections.id = collection_files.collection_id)"
    )
    op.execute(
        "INSERT INTO collection_shards (collection_id, shard, vectors)"
        " SELECT collections.id, collections.shard,"
        " (SELECT count(*) FROM index_log WHERE index_log.collection_id = collections.id AND operation = 'add')"
        " FROM collections"
        " WHERE EXISTS (SELECT 1 FROM collection_files WHERE collection_files.collection_id = collections.id)"
    )


def downgrade() -> None:
    op.drop_table("index_snapshots")
    op.drop_table("collection_shards")
    with op.batch_alter_table("shards") as table:
        table.drop_column("snapshot_until")
        table.drop_column("is_retired")
        table.drop_column("trimmed_sequence")
    with op.batch_alter_table("collection_files") as table:
        table.drop_column("shard")
