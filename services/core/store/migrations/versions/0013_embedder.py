"""Which model made the vectors that are stored; so far it was all-MiniLM-L6-v2 where no engine was configured."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    op.create_table(
        "embedder",
        sa.Column("id", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("model", sa.Text(), nullable=False),
    )


def downgrade() -> None:
    op.drop_table("embedder")
