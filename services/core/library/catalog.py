"""What is known of files without reading what they say: their length, what they hold, where they are."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import and_, exists, select

from services.core.media import DescribeConfig, MediaInfo
from services.core.store.database import Database
from services.core.store.schema import collection_files, collections, descriptions, embeddings, files
from services.core.store.tombstones import is_kept


@dataclass(frozen=True)
class CatalogFile:
    """`has_speech` and `has_text` are None where no finished description looked for it."""

    id: str
    filename: str
    status: str
    created_at: int  # Unix milliseconds
    metadata: dict[str, Any]
    media_info: MediaInfo | None
    title: str = ""
    collections: tuple[str, ...] = ()  # names
    has_speech: bool | None = None
    has_text: bool | None = None


class Catalog:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def files(
        self,
        tenant_id: str,
        collection_ids: Sequence[str] | None,
        *,
        file_ids: Collection[str] | None = None,
        limit: int,
    ) -> list[CatalogFile]:
        """At most `limit` of the tenant's files, in the order they came: those of the collections, or all of them.

        One statement, so that a file that leaves meanwhile is counted wholly or not at all.
        """
        chosen = select(files.c.id).where(files.c.tenant_id == tenant_id, is_kept(files))
        if collection_ids is not None:
            member = select(collection_files.c.file_id).where(
                collection_files.c.tenant_id == tenant_id,
                self._database.among(collection_files.c.collection_id, collection_ids),
            )
            chosen = chosen.where(files.c.id.in_(member))
        if file_ids is not None:
            chosen = chosen.where(self._database.among(files.c.id, file_ids))
        chosen = chosen.order_by(files.c.created_at, files.c.id).limit(limit)
        joined = files.outerjoin(collection_files, collection_files.c.file_id == files.c.id)
        of_member = and_(collections.c.id == collection_files.c.collection_id, is_kept(collections))
        joined = joined.outerjoin(collections, of_member)
        joined = joined.outerjoin(descriptions, descriptions.c.id == collection_files.c.description_id)
        query = (
            select(
                files.c.id,
                files.c.filename,
                files.c.status,
                files.c.created_at,
                files.c.metadata,
                files.c.media_info,
                collections.c.name.label("collection"),
                descriptions.c.title,
                descriptions.c.status.label("described"),
                descriptions.c.config,
                _holds("speech").label("speech"),
                _holds("scene_text").label("scene_text"),
            )
            .select_from(joined)
            .where(files.c.tenant_id == tenant_id, files.c.id.in_(chosen.subquery().select()))
            .order_by(files.c.created_at, files.c.id, collections.c.name)
        )
        if collection_ids is not None:
            query = query.where(self._database.among(collection_files.c.collection_id, collection_ids))
        found: dict[str, CatalogFile] = {}
        async with self._database.read() as connection:
            for row in await connection.execute(query):
                known = found.get(row.id) or CatalogFile(
                    row.id,
                    row.filename,
                    row.status,
                    row.created_at,
                    row.metadata,
                    MediaInfo.from_json(row.media_info) if row.media_info else None,
                )
                found[row.id] = _with_member(known, row) if row.collection is not None else known
        return list(found.values())


def _holds(kind: str) -> Any:
    return exists().where(embeddings.c.description_id == descriptions.c.id, embeddings.c.kind == kind)


def _with_member(file: CatalogFile, row: Any) -> CatalogFile:
    config = DescribeConfig(**row.config)
    is_done = row.described == "completed"
    return replace(
        file,
        title=file.title or row.title,
        collections=(*file.collections, row.collection),
        has_speech=_either(file.has_speech, bool(row.speech) if is_done and config.enable_speech else None),
        has_text=_either(file.has_text, bool(row.scene_text) if is_done and config.enable_scene_text else None),
    )


def _either(one: bool | None, other: bool | None) -> bool | None:
    return one if other is None else other if one is None else one or other
