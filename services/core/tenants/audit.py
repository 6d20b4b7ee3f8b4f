"""The audit: one row for each change to tenants and keys, written in the transaction that makes the change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import RowMapping, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from services.core.clock import now_ms
from services.core.store.database import Database
from services.core.store.pages import CreatedRange, Listing, Page, list_page
from services.core.store.tenant_schema import audit_records


class Action(StrEnum):
    TENANT_CREATE = "tenant.create"
    TENANT_UPDATE = "tenant.update"
    TENANT_SUSPEND = "tenant.suspend"
    TENANT_RESUME = "tenant.resume"
    TENANT_EXPORT = "tenant.export"
    TENANT_DELETE = "tenant.delete"
    KEY_CREATE = "key.create"
    KEY_UPDATE = "key.update"
    KEY_ROTATE = "key.rotate"
    KEY_BLOCK = "key.block"
    KEY_UNBLOCK = "key.unblock"
    KEY_REVOKE = "key.revoke"
    ADMIN_KEY_CREATE = "admin_key.create"
    ADMIN_KEY_REVOKE = "admin_key.revoke"

    @property
    def target_type(self) -> str:
        return self.value.partition(".")[0]


@dataclass(frozen=True)
class Actor:
    """Who makes a change. Without a key: whoever has the database itself, by the command line."""

    key_id: str | None = None
    address: str = ""
    request_id: str = ""


LOCAL = Actor()


@dataclass(frozen=True)
class AuditRecord:
    id: int
    at: int
    actor_key_id: str | None
    action: str
    target_type: str
    target_id: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    address: str
    request_id: str

    @classmethod
    def from_row(cls, row: RowMapping) -> AuditRecord:
        return cls(**{name: row[name] for name in cls.__dataclass_fields__})


async def record(
    connection: AsyncConnection,
    actor: Actor,
    action: Action,
    target_id: str,
    *,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
) -> None:
    """`before` and `after` are as the administration shows the target: no key is in them, and no hash of one."""
    await connection.execute(
        insert(audit_records).values(
            at=now_ms(),
            actor_key_id=actor.key_id,
            action=action.value,
            target_type=action.target_type,
            target_id=target_id,
            before=before,
            after=after,
            address=actor.address[:64],
            request_id=actor.request_id[:64],
        )
    )


class Audit:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def list(
        self, page: Page, *, target_id: str | None = None, created: CreatedRange = CreatedRange()
    ) -> Listing[AuditRecord]:
        query = created.apply(select(audit_records), audit_records.c.at)
        if target_id is not None:
            query = query.where(audit_records.c.target_id == target_id)
        return await list_page(
            self._database,
            query,
            page,
            orders={"at": audit_records.c.at},
            tie=audit_records.c.id,
            build=AuditRecord.from_row,
        )
