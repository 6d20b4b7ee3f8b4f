"""All that a tenant has, in files for whoever asks for it: its rows as JSON lines, and its objects as they were stored."""

from __future__ import annotations

import asyncio
import errno
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

from sqlalchemy import LargeBinary, Table, select, tuple_

from services.core.clock import now_ms
from services.core.errors import ArcusError, Reason, invalid
from services.core.store.database import Database
from services.core.store.objects import Objects
from services.core.store.schema import (
    api_keys,
    chats,
    collection_files,
    collections,
    descriptions,
    extractions,
    files,
    responses,
    searches,
    segment_descriptions,
    segment_entities,
    segmentations,
    segments,
    thumbnails,
)
from services.core.store.tenant_schema import audit_records, usage_records
from services.core.store.tombstones import is_kept, of_kept_file
from services.core.tenants.audit import LOCAL, Action, Actor, record
from services.core.tenants.tenants import Tenants

# What is left out is derived (vectors, the index, full text) or of the work itself (jobs, leases, limits, events of answers).
TABLES = (
    api_keys,
    files,
    collections,
    collection_files,
    segmentations,
    segments,
    descriptions,
    segment_descriptions,
    extractions,
    segment_entities,
    thumbnails,
    responses,
    searches,
    chats,
    usage_records,
)
SECRET = {"hash"}
PAGE_ROWS = 200
SUMMARY = "export.json"


@dataclass(frozen=True)
class TenantExport:
    """What was written: rows by table, and the objects with their bytes. Times in Unix milliseconds."""

    tenant: Mapping[str, Any]
    begun_at: int
    ended_at: int
    rows: Mapping[str, int]
    objects: int
    object_bytes: int


class TenantExports:
    def __init__(self, database: Database, objects: Objects) -> None:
        self._database = database
        self._objects = objects

    async def write(self, tenant_id: str, folder: Path, actor: Actor = LOCAL) -> TenantExport:
        """Into a new or empty folder: TABLE.jsonl for each table, objects/ with each object under its key, and at the end
        export.json, which says that all of it is there. What changes meanwhile is written as it was when it was read.

        Raises NOT_FOUND, INVALID_ARGUMENT (the folder), STORAGE_FULL, STORAGE_UNAVAILABLE. Leaves a row in the audit.
        """
        tenant = await Tenants(self._database, {}).get(tenant_id)
        begun_at = now_ms()
        _make_empty(folder)
        async with self._database.write() as connection:
            await record(connection, actor, Action.TENANT_EXPORT, tenant_id, after={"id": tenant_id})
        try:
            rows = {table.name: await self._write_rows(tenant_id, table, folder) for table in TABLES}
            rows["audit_records"] = await self._write_rows(tenant_id, audit_records, folder)
            objects, object_bytes = await self._write_objects(tenant_id, folder)
            export = TenantExport(asdict(tenant), begun_at, now_ms(), rows, objects, object_bytes)
            with _opened(folder / SUMMARY) as file:
                file.write(json.dumps(asdict(export), indent=1).encode())
        except OSError as error:
            raise ArcusError(
                Reason.STORAGE_FULL if error.errno == errno.ENOSPC else Reason.STORAGE_UNAVAILABLE,
                f"{folder} can't be written to ({error.strerror}); what is there has no {SUMMARY} and is not whole.",
            ) from error
        return export

    async def _write_rows(self, tenant_id: str, table: Table, folder: Path) -> int:
        """A page at a time, by the primary key. Rows that are marked as deleted, and what hangs on their files, are gone."""
        columns = [each for each in table.c if each.name not in SECRET and not isinstance(each.type, LargeBinary)]
        mine = table.c.target_id if table is audit_records else table.c.tenant_id
        key = list(table.primary_key.columns)
        query = select(*columns).where(mine == tenant_id).order_by(*key).limit(PAGE_ROWS)
        if "deleted_at" in table.c:
            query = query.where(is_kept(table))
        if "file_id" in table.c:
            query = query.where(of_kept_file(table.c.file_id))
        written = 0
        with _opened(folder / f"{table.name}.jsonl") as file:
            page = query
            while found := await self._database.fetch(page):
                lines = b"".join(_line(row._asdict()) for row in found)
                await asyncio.to_thread(file.write, lines)
                written += len(found)
                last = [found[-1]._mapping[each] for each in key]
                page = query.where(tuple_(*key) > tuple_(*last))
        return written

    async def _write_objects(self, tenant_id: str, folder: Path) -> tuple[int, int]:
        root = f"tenants/{tenant_id}/"
        count = size_bytes = 0
        async for stored in self._objects.list(root.rstrip("/")):
            to = folder / "objects" / stored.key.removeprefix(root)
            to.parent.mkdir(parents=True, exist_ok=True)
            try:
                with _opened(to) as file:
                    async for chunk in self._objects.chunks(stored.key):
                        await asyncio.to_thread(file.write, chunk)
                        size_bytes += len(chunk)
            except ArcusError as error:
                if error.reason is not Reason.NOT_FOUND:
                    raise
                to.unlink()  # deleted meanwhile
            else:
                count += 1
        return count, size_bytes


def _make_empty(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise invalid(f"{folder} is not empty; name a new folder.", field="to")
    except OSError as error:
        raise invalid(f"{folder} can't be used ({error.strerror}); name a new folder.", field="to") from error


def _opened(path: Path) -> IO[bytes]:
    """A new file that only its owner reads."""
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")


def _line(row: dict[str, Any]) -> bytes:
    return json.dumps(row, ensure_ascii=False).encode() + b"\n"
