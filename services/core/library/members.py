"""Members: files in a collection, the description each asks for, and its place in the index."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from sqlalchemy import Row, RowMapping, and_, case, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from services.core import jobs
from services.core.clock import now_ms
from services.core.errors import ArcusError, Reason, invalid, not_found
from services.core.index.embedding_log import append_adds
from services.core.index.shards import SPREAD_VECTORS, place
from services.core.library.deletions import Deletions, take_out
from services.core.library.extractions import (
    add_extraction,
    is_extracting,
    is_member,
    member_status,
    queue_extractions,
)
from services.core.library.segmentations import canonical, config_hash, parse_segmentation
from services.core.search.filters import SearchFilter, file_condition
from services.core.store.database import Database
from services.core.store.pages import Listing, Page, list_page
from services.core.store.plain_json import check_metadata
from services.core.store.schema import (
    collection_files,
    collections,
    descriptions,
    embeddings,
    extractions,
    files,
    segmentations,
)
from services.core.store.tombstones import is_kept, of_kept_file
from services.core.tenants.plans import Plans
from services.core.tenants.totals import Totals

MAX_NAMED = 100


@dataclass(frozen=True)
class Member:
    """A file's state in a collection: that of its description, then of its entities, and how far it has come."""

    collection_id: str
    file_id: str
    tenant_id: str
    description_id: str
    segmentation_id: str
    segmentation_config: dict[str, Any]
    segment_thumbnails: bool
    added_at: int
    status: str
    stage: str
    segments_done: int
    segments_total: int
    error: str | None

    @classmethod
    def from_row(cls, row: RowMapping) -> Member:
        return cls(**{name: row[name] for name in cls.__dataclass_fields__})


_members = (
    select(
        collection_files,
        member_status.label("status"),
        case((and_(is_extracting, extractions.c.status != "completed"), "extract"), else_=descriptions.c.stage).label(
            "stage"
        ),
        case((is_extracting, extractions.c.segments_done), else_=descriptions.c.segments_done).label("segments_done"),
        descriptions.c.segments_total,
        case((is_extracting, extractions.c.error), else_=descriptions.c.error).label("error"),
    )
    .join(descriptions, descriptions.c.id == collection_files.c.description_id)
    .join(files, files.c.id == collection_files.c.file_id)
    .outerjoin(extractions, is_member)
    .where(is_kept(files))
)


class Members:
    def __init__(
        self, database: Database, *, spread_vectors: int = SPREAD_VECTORS, totals: Totals | None = None
    ) -> None:
        self._database = database
        self._deletions = Deletions(database)
        self._totals = totals or Totals(database, Plans(database, {}))
        self._spread_vectors = spread_vectors

    async def add(
        self,
        tenant_id: str,
        collection_id: str,
        file_id: str,
        *,
        segmentation_config: dict[str, Any] | None = None,
        segmentation_id: str | None = None,
        segment_thumbnails: bool | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> Member:
        """Adds a file and queues its description; work already done for the same segmentation and configuration is reused.

        Pictures of segments are made if `segment_thumbnails` says so; where it is None, if neither the upload nor the
        collection said no. `metadata` is merged into the file's own. Adding it again as it is changes nothing.
        Raises NOT_FOUND, INVALID_ARGUMENT (the file failed), ALREADY_EXISTS (it is there with another segmentation).
        """
        given = canonical(parse_segmentation(segmentation_config)) if segmentation_config is not None else None
        async with self._database.write() as connection:
            collection = await _locked(connection, collections, tenant_id, collection_id, "Collection")
            file = await _locked(connection, files, tenant_id, file_id, "File")
            if file.status == "failed":
                raise invalid(f"The file can't be used: {file.error}", field="file_id")
            if segmentation_id is not None:
                segmentation = await _locked(connection, segmentations, tenant_id, segmentation_id, "Segmentation")
                if segmentation.file_id != file_id:
                    raise invalid("That segmentation belongs to another file", field="segmentation_id")
                given = segmentation.config
            config = given or canonical(parse_segmentation(collection.segmentation_config))
            query = select(collection_files).where(
                collection_files.c.collection_id == collection_id, collection_files.c.file_id == file_id
            )
            member = (await connection.execute(query)).first()
            if member is None:
                await self._totals.check_queue(connection, tenant_id)
                pictures = file.segment_thumbnails and collection.thumbnails_config["enable_segment_thumbnails"]
                wanted = pictures if segment_thumbnails is None else segment_thumbnails
                await _join(connection, collection, file, config, wanted, spread_vectors=self._spread_vectors)
            elif given is not None and member.segmentation_config != given:
                raise ArcusError(
                    Reason.ALREADY_EXISTS,
                    "The file is in this collection with another segmentation; remove it first.",
                    field="segmentation_config",
                )
            elif segment_thumbnails is not None and segment_thumbnails != member.segment_thumbnails:
                await _want_pictures(connection, file, member, segment_thumbnails)
            if metadata:
                merged = {**file.metadata, **metadata}
                check_metadata(merged)
                await connection.execute(update(files).where(files.c.id == file_id).values(metadata=merged))
        return await self.get(tenant_id, collection_id, file_id)

    async def get(self, tenant_id: str, collection_id: str, file_id: str) -> Member:
        query = _members.join(collections, collections.c.id == collection_files.c.collection_id).where(
            collection_files.c.tenant_id == tenant_id,
            collection_files.c.collection_id == collection_id,
            collection_files.c.file_id == file_id,
            is_kept(collections),
        )
        async with self._database.read() as connection:
            row = (await connection.execute(query)).mappings().first()
        if row is None:
            raise ArcusError(Reason.NOT_FOUND, f"File {file_id} is not in collection {collection_id}")
        return Member.from_row(row)

    async def list(
        self,
        tenant_id: str,
        collection_id: str,
        page: Page,
        *,
        status: str | None = None,
        added_after: int | None = None,
        added_before: int | None = None,
        filter: SearchFilter | None = None,
    ) -> Listing[Member]:
        async with self._database.read() as connection:
            await _locked(connection, collections, tenant_id, collection_id, "Collection", lock=False)
        query = _members.where(
            collection_files.c.tenant_id == tenant_id, collection_files.c.collection_id == collection_id
        )
        if status is not None:
            query = query.where(member_status == status)
        if added_after is not None:
            query = query.where(collection_files.c.added_at >= added_after)
        if added_before is not None:
            query = query.where(collection_files.c.added_at < added_before)
        if filter is not None:
            own = collection_files.c.segmentation_id
            query = query.where(file_condition(filter, is_sqlite=self._database.is_sqlite, segmentation_id=own))
        added = collection_files.c.added_at
        orders = {"added_at": added, "created_at": added, "filename": files.c.filename}
        return await list_page(
            self._database,
            query,
            page,
            orders=orders,
            tie=collection_files.c.file_id,
            build=Member.from_row,
        )

    async def named(self, tenant_id: str, collection_ids: Sequence[str], names: Sequence[str]) -> set[str]:
        """Ids of the files of these collections that have one of these names, at most MAX_NAMED."""
        query = (
            select(files.c.id)
            .join(collection_files, collection_files.c.file_id == files.c.id)
            .where(
                collection_files.c.tenant_id == tenant_id,
                self._database.among(collection_files.c.collection_id, collection_ids),
                files.c.tenant_id == tenant_id,
                self._database.among(files.c.filename, names),
                is_kept(files),
            )
            .limit(MAX_NAMED)
        )
        async with self._database.read() as connection:
            return set((await connection.execute(query)).scalars())

    async def newest(
        self, tenant_id: str, collection_ids: Sequence[str], limit: int, *, file_ids: Collection[str] | None = None
    ) -> Sequence[str]:
        """Files of these collections, those added last first, at most `limit`; only of `file_ids`, where given."""
        added = func.max(collection_files.c.added_at)
        query = (
            select(collection_files.c.file_id)
            .where(
                collection_files.c.tenant_id == tenant_id,
                self._database.among(collection_files.c.collection_id, collection_ids),
                of_kept_file(collection_files.c.file_id),
            )
            .group_by(collection_files.c.file_id)
            .order_by(added.desc(), collection_files.c.file_id)
        )
        if file_ids is not None:
            query = query.where(self._database.among(collection_files.c.file_id, file_ids))
        async with self._database.read() as connection:
            return (await connection.execute(query.limit(limit))).scalars().all()

    async def remove(self, tenant_id: str, collection_id: str, file_id: str) -> None:
        await self.get(tenant_id, collection_id, file_id)
        async with self._database.write() as connection:
            unused = await take_out(connection, collection_id, file_id)
        for description_id in unused:
            await self._deletions.begin(descriptions, description_id)


async def _want_pictures(connection: AsyncConnection, file: Row, member: Row, wanted: bool) -> None:
    place = (collection_files.c.collection_id == member.collection_id) & (collection_files.c.file_id == file.id)
    await connection.execute(update(collection_files).where(place).values(segment_thumbnails=wanted))
    if wanted and file.status == "completed":
        seconds = file.media_info["duration_seconds"]
        await jobs.enqueue(connection, file.tenant_id, "describe", member.description_id, video_seconds=seconds)


async def _join(
    connection: AsyncConnection,
    collection: Row,
    file: Row,
    config: dict[str, Any],
    segment_thumbnails: bool,
    *,
    spread_vectors: int,
) -> None:
    tenant_id = collection.tenant_id
    shard = await place(connection, collection, spread_vectors=spread_vectors)
    segmentation_id = await _find_or_create(
        connection,
        segmentations,
        {"file_id": file.id, "config_hash": config_hash(config)},
        {"tenant_id": tenant_id, "config": config, "status": "pending"},
    )
    description_id = await _find_or_create(
        connection,
        descriptions,
        {"segmentation_id": segmentation_id, "config_hash": config_hash(collection.describe_config)},
        {
            "tenant_id": tenant_id,
            "file_id": file.id,
            "config": collection.describe_config,
            "status": "pending",
            "stage": "queued",
            "segments_done": 0,
            "segments_total": 0,
            "title": "",
            "summary": "",
        },
    )
    pictured = select(collection_files.c.file_id).where(
        collection_files.c.file_id == file.id,
        collection_files.c.segmentation_id == segmentation_id,
        collection_files.c.segment_thumbnails,
    )
    needs_pictures = segment_thumbnails and (await connection.execute(pictured.limit(1))).first() is None
    await connection.execute(
        insert(collection_files).values(
            collection_id=collection.id,
            file_id=file.id,
            tenant_id=tenant_id,
            description_id=description_id,
            segmentation_id=segmentation_id,
            segmentation_config=config,
            segment_thumbnails=segment_thumbnails,
            shard=shard,
            added_at=now_ms(),
        )
    )
    if collection.collection_type == "entities":
        await add_extraction(connection, tenant_id, collection.id, file.id)
    # Whoever writes a segment of this description locks the same row first, so none is missed or indexed twice.
    description = (
        await connection.execute(select(descriptions).where(descriptions.c.id == description_id).with_for_update())
    ).one()
    made = select(embeddings.c.id).where(embeddings.c.description_id == description_id).order_by(embeddings.c.id)
    await append_adds(
        connection,
        shard,
        tenant_id=tenant_id,
        collection_id=collection.id,
        file_id=file.id,
        embedding_ids=list((await connection.execute(made)).scalars()),
    )
    if description.status == "failed":
        await connection.execute(
            update(descriptions).where(descriptions.c.id == description_id).values(status="pending", error=None)
        )
    if (description.status in ("pending", "failed") or needs_pictures) and file.status == "completed":
        seconds = file.media_info["duration_seconds"]
        await jobs.enqueue(connection, tenant_id, "describe", description_id, video_seconds=seconds)
    if description.status == "completed":
        await queue_extractions(connection, description_id)


async def _find_or_create(
    connection: AsyncConnection, table: Any, identity: dict[str, Any], rest: dict[str, Any]
) -> str:
    # The caller holds the file's row lock: nobody else makes the same row meanwhile.
    query = select(table.c.id).where(*(table.c[name] == value for name, value in identity.items()))
    found = (await connection.execute(query)).scalar()
    if found is not None:
        return found
    id = str(uuid4())
    await connection.execute(insert(table).values(id=id, created_at=now_ms(), **identity, **rest))
    return id


async def _locked(
    connection: AsyncConnection, table: Any, tenant_id: str, id: str, noun: str, *, lock: bool = True
) -> Row:
    query = select(table).where(table.c.tenant_id == tenant_id, table.c.id == id)
    if "deleted_at" in table.c:
        query = query.where(is_kept(table))
    row = (await connection.execute(query.with_for_update(key_share=True) if lock else query)).first()
    if row is None:
        raise not_found(noun, id)
    return row
