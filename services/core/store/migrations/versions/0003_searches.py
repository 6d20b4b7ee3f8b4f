"""Searches as they are stored, words by where they stand, and what filters read."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

# What was said and what was on the screen, each by itself.
SQLITE_WORDS = (
    "CREATE VIRTUAL TABLE segment_words USING fts5(speech, scene_text, tokenize='porter unicode61')",
    """CREATE TRIGGER segment_words_insert AFTER INSERT ON segment_descriptions BEGIN
         INSERT INTO segment_words(rowid, speech, scene_text) VALUES (
           new.id,
           (SELECT group_concat(json_extract(value, '$.text'), char(10)) FROM json_each(new.content, '$.speech')),
           (SELECT group_concat(json_extract(value, '$.text'), char(10)) FROM json_each(new.content, '$.scene_text'))
         );
       END""",
    """CREATE TRIGGER segment_words_delete AFTER DELETE ON segment_descriptions BEGIN
         DELETE FROM segment_words WHERE rowid = old.id;
       END""",
    """INSERT INTO segment_words(rowid, speech, scene_text)
         SELECT id,
           (SELECT group_concat(json_extract(value, '$.text'), char(10)) FROM json_each(content, '$.speech')),
           (SELECT group_concat(json_extract(value, '$.text'), char(10)) FROM json_each(content, '$.scene_text'))
         FROM segment_descriptions""",
)
SQLITE_UNDO = (
    "DROP TRIGGER segment_words_delete",
    "DROP TRIGGER segment_words_insert",
    "DROP TABLE segment_words",
)

# How filters read numbers and dates: comparisons.py says the same for SQLite.
POSTGRES_WORDS = (
    r"""CREATE FUNCTION arcus_number(value text) RETURNS double precision LANGUAGE plpgsql IMMUTABLE STRICT AS $$
        BEGIN
          IF value !~ '^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?$' THEN
            RETURN NULL;
          ELSIF length(value) < 100 AND strpos(upper(value), 'E') = 0 THEN
            RETURN CAST(value AS double precision);
          END IF;
          BEGIN
            RETURN CAST(value AS double precision);
          EXCEPTION WHEN numeric_value_out_of_range THEN
            RETURN NULL;
          END;
        END $$""",
    r"""CREATE FUNCTION arcus_moment(value text) RETURNS bigint LANGUAGE plpgsql STABLE STRICT AS $$
        BEGIN
          IF value !~ ('^[0-9]{4}-[0-9]{2}-[0-9]{2}([T ]([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9](\.[0-9]{1,6})?)?'
                       '(Z|[+-](0[0-9]|1[0-4]):[0-5][0-9])?)?$') THEN
            RETURN NULL;
          ELSIF length(value) = 10 THEN
            value = value || ' 00:00+00';
          ELSIF value !~ '(Z|[+-][0-9]{2}:[0-9]{2})$' THEN
            value = value || '+00';
          END IF;
          BEGIN
            RETURN CAST(extract(epoch FROM CAST(value AS timestamptz)) * 1000000 AS bigint);
          EXCEPTION WHEN data_exception THEN
            RETURN NULL;
          END;
        END $$""",
    """CREATE FUNCTION arcus_texts(content json, part text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
         SELECT string_agg(item ->> 'text', E'\\n') FROM json_array_elements(
           CASE WHEN json_typeof(content -> part) = 'array' THEN content -> part ELSE '[]' END) AS item
       $$""",
    """ALTER TABLE segment_descriptions ADD COLUMN text_vector_speech tsvector
         GENERATED ALWAYS AS (to_tsvector('english', coalesce(arcus_texts(content, 'speech'), ''))) STORED""",
    """ALTER TABLE segment_descriptions ADD COLUMN text_vector_scene_text tsvector
         GENERATED ALWAYS AS (to_tsvector('english', coalesce(arcus_texts(content, 'scene_text'), ''))) STORED""",
    "CREATE INDEX segment_text_speech ON segment_descriptions USING gin (text_vector_speech)",
    "CREATE INDEX segment_text_scene_text ON segment_descriptions USING gin (text_vector_scene_text)",
)
POSTGRES_UNDO = (
    "ALTER TABLE segment_descriptions DROP COLUMN text_vector_scene_text",
    "ALTER TABLE segment_descriptions DROP COLUMN text_vector_speech",
    "DROP FUNCTION arcus_texts",
    "DROP FUNCTION arcus_moment",
    "DROP FUNCTION arcus_number",
)


def upgrade() -> None:
    op.create_table(
        "searches",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("tenant_id", sa.String(length=36), nullable=False),
        sa.Column("request", sa.JSON(), nullable=False),
        sa.Column("hits", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("searches_by_tenant", "searches", ["tenant_id", "created_at", "id"], unique=False)
    op.create_index("thumbnails_by_segment", "thumbnails", ["segment_id"], unique=False)
    for statement in SQLITE_WORDS if op.get_bind().dialect.name == "sqlite" else POSTGRES_WORDS:
        op.get_bind().exec_driver_sql(statement)


def downgrade() -> None:
    for statement in SQLITE_UNDO if op.get_bind().dialect.name == "sqlite" else POSTGRES_UNDO:
        op.get_bind().exec_driver_sql(statement)
    op.drop_index("thumbnails_by_segment", table_name="thumbnails")
    op.drop_index("searches_by_tenant", table_name="searches")
    op.drop_table("searches")
