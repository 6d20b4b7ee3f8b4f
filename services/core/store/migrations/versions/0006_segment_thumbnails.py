"""Whether a file's place in a collection wants pictures of its segments."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.add_column(
        "collection_files", sa.Column("segment_thumbnails", sa.Boolean(), nullable=False, server_default=sa.true())
    )


def downgrade() -> None:
    with op.batch_alter_table("collection_files") as table:
        table.drop_column("segment_thumbnails")
