"""Each tenant's words in a table of their own on SQLite, so that neither what a search costs nor its order tells of others."""

from alembic import op
from sqlalchemy import text

from services.core.search.full_text_index import make_words_table

revision = "0025"
down_revision = "0024"

COPY = """INSERT INTO {table}(rowid, text, speech, scene_text)
  SELECT d.id, t.text, w.speech, w.scene_text FROM segment_descriptions d
  JOIN segment_text t ON t.rowid = d.id JOIN segment_words w ON w.rowid = d.id
  WHERE d.tenant_id = :tenant_id ORDER BY d.id"""
OLD = (
    "DROP TRIGGER segment_text_delete",
    "DROP TRIGGER segment_words_delete",
    "DROP TABLE segment_text",
    "DROP TABLE segment_words",
)
BACK = (
    "CREATE VIRTUAL TABLE segment_text USING fts5(text, tokenize='ascii')",
    "CREATE VIRTUAL TABLE segment_words USING fts5(speech, scene_text, tokenize='ascii')",
    """CREATE TRIGGER segment_text_delete AFTER DELETE ON segment_descriptions BEGIN
         DELETE FROM segment_text WHERE rowid = old.id;
       END""",
    """CREATE TRIGGER segment_words_delete AFTER DELETE ON segment_descriptions BEGIN
         DELETE FROM segment_words WHERE rowid = old.id;
       END""",
)


def upgrade() -> None:
    connection = op.get_bind()
    if connection.dialect.name != "sqlite":
        return
    for (tenant_id,) in connection.exec_driver_sql("SELECT DISTINCT tenant_id FROM segment_descriptions").all():
        table = make_words_table(connection, tenant_id)
        connection.execute(text(COPY.format(table=table)), {"tenant_id": tenant_id})
    for statement in OLD:
        connection.exec_driver_sql(statement)


def downgrade() -> None:
    connection = op.get_bind()
    if connection.dialect.name != "sqlite":
        return
    for statement in BACK:
        connection.exec_driver_sql(statement)
    for (tenant_id,) in connection.exec_driver_sql("SELECT DISTINCT tenant_id FROM segment_descriptions").all():
        table = make_words_table(connection, tenant_id)
        for statement in (
            f"INSERT INTO segment_text(rowid, text) SELECT rowid, text FROM {table}",
            f"INSERT INTO segment_words(rowid, speech, scene_text) SELECT rowid, speech, scene_text FROM {table}",
            f"DROP TABLE {table}",
        ):
            connection.exec_driver_sql(statement)
