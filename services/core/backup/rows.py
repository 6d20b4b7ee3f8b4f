"""Whether the rows fit together where the database itself does not see to it."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Sequence
from typing import Any

from sqlalchemy import Column, Row, Select, func, select, tuple_

from services.core.backup.findings import Finding, Kind
from services.core.search.full_text_index import unindexed
from services.core.store.database import Database
from services.core.store.limit_tables import tenant_totals
from services.core.store.schema import (
    collection_files,
    descriptions,
    embeddings,
    files,
    segment_descriptions,
    segmentations,
    segments,
    tenants,
    thumbnails,
)
from services.core.store.tombstones import is_kept

PAGE_ROWS = 500
SHOWN = 20  # of what SQLite itself finds wrong

# Columns that name a row of another table without a foreign key; null names none. Rows that have a tenant name one of the same.
REFERENCES = (
    (segments.c.file_id, files.c.id),
    (segments.c.segmentation_id, segmentations.c.id),
    (segmentations.c.file_id, files.c.id),
    (descriptions.c.file_id, files.c.id),
    (segment_descriptions.c.segment_id, segments.c.id),
    (embeddings.c.segment_id, segments.c.id),
    (embeddings.c.description_id, descriptions.c.id),
    (thumbnails.c.file_id, files.c.id),
    (thumbnails.c.segment_id, segments.c.id),
    (collection_files.c.segmentation_id, segmentations.c.id),
    (collection_files.c.file_id, files.c.id),
)


async def pages(database: Database, query: Select, keys: Sequence[Column]) -> AsyncIterator[Sequence[Row]]:
    """The rows of a query that selects `keys` first, which are unique together, a page to a statement."""
    page = query.order_by(*keys).limit(PAGE_ROWS)
    rows = await database.fetch(page)
    while rows:
        yield rows
        last = tuple(rows[-1][: len(keys)])
        rows = await database.fetch(page.where(tuple_(*keys) > last))


class Rows:
    """`checked` counts what was looked at."""

    def __init__(self, database: Database, checked: Counter[str]) -> None:
        self._database = database
        self._checked = checked

    async def findings(self) -> AsyncIterator[Finding]:
        for part in (self._database_itself, self._references, self._descriptions, self._words, self._totals):
            async for finding in part():
                yield finding

    async def _database_itself(self) -> AsyncIterator[Finding]:
        """What SQLite tells of its pages, indexes and foreign keys; PostgreSQL keeps its own in order."""
        if not self._database.is_sqlite:
            return
        async with self._database.read() as connection:
            for (problem,) in await connection.exec_driver_sql(f"PRAGMA integrity_check({SHOWN})"):
                if problem != "ok":
                    yield Finding(Kind.DATABASE_DAMAGED, "database", problem)
            broken = (await connection.exec_driver_sql("PRAGMA foreign_key_check")).fetchmany(SHOWN)
        for table, row, parent, _ in map(list, broken):
            yield Finding(Kind.ROW_DANGLING, f"{table} {row}", f"it names a row of {parent} that is not there")

    async def _references(self) -> AsyncIterator[Finding]:
        for column, target in REFERENCES:
            table, parent = column.table, target.table
            keys = list(table.primary_key.columns)
            owners = (table.c.tenant_id, parent.c.tenant_id)
            wanted: list[Any] = [*keys, column.label("named"), target.label("found"), owners[0] == owners[1]]
            query = select(*wanted).select_from(table.outerjoin(parent, column == target)).where(column.is_not(None))
            async for rows in pages(self._database, query, keys):
                self._checked["references"] += len(rows)
                for *key, named, found, is_same_tenant in map(tuple, rows):
                    subject = f"{table.name} {'/'.join(map(str, key))}"
                    if found is None:
                        yield Finding(Kind.ROW_DANGLING, subject, f"{column.name} {named} is not in {parent.name}")
                    elif not is_same_tenant:
                        yield Finding(Kind.ROW_DANGLING, subject, f"{column.name} {named} is of another tenant")

    async def _descriptions(self) -> AsyncIterator[Finding]:
        written = select(func.count()).where(segment_descriptions.c.description_id == descriptions.c.id)
        query = select(descriptions.c.id, descriptions.c.segments_total, written.scalar_subquery()).where(
            descriptions.c.status == "completed", is_kept(descriptions)
        )
        async for rows in pages(self._database, query, [descriptions.c.id]):
            for id, wanted, found in rows:
                if wanted != found:
                    detail = f"{found} of its {wanted} segments are described"
                    yield Finding(Kind.DESCRIPTION_INCOMPLETE, f"descriptions {id}", detail)

    async def _words(self) -> AsyncIterator[Finding]:
        for id, segments_without in await self._database.reading(unindexed):
            detail = f"the words of {segments_without} of its segments are not indexed"
            yield Finding(Kind.WORDS_MISSING, f"descriptions {id}", detail)

    async def _totals(self) -> AsyncIterator[Finding]:
        stored = select(func.coalesce(func.sum(files.c.size_bytes), 0)).where(
            files.c.tenant_id == tenants.c.id, is_kept(files)
        )
        counted = func.coalesce(tenant_totals.c.stored_bytes, 0)
        query = select(tenants.c.id, counted, stored.scalar_subquery()).select_from(
            tenants.outerjoin(tenant_totals, tenant_totals.c.tenant_id == tenants.c.id)
        )
        async for rows in pages(self._database, query.where(is_kept(tenants)), [tenants.c.id]):
            self._checked["tenants"] += len(rows)
            for id, noted, bytes in rows:
                if noted != bytes:
                    yield Finding(
                        Kind.TOTAL_WRONG, f"tenants {id}", f"{noted} bytes are counted, its files have {bytes}"
                    )
