"""Tenants: who has keys, files and answers of their own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any
from uuid import uuid4

from sqlalchemy import RowMapping, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from services.core.clock import now_ms
from services.core.errors import ArcusError, Reason, invalid, not_found
from services.core.store.database import Database
from services.core.store.pages import Listing, Page, list_page
from services.core.store.schema import tenants
from services.core.store.tombstones import is_kept, mark_deleted
from services.core.tenants.audit import LOCAL, Action, Actor, record
from services.core.tenants.plans import Limits, check_limits, check_plan

MAX_NAME = 200


@dataclass(frozen=True)
class Tenant:
    """Times in Unix milliseconds. Without a plan it has the default one; `limits` holds where its own differ from the plan's."""

    id: str
    name: str
    created_at: int
    suspended_at: int | None = None
    plan: str | None = None
    limits: dict[str, Any] | None = None

    @classmethod
    def from_row(cls, row: RowMapping) -> Tenant:
        return cls(**{name: row[name] for name in cls.__dataclass_fields__})


class Tenants:
    """Each change leaves a row in the audit. Keys follow a suspension, and requests new limits, within two seconds."""

    def __init__(self, database: Database, plans: Mapping[str, Limits]) -> None:
        self._database = database
        self._plans = plans

    async def create(self, name: str, actor: Actor = LOCAL) -> Tenant:
        """Raises ALREADY_EXISTS."""
        try:
            async with self._database.write() as connection:
                return await _make(connection, name, actor)
        except IntegrityError as error:
            raise ArcusError(Reason.ALREADY_EXISTS, "There is a tenant of this name; choose another.") from error

    async def get(self, id: str) -> Tenant:
        async with self._database.read() as connection:
            return await _one(connection, id)

    async def list(self, page: Page = Page(sort="asc"), *, name: str | None = None) -> Listing[Tenant]:
        query = select(tenants).where(is_kept(tenants))
        if name is not None:
            query = query.where(tenants.c.name == name)
        return await list_page(
            self._database,
            query,
            page,
            orders={"created_at": tenants.c.created_at},
            tie=tenants.c.id,
            build=Tenant.from_row,
        )

    async def suspend(self, id: str, actor: Actor = LOCAL) -> Tenant:
        """None of its keys is let in; what runs goes on."""
        return await self._change(id, Action.TENANT_SUSPEND, actor, {"suspended_at": now_ms()})

    async def resume(self, id: str, actor: Actor = LOCAL) -> Tenant:
        return await self._change(id, Action.TENANT_RESUME, actor, {"suspended_at": None})

    async def delete(self, id: str, confirm: str, actor: Actor = LOCAL) -> None:
        """Lets in none of its keys, for ever, and marks all that it has as deleted: `Deletions` takes it away. Its name is free.

        `confirm`: its name or id. Raises NOT_FOUND, INVALID_ARGUMENT.
        """
        async with self._database.write() as connection:
            before = await _one(connection, id, lock=True)
            if confirm not in (before.name, id):
                raise invalid(
                    "This deletes the tenant with all that it has: say its name or its id again to confirm.",
                    field="confirm",
                )
            await connection.execute(mark_deleted(tenants, tenants.c.id == id, name=tenants.c.id))
            after = {"id": id, "deleted_at": now_ms()}
            await record(connection, actor, Action.TENANT_DELETE, id, before=asdict(before), after=after)

    async def update(self, id: str, changes: Mapping[str, Any], actor: Actor = LOCAL) -> Tenant:
        """`changes`: a `plan`, or None for the default one; `limits` in place of those it had, or None for the plan's."""
        await self.get(id)
        if not changes:
            raise invalid("There is nothing to change; give a plan, limits, or both.")
        if changes.get("plan") is not None:
            check_plan(changes["plan"], self._plans)
        check_limits(Limits, changes.get("limits") or {})
        return await self._change(id, Action.TENANT_UPDATE, actor, dict(changes))

    async def _change(self, id: str, action: Action, actor: Actor, values: dict[str, Any]) -> Tenant:
        async with self._database.write() as connection:
            before = await _one(connection, id, lock=True)
            await connection.execute(update(tenants).where(tenants.c.id == id).values(values))
            after = await _one(connection, id)
            await record(connection, actor, action, id, before=asdict(before), after=asdict(after))
        return after


def check_name(name: str, noun: str, *, field: str) -> None:
    if not name.strip() or len(name) > MAX_NAME:
        raise invalid(f"{noun}'s name has 1 to {MAX_NAME} characters.", field=field)


async def ensure_tenant(connection: AsyncConnection, name: str, actor: Actor) -> str:
    """The id of the tenant of this name, which is made if it is not there; the caller keeps others from making it too."""
    check_name(name, "A tenant", field="tenant")
    row = (await connection.execute(select(tenants.c.id).where(tenants.c.name == name))).first()
    return row.id if row is not None else (await _make(connection, name, actor)).id


async def _make(connection: AsyncConnection, name: str, actor: Actor) -> Tenant:
    check_name(name, "A tenant", field="name")
    made = Tenant(str(uuid4()), name, now_ms())
    await connection.execute(insert(tenants).values(asdict(made)))
    await record(connection, actor, Action.TENANT_CREATE, made.id, after=asdict(made))
    return made


async def _one(connection: AsyncConnection, id: str, *, lock: bool = False) -> Tenant:
    query = select(tenants).where(tenants.c.id == id, is_kept(tenants))
    row = (await connection.execute(query.with_for_update() if lock else query)).mappings().first()
    if row is None:
        raise not_found("Tenant", id)
    return Tenant.from_row(row)
