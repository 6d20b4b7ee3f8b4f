"""An index by which folders that are due are found among those of uploads under way."""

from alembic import op

from services.core.store.indexes import build_index

revision = "0021"
down_revision = "0020"


def upgrade() -> None:
    build_index("object_deletions_due", "object_deletions", ["not_before"])


def downgrade() -> None:
    op.drop_index("object_deletions_due", table_name="object_deletions")
