"""Changes nothing: data that was stored between 0004 and 0006 has it behind itself."""

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    pass


def downgrade() -> None:
    pass
