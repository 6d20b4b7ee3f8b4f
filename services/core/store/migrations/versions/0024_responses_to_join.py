"""An index by which ended responses are found whose logs are not joined yet."""

import sqlalchemy as sa
from alembic import op

from services.core.store.indexes import build_index

revision = "0024"
down_revision = "0023"


def upgrade() -> None:
    where = sa.text("joined_events IS NULL AND status <> 'in_progress'")
    build_index("responses_to_join", "responses", ["created_at"], sqlite_where=where, postgresql_where=where)


def downgrade() -> None:
    op.drop_index("responses_to_join", table_name="responses")
