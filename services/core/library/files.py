"""Files: an uploaded video, from its first byte to its deletion."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass
from typing import Any
from uuid import uuid4

from sqlalchemy import RowMapping, delete, insert, select, update

from services.core import jobs
from services.core.clock import now_ms
from services.core.errors import ArcusError, invalid, not_found
from services.core.library.deletions import Deletions
from services.core.library.thumbnails import NewThumbnail
from services.core.media import MediaInfo
from services.core.search.filters import SearchFilter, file_condition
from services.core.store.database import Database
from services.core.store.objects import Objects
from services.core.store.pages import CreatedRange, Listing, Page, list_page
from services.core.store.plain_json import check_metadata
from services.core.store.schema import descriptions, files, object_deletions, thumbnails
from services.core.store.tombstones import is_kept, mark_deleted
from services.core.tenants.plans import Plans
from services.core.tenants.totals import Totals, full
from services.core.tenants.usage import of_anything, usage_record

DAY_MS = 24 * 3600 * 1000
STATUSES = ("pending", "processing", "completed", "failed", "not_applicable")


@dataclass(frozen=True)
class File:
    id: str
    tenant_id: str
    status: str  # pending, processing, completed, failed
    error: str | None
    filename: str
    size_bytes: int
    sha256: str
    object_key: str
    source: str
    metadata: dict[str, Any]
    media_info: MediaInfo | None
    segment_thumbnails: bool
    created_at: int

    @property
    def uri(self) -> str:
        return f"cloudglue://files/{self.id}"

    @classmethod
    def from_row(cls, row: RowMapping) -> File:
        values = {name: row[name] for name in cls.__dataclass_fields__}
        info = values["media_info"]
        return cls(**{**values, "media_info": MediaInfo.from_json(info) if info else None})


MAX_NAME_CHARACTERS = 255


class Files:
    def __init__(
        self, database: Database, objects: Objects, *, max_upload_bytes: int, totals: Totals | None = None
    ) -> None:
        """`totals`: those that hold the limits of plans; without them, a tenant's own hold alone."""
        self._database = database
        self._deletions = Deletions(database)
        self._totals = totals or Totals(database, Plans(database, {}))
        self._objects = objects
        self._max_upload_bytes = max_upload_bytes

    async def upload(
        self,
        tenant_id: str,
        filename: str,
        chunks: AsyncIterator[bytes],
        *,
        metadata: dict[str, Any] | None = None,
        segment_thumbnails: bool = True,
    ) -> File:
        """Streams an upload to the object store and queues its probe. Nothing is left behind unless all of it arrived.

        Raises TOO_LARGE, STORAGE_FULL, INVALID_ARGUMENT (no name, no bytes), BUDGET_EXHAUSTED (no more may be stored),
        QUOTA_EXHAUSTED (no more today), LIMIT_EXCEEDED (too many jobs wait).
        """
        filename = short_name(filename.replace("\\", "/").rsplit("/", 1)[-1])
        if not filename:
            raise invalid("The file has no name; send one with the upload.", field="file")
        id = str(uuid4())
        check_metadata(metadata)
        self._database.check_space()
        room = await self._totals.check_upload(tenant_id)
        prefix = f"tenants/{tenant_id}/files/{id}"
        key = f"{prefix}/original"
        now = now_ms()
        async with self._database.write() as connection:
            await connection.execute(insert(object_deletions).values(prefix=prefix, not_before=now + DAY_MS))
        try:
            if room is not None and room < self._max_upload_bytes:
                chunks = at_most(chunks, room, full(await self._totals.limits(tenant_id), room))
            stored = await self._objects.put_stream(key, chunks, max_bytes=self._max_upload_bytes)
            if stored.size_bytes == 0:
                raise invalid("The upload is empty; send the file's bytes.", field="file")
            file = File(
                id=id,
                tenant_id=tenant_id,
                status="pending",
                error=None,
                filename=filename,
                size_bytes=stored.size_bytes,
                sha256=stored.sha256,
                object_key=key,
                source="upload",
                metadata=metadata or {},
                media_info=None,
                segment_thumbnails=segment_thumbnails,
                created_at=now_ms(),
            )
            async with self._database.write() as connection:
                await self._totals.store(connection, tenant_id, stored.size_bytes)
                await connection.execute(insert(files).values(**{**file.__dict__, "media_info": None}))
                await connection.execute(delete(object_deletions).where(object_deletions.c.prefix == prefix))
                await jobs.enqueue(connection, tenant_id, "probe", id, video_seconds=jobs.PROBE_SECONDS)
                await connection.execute(of_anything, usage_record("upload", tenant_id, id, bytes=stored.size_bytes))
        except BaseException:
            await self._objects.delete_prefix(prefix)
            async with self._database.write() as connection:
                await connection.execute(
                    update(object_deletions).where(object_deletions.c.prefix == prefix).values(not_before=now_ms())
                )
            raise
        return file

    async def get(self, tenant_id: str, id: str) -> File:
        query = select(files).where(files.c.tenant_id == tenant_id, files.c.id == id, is_kept(files))
        async with self._database.read() as connection:
            row = (await connection.execute(query)).mappings().first()
        if row is None:
            raise not_found("File", id)
        return File.from_row(row)

    async def get_many(self, tenant_id: str, ids: list[str]) -> dict[str, File]:
        query = select(files).where(files.c.tenant_id == tenant_id, files.c.id.in_(ids), is_kept(files))
        async with self._database.read() as connection:
            return {row["id"]: File.from_row(row) for row in (await connection.execute(query)).mappings()}

    async def list(
        self,
        tenant_id: str,
        page: Page,
        *,
        status: str | None = None,
        created: CreatedRange = CreatedRange(),
        filter: SearchFilter | None = None,
    ) -> Listing[File]:
        if status is not None and status not in STATUSES:
            raise invalid(f"status must be one of: {', '.join(STATUSES)}", field="status")
        query = select(files).where(files.c.tenant_id == tenant_id, is_kept(files))
        query = created.apply(query, files.c.created_at)
        if status is not None:
            query = query.where(files.c.status == status)
        if filter is not None:
            query = query.where(file_condition(filter, is_sqlite=self._database.is_sqlite))
        orders = {"created_at": files.c.created_at, "filename": files.c.filename}
        return await list_page(
            self._database, query, page, orders=orders, tie=files.c.id, build=File.from_row, tenant_id=tenant_id
        )

    async def update(
        self,
        tenant_id: str,
        id: str,
        *,
        filename: str | None = None,
        metadata: dict[str, Any] | None = None,
        segment_thumbnails: bool | None = None,
    ) -> File:
        if filename is not None and not filename.strip():
            raise invalid("filename must not be empty", field="filename")
        check_metadata(metadata)
        values: dict[str, Any] = {}
        if filename is not None:
            values["filename"] = short_name(filename)
        if metadata is not None:
            values["metadata"] = metadata
        if segment_thumbnails is not None:
            values["segment_thumbnails"] = segment_thumbnails
        if values:
            async with self._database.write() as connection:
                await connection.execute(
                    update(files).where(files.c.tenant_id == tenant_id, files.c.id == id).values(**values)
                )
        return await self.get(tenant_id, id)

    async def delete(self, tenant_id: str, id: str) -> None:
        """Nobody finds the file from now on. What was made of it, and its place in every collection, goes in short steps:
        of much, most goes later. Running jobs notice and stop."""
        which = (files.c.tenant_id == tenant_id, files.c.id == id, is_kept(files))
        async with self._database.write() as connection:
            file = (await connection.execute(select(files).where(*which).with_for_update(key_share=True))).first()
            if file is None:
                raise not_found("File", id)
            await connection.execute(mark_deleted(files, files.c.id == id))
            await connection.execute(mark_deleted(descriptions, descriptions.c.file_id == id))
            await self._totals.forget(connection, tenant_id, file.size_bytes)
        await self._deletions.begin(files, id)

    # What the ingest application says of a file.

    async def find(self, id: str) -> File | None:
        """A file of any tenant, for a worker that was handed its id by a job; None once it is deleted."""
        async with self._database.read() as connection:
            query = select(files).where(files.c.id == id, is_kept(files))
            row = (await connection.execute(query)).mappings().first()
        return File.from_row(row) if row else None

    async def set_processing(self, id: str) -> None:
        async with self._database.write() as connection:
            await connection.execute(
                update(files).where(files.c.id == id, files.c.status == "pending").values(status="processing")
            )

    async def set_probed(self, id: str, info: MediaInfo, thumbnail: NewThumbnail | None = None) -> None:
        """The file can be used: descriptions that waited for it are queued, in the same transaction.

        Raises QUOTA_EXHAUSTED where no more video of its tenant may be taken in today.
        """
        async with self._database.write() as connection:
            query = select(files).where(files.c.id == id, is_kept(files)).with_for_update()
            row = (await connection.execute(query)).first()
            if row is None:
                return
            if row.status != "completed":
                await self._totals.take_in(connection, row.tenant_id, info.duration_seconds)
            await connection.execute(
                update(files).where(files.c.id == id).values(status="completed", error=None, media_info=info.to_json())
            )
            used = usage_record("video", row.tenant_id, id, video_seconds=info.duration_seconds)
            await connection.execute(of_anything, used)
            if thumbnail is not None:
                default = (thumbnails.c.file_id == id) & thumbnails.c.segment_id.is_(None)
                await connection.execute(delete(thumbnails).where(default))
                values = {**asdict(thumbnail), "id": str(uuid4()), "tenant_id": row.tenant_id, "file_id": id}
                await connection.execute(insert(thumbnails).values(**values))
            waiting = select(descriptions.c.id).where(
                descriptions.c.file_id == id, descriptions.c.status == "pending", is_kept(descriptions)
            )
            for description_id in (await connection.execute(waiting)).scalars().all():
                await jobs.enqueue(
                    connection, row.tenant_id, "describe", description_id, video_seconds=info.duration_seconds
                )

    async def set_failed(self, id: str, error: str) -> None:
        async with self._database.write() as connection:
            await connection.execute(update(files).where(files.c.id == id).values(status="failed", error=error))
            await connection.execute(
                update(descriptions)
                .where(descriptions.c.file_id == id, descriptions.c.status == "pending")
                .values(status="failed", error=error)
            )


async def at_most(chunks: AsyncIterator[bytes], most: int, error: ArcusError) -> AsyncIterator[bytes]:
    """The chunks; raises the error in place of the one with which they have more bytes than `most`."""
    async for chunk in chunks:
        most -= len(chunk)
        if most < 0:
            raise error
        yield chunk


def short_name(name: str) -> str:
    """At most MAX_NAME_CHARACTERS of a name, its extension among them."""
    name = name.strip()
    stem, dot, extension = name.rpartition(".")
    tail = dot + extension if stem and len(extension) <= 10 else ""
    return name if len(name) <= MAX_NAME_CHARACTERS else name[: MAX_NAME_CHARACTERS - len(tail)] + tail
