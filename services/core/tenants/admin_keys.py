"""Admin keys: they open the administration, and nothing that tenants keep. A tenant's key is none, and none is a tenant's."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from uuid import uuid4

from sqlalchemy import RowMapping, bindparam, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from services.core.clock import now_ms
from services.core.errors import Reason, invalid, not_found
from services.core.store.database import Database
from services.core.store.pages import Listing, Page, list_page
from services.core.store.tenant_schema import admin_keys
from services.core.tenants.audit import LOCAL, Action, Actor, record
from services.core.tenants.known_keys import KnownKeys, Refusal, check_strength, hash_of
from services.core.tenants.tenants import check_name

PREFIX = "admin-"
UNKNOWN = Refusal(
    Reason.UNAUTHENTICATED, "The admin key is not valid; 'arcus up' keeps one in admin_key of its data folder."
)
REVOKED = Refusal(Reason.UNAUTHENTICATED, "The admin key was revoked; use another.")
_columns = [admin_keys.c[name] for name in ("id", "name", "hint", "created_at", "revoked_at")]
_owners = select(admin_keys.c.hash, admin_keys.c.id, admin_keys.c.revoked_at).where(
    admin_keys.c.hash.in_(bindparam("digests", expanding=True))
)


@dataclass(frozen=True)
class AdminKey:
    """Times in Unix milliseconds."""

    id: str
    name: str
    hint: str
    created_at: int
    revoked_at: int | None

    @classmethod
    def from_row(cls, row: RowMapping) -> AdminKey:
        return cls(**{name: row[name] for name in cls.__dataclass_fields__})


class AdminKeys:
    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: KnownKeys[str] = KnownKeys(self._find, UNKNOWN, name="admin-keys")

    async def authenticate(self, key: str) -> str:
        """The id of an admin key. Raises UNAUTHENTICATED."""
        return await self._known.owner(key)

    async def create(self, name: str, actor: Actor = LOCAL) -> tuple[str, AdminKey]:
        """The key itself, which can't be read again, and what is kept of it."""
        check_name(name, "An admin key", field="name")
        key = f"{PREFIX}{secrets.token_urlsafe(32)}"
        async with self._database.write() as connection:
            return key, await _make(connection, name, key, actor)

    async def ensure(self, key: str, name: str) -> None:
        """Makes an admin key of one that somebody chose, unless it is one. Raises INVALID_ARGUMENT for one that was revoked."""
        check_strength(key)
        async with self._database.write() as connection:
            await self._database.lock(connection)
            query = select(admin_keys.c.revoked_at).where(admin_keys.c.hash == hash_of(key))
            row = (await connection.execute(query)).first()
            if row is None:
                await _make(connection, name, key, LOCAL)
            elif row.revoked_at is not None:
                raise invalid("That admin key was revoked; set ARCUS_ADMIN_KEY to another.", field="admin_key")
        self._known.forget(hash_of(key))

    async def list(self, page: Page = Page(sort="asc")) -> Listing[AdminKey]:
        return await list_page(
            self._database,
            select(*_columns),
            page,
            orders={"created_at": admin_keys.c.created_at},
            tie=admin_keys.c.id,
            build=AdminKey.from_row,
        )

    async def revoke(self, id: str, actor: Actor = LOCAL) -> AdminKey:
        """For ever; other fronts refuse it within two seconds. The one that asks can't revoke itself."""
        if id == actor.key_id:
            raise invalid("An admin key can't revoke itself; use another one.", field="key_id")
        async with self._database.write() as connection:
            row = (await connection.execute(select(*_columns).where(admin_keys.c.id == id))).mappings().first()
            if row is None:
                raise not_found("Admin key", id)
            before = AdminKey.from_row(row)
            after = AdminKey(**{**asdict(before), "revoked_at": before.revoked_at or now_ms()})
            await connection.execute(
                update(admin_keys).where(admin_keys.c.id == id).values(revoked_at=after.revoked_at)
            )
            await record(connection, actor, Action.ADMIN_KEY_REVOKE, id, before=asdict(before), after=asdict(after))
        self._known.forget()
        return after

    async def _find(self, digests: Sequence[str]) -> Mapping[str, str | Refusal]:
        rows = await self._database.fetch(_owners, {"digests": digests})
        return {row.hash: row.id if row.revoked_at is None else REVOKED for row in rows}


async def _make(connection: AsyncConnection, name: str, key: str, actor: Actor) -> AdminKey:
    made = AdminKey(str(uuid4()), name, key[:9] + "…", now_ms(), None)
    await connection.execute(insert(admin_keys).values(hash=hash_of(key), **asdict(made)))
    await record(connection, actor, Action.ADMIN_KEY_CREATE, made.id, after=asdict(made))
    return made
