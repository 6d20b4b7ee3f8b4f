"""Indexes by which the next job is found without reading the queue, and the same work is queued once."""

import sqlalchemy as sa
from alembic import op

from services.core.store.indexes import build_index

revision = "0017"
down_revision = "0016"

INDEXES = (
    ("jobs_of_tenant_queued", ["tenant_id", "priority", "created_at", "id"], "state = 'queued'", False),
    ("jobs_queued_once", ["kind", "subject_id"], "state = 'queued'", True),
    ("jobs_due", ["run_after"], "state = 'queued'", False),
    ("jobs_running", ["lease_until"], "state = 'running'", False),
    ("jobs_ended", ["created_at"], "state IN ('completed', 'failed')", False),
)


def upgrade() -> None:
    # Two callers could queue the same work: of the two, one has nothing to do.
    op.execute(
        "DELETE FROM jobs WHERE state = 'queued' AND EXISTS (SELECT 1 FROM jobs AS same WHERE same.state = 'queued' "
        "AND same.kind = jobs.kind AND same.subject_id = jobs.subject_id AND same.id < jobs.id)"
    )
    for name, columns, condition, is_unique in INDEXES:
        where = sa.text(condition)
        build_index(name, "jobs", columns, unique=is_unique, sqlite_where=where, postgresql_where=where)
    op.drop_index("jobs_to_claim", table_name="jobs")


def downgrade() -> None:
    for name, *_ in INDEXES:
        op.drop_index(name, table_name="jobs")
    op.create_index("jobs_to_claim", "jobs", ["state", "run_after"])
