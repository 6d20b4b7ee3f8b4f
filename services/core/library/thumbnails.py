"""Thumbnails: JPEG pictures of a file or a segment, fetched through links that carry their own permission."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import RowMapping, Select, select

from services.core.errors import ArcusError, Reason, not_found
from services.core.store.database import Database
from services.core.store.objects import Objects
from services.core.store.pages import Listing, Page, list_page
from services.core.store.schema import files, thumbnails
from services.core.store.tombstones import is_kept, of_kept_file


@dataclass(frozen=True)
class Thumbnail:
    id: str
    file_id: str
    segmentation_id: str | None
    segment_id: str | None
    time: float
    width: int
    height: int
    object_key: str

    @classmethod
    def from_row(cls, row: RowMapping) -> Thumbnail:
        return cls(**{name: row[name] for name in cls.__dataclass_fields__})


@dataclass(frozen=True)
class NewThumbnail:
    """A picture that is in the object store already. `time` in seconds, sizes in pixels."""

    time: float
    width: int
    height: int
    object_key: str


class Thumbnails:
    def __init__(self, database: Database, objects: Objects, *, secret: str, other_secret: str = "") -> None:
        """`other_secret`: one whose links are taken too."""
        self._database = database
        self._objects = objects
        self._secret = secret.encode()
        self._known = [known.encode() for known in (secret, other_secret) if known]

    async def list(
        self,
        tenant_id: str,
        file_id: str,
        page: Page,
        *,
        is_default: bool | None = None,
        segmentation_id: str | None = None,
    ) -> Listing[Thumbnail]:
        """Of one file, in order of time. The default one belongs to no segment."""
        query = _thumbnails(tenant_id).where(thumbnails.c.file_id == file_id)
        if is_default is not None:
            query = query.where(
                thumbnails.c.segment_id.is_(None) if is_default else thumbnails.c.segment_id.is_not(None)
            )
        if segmentation_id is not None:
            query = query.where(thumbnails.c.segmentation_id == segmentation_id)
        orders = {"time": thumbnails.c.time}
        return await list_page(
            self._database, query, page, orders=orders, tie=thumbnails.c.id, build=Thumbnail.from_row
        )

    async def of_segments(self, tenant_id: str, segment_ids: Sequence[str]) -> dict[str, Thumbnail]:
        query = _thumbnails(tenant_id).where(thumbnails.c.segment_id.in_(list(segment_ids)))
        async with self._database.read() as connection:
            return {row["segment_id"]: Thumbnail.from_row(row) for row in (await connection.execute(query)).mappings()}

    async def defaults(self, tenant_id: str, file_ids: Sequence[str]) -> dict[str, Thumbnail]:
        """The default thumbnail of each file, by file id."""
        query = _thumbnails(tenant_id).where(
            thumbnails.c.file_id.in_(list(file_ids)), thumbnails.c.segment_id.is_(None)
        )
        async with self._database.read() as connection:
            return {row["file_id"]: Thumbnail.from_row(row) for row in (await connection.execute(query)).mappings()}

    def signature(self, id: str) -> str:
        """What makes a link to this thumbnail work without a key."""
        return _signature(self._secret, id)

    async def picture(self, id: str, signature: str) -> bytes:
        """JPEG bytes. Raises UNAUTHENTICATED for a link that was not made here, NOT_FOUND once the file is deleted."""
        given = signature.encode()
        if not any([hmac.compare_digest(given, _signature(known, id).encode()) for known in self._known]):
            raise ArcusError(Reason.UNAUTHENTICATED, "This link is not valid; get a new one from the API.")
        async with self._database.read() as connection:
            query = select(thumbnails.c.object_key).join(files).where(thumbnails.c.id == id, is_kept(files))
            key = (await connection.execute(query)).scalar()
        if key is None:
            raise not_found("Thumbnail", id)
        return await self._objects.get(key)


def _signature(secret: bytes, id: str) -> str:
    return hmac.new(secret, id.encode(), hashlib.sha256).hexdigest()[:32]


def _thumbnails(tenant_id: str) -> Select:
    return select(thumbnails).where(thumbnails.c.tenant_id == tenant_id, of_kept_file(thumbnails.c.file_id))
