"""An index for each foreign key that led none: deleting one file read every tenant's segment descriptions.

Not CONCURRENTLY: migrations are one transaction, so that one that fails leaves nothing behind. Writers wait meanwhile, about a second
for a million rows.
"""

from alembic import op

revision = "0011"
down_revision = "0010"

INDEXES = (
    ("segment_descriptions_by_segment", "segment_descriptions", "segment_id"),
    ("api_keys_by_tenant", "api_keys", "tenant_id"),
    ("segmentations_by_tenant", "segmentations", "tenant_id"),
    ("segments_by_tenant", "segments", "tenant_id"),
    ("descriptions_by_tenant", "descriptions", "tenant_id"),
    ("collection_files_by_tenant", "collection_files", "tenant_id"),
    ("extractions_by_tenant", "extractions", "tenant_id"),
    ("thumbnails_by_tenant", "thumbnails", "tenant_id"),
    ("jobs_by_tenant", "jobs", "tenant_id"),
)


def upgrade() -> None:
    for name, table, column in INDEXES:
        op.create_index(name, table, [column])


def downgrade() -> None:
    for name, table, _ in INDEXES:
        op.drop_index(name, table_name=table)
