"""Indexes of words on PostgreSQL in which each tenant is a word of its segments, so that a search reads of its own alone.

Those of 0001 and 0003, by which older programs search, may go with a version after this one.
"""

import sqlalchemy as sa
from alembic import op

from services.core.store.indexes import build_index

revision = "0027"
down_revision = "0026"

INDEXES = {
    "segment_words_all": "text_vector",
    "segment_words_speech": "text_vector_speech",
    "segment_words_scene_text": "text_vector_scene_text",
}


def upgrade() -> None:
    if op.get_context().dialect.name != "postgresql":
        return
    for name, column in INDEXES.items():
        within = sa.text(f"arcus_words({column}, tenant_id)")
        build_index(name, "segment_descriptions", [within], postgresql_using="gin")


def downgrade() -> None:
    if op.get_context().dialect.name == "postgresql":
        for name in INDEXES:
            op.drop_index(name, table_name="segment_descriptions")
