"""Entities of files and segments."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.add_column("collections", sa.Column("extract_config", sa.JSON(), nullable=True))
    op.create_table(
        "extractions",
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("tenant_id", sa.String(36), sa.ForeignKey("tenants.id"), nullable=False),
        sa.Column("collection_id", sa.String(36), nullable=False),
        sa.Column("file_id", sa.String(36), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("segments_done", sa.Integer(), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("entities", sa.JSON(), nullable=True),
        sa.Column("sources", sa.JSON(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["collection_id", "file_id"],
            ["collection_files.collection_id", "collection_files.file_id"],
            ondelete="CASCADE",
            name="extractions_member",
        ),
        sa.UniqueConstraint("collection_id", "file_id", name="extractions_file"),
    )
    op.create_table(
        "segment_entities",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True, autoincrement=True),
        sa.Column("extraction_id", sa.String(36), sa.ForeignKey("extractions.id", ondelete="CASCADE"), nullable=False),
        sa.Column("segment_id", sa.String(36), sa.ForeignKey("segments.id", ondelete="CASCADE"), nullable=False),
        sa.Column("tenant_id", sa.String(36), nullable=False),
        sa.Column("entities", sa.JSON(), nullable=True),
        sa.Column("sources", sa.JSON(), nullable=True),
        sa.UniqueConstraint("extraction_id", "segment_id", name="segment_entities_segment"),
    )
    # Deleting a segment looks for its entities.
    op.create_index("segment_entities_by_segment", "segment_entities", ["segment_id"])


def downgrade() -> None:
    op.drop_table("segment_entities")
    op.drop_table("extractions")
    op.drop_column("collections", "extract_config")
