"""How many events of an ended response stand in the one row that its log was joined to."""

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"


def upgrade() -> None:
    op.add_column("responses", sa.Column("joined_events", sa.BigInteger()))


def downgrade() -> None:
    op.drop_column("responses", "joined_events")
