"""Full text over plain tokens that are made here, the same in both databases; what is stored is indexed anew, in steps."""

import json
from typing import Any

from alembic import op
from sqlalchemy import Connection, text

from services.core.search.tokens import index_tokens

revision = "0012"
down_revision = "0011"
STEP_ROWS = 500

SQLITE = (
    "DROP TRIGGER segment_text_insert",
    "DROP TRIGGER segment_words_insert",
    "DROP TABLE segment_text",
    "DROP TABLE segment_words",
    # Of this tokenizer all that is not ASCII is part of a token: where one ends is told by spaces alone.
    "CREATE VIRTUAL TABLE segment_text USING fts5(text, tokenize='ascii')",
    "CREATE VIRTUAL TABLE segment_words USING fts5(speech, scene_text, tokenize='ascii')",
)
POSTGRES = (
    "ALTER TABLE segment_descriptions ALTER COLUMN text_vector DROP EXPRESSION",
    "ALTER TABLE segment_descriptions ALTER COLUMN text_vector_speech DROP EXPRESSION",
    "ALTER TABLE segment_descriptions ALTER COLUMN text_vector_scene_text DROP EXPRESSION",
)
INDEX_SQLITE = (
    "INSERT INTO segment_text(rowid, text) VALUES (:id, :text)",
    "INSERT INTO segment_words(rowid, speech, scene_text) VALUES (:id, :speech, :scene_text)",
)
INDEX_POSTGRES = (
    "UPDATE segment_descriptions SET text_vector = CAST(:text AS tsvector), text_vector_speech = CAST(:speech AS tsvector), "
    "text_vector_scene_text = CAST(:scene_text AS tsvector) WHERE id = :id"
)
_SAID = "(SELECT group_concat(json_extract(value, '$.text'), char(10)) FROM json_each({row}content, '$.{part}'))"
SQLITE_BACK = (
    "DROP TABLE segment_text",
    "DROP TABLE segment_words",
    "CREATE VIRTUAL TABLE segment_text USING fts5(text, tokenize='porter unicode61')",
    "CREATE VIRTUAL TABLE segment_words USING fts5(speech, scene_text, tokenize='porter unicode61')",
    "INSERT INTO segment_text(rowid, text) SELECT id, text FROM segment_descriptions",
    f"""INSERT INTO segment_words(rowid, speech, scene_text)
          SELECT id, {_SAID.format(row="", part="speech")}, {_SAID.format(row="", part="scene_text")} FROM segment_descriptions""",
    """CREATE TRIGGER segment_text_insert AFTER INSERT ON segment_descriptions BEGIN
         INSERT INTO segment_text(rowid, text) VALUES (new.id, new.text);
       END""",
    f"""CREATE TRIGGER segment_words_insert AFTER INSERT ON segment_descriptions BEGIN
         INSERT INTO segment_words(rowid, speech, scene_text) VALUES (
           new.id, {_SAID.format(row="new.", part="speech")}, {_SAID.format(row="new.", part="scene_text")});
       END""",
)
_WORDS = "to_tsvector('english', coalesce(arcus_texts(content, '{part}'), ''))"
POSTGRES_BACK = (
    "ALTER TABLE segment_descriptions DROP COLUMN text_vector, DROP COLUMN text_vector_speech, DROP COLUMN text_vector_scene_text",
    "ALTER TABLE segment_descriptions ADD COLUMN text_vector tsvector GENERATED ALWAYS AS (to_tsvector('english', text)) STORED",
    f"""ALTER TABLE segment_descriptions ADD COLUMN text_vector_speech tsvector
          GENERATED ALWAYS AS ({_WORDS.format(part="speech")}) STORED""",
    f"""ALTER TABLE segment_descriptions ADD COLUMN text_vector_scene_text tsvector
          GENERATED ALWAYS AS ({_WORDS.format(part="scene_text")}) STORED""",
    "CREATE INDEX segment_text ON segment_descriptions USING gin (text_vector)",
    "CREATE INDEX segment_text_speech ON segment_descriptions USING gin (text_vector_speech)",
    "CREATE INDEX segment_text_scene_text ON segment_descriptions USING gin (text_vector_scene_text)",
)


def upgrade() -> None:
    connection = op.get_bind()
    for statement in SQLITE if connection.dialect.name == "sqlite" else POSTGRES:
        connection.exec_driver_sql(statement)
    step = text("SELECT id, text, content FROM segment_descriptions WHERE id > :after ORDER BY id LIMIT :rows")
    after = 0
    while rows := connection.execute(step, {"after": after, "rows": STEP_ROWS}).all():
        for id, written, content in rows:
            _index(connection, id, written, json.loads(content) if isinstance(content, str) else content)
        after = rows[-1].id


def _index(connection: Connection, id: int, written: str, content: dict[str, Any]) -> None:
    parts = {"text": written}
    for name in ("speech", "scene_text"):
        parts[name] = "\n".join(item.get("text") or "" for item in content.get(name) or ())
    tokens = {name: index_tokens(part) for name, part in parts.items()}
    if connection.dialect.name == "sqlite":
        values = {name: " ".join(found) for name, found in tokens.items()}
        for statement in INDEX_SQLITE:
            connection.execute(text(statement), {"id": id, **values})
    else:
        values = {
            name: " ".join(f"'{token}':{place}" for place, token in enumerate(found, 1))
            for name, found in tokens.items()
        }
        connection.execute(text(INDEX_POSTGRES), {"id": id, **values})


def downgrade() -> None:
    connection = op.get_bind()
    for statement in SQLITE_BACK if connection.dialect.name == "sqlite" else POSTGRES_BACK:
        connection.exec_driver_sql(statement)
