"""The table `files` of any knowledge base: what the database knows of its videos, for whoever plans queries."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from typing import Any

from arcus.engine.v1 import engine_pb2 as pb

from services.core.library.catalog import Catalog, CatalogFile
from services.nimbus.entities.knowledge import Knowledge, QueryCall, run_queries
from services.nimbus.entities.sql import EntitySql
from services.nimbus.entities.tables import (
    FILES,
    MAX_PROPERTIES,
    EntityTables,
    TableColumn,
    as_kind,
    described_table,
    finite,
    free_name,
    kind_of,
    sql_table,
)

MAX_CATALOG_FILES = 10_000
_DESCRIPTION = "One row for each video: what is known of it besides what is said and shown in it."
_COLUMNS = {
    "file_id": ("VARCHAR", "id of the video"),
    "filename": ("VARCHAR", "name of the video's file"),
    "title": ("VARCHAR", "title of the video"),
    "duration_seconds": ("DOUBLE", "length of the video in seconds"),
    "has_speech": ("BOOLEAN", "whether somebody speaks in it; NULL until it is described"),
    "has_text": ("BOOLEAN", "whether text is seen on screen; NULL until it is described"),
    "has_video": ("BOOLEAN", "whether it has moving pictures"),
    "has_audio": ("BOOLEAN", "whether it has a sound track"),
    "has_subtitles": ("BOOLEAN", "whether it has a subtitle track"),
    "width": ("BIGINT", "width of the picture in pixels"),
    "height": ("BIGINT", "height of the picture in pixels"),
    "created_at": ("TIMESTAMP", "when the video was uploaded, in UTC"),
    "status": ("VARCHAR", "pending, processing, completed or failed"),
    "collection_names": ("VARCHAR[]", "names of the collections that it is in"),
}


def empty_catalog() -> pb.EntityTable:
    """The table's columns without what they hold: enough to plan most queries, and no query of its own."""
    return described_table(FILES, [TableColumn(name, *told, ()) for name, told in _COLUMNS.items()], _DESCRIPTION)


class FileCatalog:
    def __init__(self, catalog: Catalog, sql: EntitySql) -> None:
        self._catalog = catalog
        self._sql = sql

    async def open(
        self, tenant_id: str, collection_ids: Sequence[str] | None = None, file_ids: Collection[str] | None = None
    ) -> Knowledge:
        """What the files are now, in one read: those of the collections and ids, where given.

        Beyond MAX_CATALOG_FILES no query is run, and that is told.
        """
        self._sql.warm()
        files = await self._catalog.files(tenant_id, collection_ids, file_ids=file_ids, limit=MAX_CATALOG_FILES + 1)
        problem = ""
        if len(files) > MAX_CATALOG_FILES:
            problem = (
                f"There are more than {MAX_CATALOG_FILES} videos, which is more than a query may read; "
                "name fewer collections or files in knowledge_base"
            )
            files = []
        return Knowledge(await asyncio.to_thread(catalog_tables, files), "", problem=problem)

    async def run(self, knowledge: Knowledge, queries: Sequence[pb.Query]) -> list[QueryCall]:
        return await run_queries(self._sql, knowledge, queries)


def catalog_tables(files: Sequence[CatalogFile]) -> EntityTables:
    """Each key of the files' metadata is a column of its own, as properties of entities are."""
    values = [_row(file) for file in files]
    columns = [
        TableColumn(name, *told, [row[place] for row in values]) for place, (name, told) in enumerate(_COLUMNS.items())
    ]
    taken = {name.lower() for name in _COLUMNS}
    keys = list(dict.fromkeys(key for file in files for key in file.metadata))[:MAX_PROPERTIES]
    for number, key in enumerate(keys, 1):
        noted = [finite(file.metadata.get(key)) for file in files]
        kind = kind_of(noted, set())
        called = free_name(key, number, taken)
        note = "noted by the uploader" if called == key else f"noted by the uploader as {key!r}"
        columns.append(TableColumn(called, kind, note, [as_kind(kind, value) for value in noted]))
    return EntityTables((sql_table(FILES, columns),), (described_table(FILES, columns, _DESCRIPTION),))


def _row(file: CatalogFile) -> tuple[Any, ...]:
    info = file.media_info
    return (
        file.id,
        file.filename,
        file.title or None,
        info.duration_seconds if info else None,
        file.has_speech,
        file.has_text,
        info.media_type == "video" if info else None,
        info.has_audio if info else None,
        info.has_subtitles if info else None,
        info.width if info else None,
        info.height if info else None,
        datetime.fromtimestamp(file.created_at / 1000, UTC).replace(tzinfo=None).isoformat(),
        file.status,
        list(file.collections),
    )
