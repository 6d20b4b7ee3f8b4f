"""Collections: a named set of files that are understood in one way and asked together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from sqlalchemy import Row, RowMapping, bindparam, func, insert, literal, select, update
from sqlalchemy.exc import IntegrityError

from services.core.clock import now_ms
from services.core.entities.configs import parse_extract_config
from services.core.errors import ArcusError, Reason, invalid, not_found
from services.core.index.embedding_log import Placement
from services.core.index.shards import shard_of
from services.core.library.deletions import Deletions
from services.core.library.segmentations import DEFAULT_SEGMENTATION, parse_segmentation
from services.core.media import DescribeConfig
from services.core.store.database import Database
from services.core.store.pages import CreatedRange, Listing, Page, list_page
from services.core.store.schema import collection_files, collection_shards, collections, shards
from services.core.store.tombstones import is_kept, mark_deleted, of_kept_file

COLLECTION_TYPES = ("media-descriptions", "rich-transcripts", "entities")
KNOWN_TYPES = ("media-descriptions", "entities", "rich-transcripts", "face-analysis", "metadata", "moments")
MAX_PROMPT = 2000


@dataclass(frozen=True)
class Collection:
    id: str
    tenant_id: str
    name: str
    description: str | None
    collection_type: str
    describe_config: dict[str, Any]
    segmentation_config: dict[str, Any]
    thumbnails_config: dict[str, Any]
    extract_config: dict[str, Any] | None  # of the type entities alone
    shard: int
    created_at: int
    file_count: int

    @classmethod
    def from_row(cls, row: RowMapping) -> Collection:
        return cls(**{name: row[name] for name in cls.__dataclass_fields__})


_file_count = (
    select(func.count())
    .select_from(collection_files)
    .where(collection_files.c.collection_id == collections.c.id, of_kept_file(collection_files.c.file_id))
    .scalar_subquery()
    .label("file_count")
)

_of_tenant = (collections.c.tenant_id == bindparam("tenant_id"), is_kept(collections))
_placed = (  # a row for each shard that holds one
    select(collections, literal(0).label("file_count"), shards.c.shard.label("held_by"), shards.c.last_sequence)
    .outerjoin(collection_shards, collection_shards.c.collection_id == collections.c.id)
    .outerjoin(shards, shards.c.shard == collection_shards.c.shard)
    .where(*_of_tenant)
)
_one = select(collections, _file_count).where(*_of_tenant, collections.c.id == bindparam("collection_id"))
_newest_ids = (
    select(collections.c.id).where(*_of_tenant).order_by(collections.c.created_at.desc()).limit(bindparam("most"))
)
_newest = _placed.where(collections.c.id.in_(_newest_ids)).order_by(collections.c.created_at.desc())


def _read(rows: Sequence[Row[Any]]) -> tuple[dict[str, Collection], Sequence[Placement]]:
    """Of `_placed`."""
    found = {row.id: Collection.from_row(row._mapping) for row in rows}
    return found, [Placement(row.id, row.held_by, row.last_sequence) for row in rows if row.held_by is not None]


class Collections:
    def __init__(self, database: Database, *, shard_count: int) -> None:
        self._database = database
        self._deletions = Deletions(database)
        self._shard_count = shard_count

    async def create(
        self,
        tenant_id: str,
        *,
        name: str,
        collection_type: str,
        description: str | None = None,
        describe_config: dict[str, Any] | None = None,
        extract_config: dict[str, Any] | None = None,
        transcribe_config: dict[str, Any] | None = None,
        segmentation_config: dict[str, Any] | None = None,
        thumbnails_config: dict[str, Any] | None = None,
    ) -> Collection:
        """Of the configurations, the one of the collection's type counts, and the others are ignored.

        Raises ALREADY_EXISTS for a name in use, INVALID_ARGUMENT naming the field, STORAGE_FULL.
        """
        self._database.check_space()
        name = _name(name)
        if collection_type not in KNOWN_TYPES:
            raise invalid(f"collection_type must be one of: {', '.join(KNOWN_TYPES)}", field="collection_type")
        if collection_type not in COLLECTION_TYPES:
            raise invalid(
                f"Collections of type {collection_type} are not offered by this server; "
                f"use one of: {', '.join(COLLECTION_TYPES)}.",
                field="collection_type",
            )
        if segmentation_config is not None:
            if segmentation_config.get("strategy") == "manual":
                raise invalid(
                    "A collection's default segmentation can't be manual: give it when adding a file.",
                    field="default_segmentation_config.strategy",
                )
            parse_segmentation(segmentation_config, field="default_segmentation_config")
        extract = parse_extract_config(extract_config) if collection_type == "entities" else None
        if extract is not None:
            describing = extract.describe_config
        elif collection_type == "rich-transcripts":  # a rich transcript is a description under its transcribe_config
            describing = describe_settings(transcribe_config, field="transcribe_config")
        else:
            describing = describe_settings(describe_config)
        id = str(uuid4())
        values: dict[str, Any] = {
            "id": id,
            "tenant_id": tenant_id,
            "name": name,
            "description": description,
            "collection_type": collection_type,
            "describe_config": describing.to_json(),
            "extract_config": extract.to_json() if extract else None,
            "segmentation_config": segmentation_config or DEFAULT_SEGMENTATION,
            "thumbnails_config": thumbnails_config or {"enable_segment_thumbnails": True},
            "shard": shard_of(id, self._shard_count),
            "created_at": now_ms(),
        }
        try:
            async with self._database.write() as connection:
                await connection.execute(insert(collections).values(**values))
        except IntegrityError as error:
            raise _duplicate(name) from error
        return Collection(**values, file_count=0)

    async def get(self, tenant_id: str, id: str) -> Collection:
        rows = await self._database.fetch(_one, {"tenant_id": tenant_id, "collection_id": id})
        if not rows:
            raise not_found("Collection", id)
        return Collection.from_row(rows[0]._mapping)

    async def of_type(
        self, tenant_id: str, id: str, collection_type: str, *, field: str = "collection_id"
    ) -> Collection:
        """Raises NOT_FOUND, or INVALID_ARGUMENT where the collection is of another type."""
        collection = await self.get(tenant_id, id)
        if collection.collection_type != collection_type:
            raise invalid(f"This collection holds {collection.collection_type}, not {collection_type}.", field=field)
        return collection

    async def to_search(self, tenant_id: str, ids: Sequence[str]) -> tuple[Sequence[Collection], Sequence[Placement]]:
        """(collections in the order of the ids, without counts of files; where they are).

        Raises NOT_FOUND for the first that is not the tenant's.
        """
        many = _placed.where(self._database.among(collections.c.id, ids))
        found, placements = _read(await self._database.fetch(many, {"tenant_id": tenant_id}))
        for id in ids:
            if id not in found:
                raise not_found("Collection", id)
        return [found[id] for id in ids], placements

    async def list(
        self,
        tenant_id: str,
        page: Page,
        *,
        collection_type: str | None = None,
        created: CreatedRange = CreatedRange(),
    ) -> Listing[Collection]:
        if collection_type is not None and collection_type not in KNOWN_TYPES:
            raise invalid(f"collection_type must be one of: {', '.join(KNOWN_TYPES)}", field="collection_type")
        query = select(collections, _file_count).where(collections.c.tenant_id == tenant_id, is_kept(collections))
        query = created.apply(query, collections.c.created_at)
        if collection_type is not None:
            query = query.where(collections.c.collection_type == collection_type)
        orders = {"created_at": collections.c.created_at, "name": collections.c.name}
        return await list_page(
            self._database, query, page, orders=orders, tie=collections.c.id, build=Collection.from_row
        )

    async def newest_to_search(self, tenant_id: str, limit: int) -> tuple[Sequence[Collection], Sequence[Placement]]:
        """As `to_search`, of the tenant's collections, at most `limit`, those made last first."""
        found, placements = _read(await self._database.fetch(_newest, {"tenant_id": tenant_id, "most": limit}))
        return list(found.values()), placements

    async def update(
        self, tenant_id: str, id: str, *, name: str | None = None, description: str | None = None
    ) -> Collection:
        values: dict[str, Any] = {} if name is None else {"name": _name(name)}
        if description is not None:
            values["description"] = description
        if values:
            try:
                async with self._database.write() as connection:
                    await connection.execute(
                        update(collections)
                        .where(collections.c.tenant_id == tenant_id, collections.c.id == id, is_kept(collections))
                        .values(**values)
                    )
            except IntegrityError as error:
                raise _duplicate(name or "") from error
        return await self.get(tenant_id, id)

    async def delete(self, tenant_id: str, id: str) -> None:
        """Nobody finds the collection from now on, and its name is free. What it holds leaves the database and the index in
        short steps: of much, most goes later. Its files stay."""
        which = (collections.c.tenant_id == tenant_id, collections.c.id == id, is_kept(collections))
        async with self._database.write() as connection:
            gone = await connection.execute(mark_deleted(collections, *which, name=collections.c.id))
            if gone.rowcount == 0:
                raise not_found("Collection", id)
        await self._deletions.begin(collections, id)


def describe_settings(value: dict[str, Any] | None, *, field: str = "describe_config") -> DescribeConfig:
    """Reads describe_config or transcribe_config; a flag that is absent is on."""
    value = {key: item for key, item in (value or {}).items() if item is not None}
    unknown = set(value) - set(DescribeConfig.__dataclass_fields__)
    if unknown:
        raise invalid(f"{field} has an unknown key: {sorted(unknown)[0]}", field=field)
    for key, item in value.items():
        kind = str if key == "prompt" else bool
        if not isinstance(item, kind):
            raise invalid(f"{field}.{key} must be a {kind.__name__}", field=f"{field}.{key}")
    if len(value.get("prompt", "")) > MAX_PROMPT:
        raise invalid(f"{field}.prompt has at most {MAX_PROMPT} characters", field=f"{field}.prompt")
    return DescribeConfig(**value)


def _name(name: str) -> str:
    if not name.strip() or len(name) > 255:
        raise invalid("name must have 1 to 255 characters", field="name")
    return name.strip()


def _duplicate(name: str) -> ArcusError:
    return ArcusError(
        Reason.ALREADY_EXISTS,
        f"A collection named {name!r} exists already; choose another name.",
        field="name",
    )
