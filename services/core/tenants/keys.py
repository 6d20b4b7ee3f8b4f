"""API keys of tenants, which are stored only as hashes."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any
from uuid import uuid4

import structlog
from sqlalchemy import Row, RowMapping, Select, bindparam, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from services.core.clock import now_ms
from services.core.errors import ArcusError, Reason, invalid, not_found
from services.core.store.database import Database
from services.core.store.pages import Listing, Page, list_page
from services.core.store.schema import api_keys, tenants
from services.core.store.tombstones import is_kept
from services.core.tenants.audit import LOCAL, Action, Actor, record
from services.core.tenants.known_keys import KnownKeys, Refusal, check_strength, hash_of
from services.core.tenants.plans import Rates, check_limits
from services.core.tenants.scopes import ALL_SCOPES, Scope, scopes_of, scopes_text
from services.core.tenants.tenants import check_name, ensure_tenant

MAX_LIFE_MS = 100 * 365 * 86_400_000
MAX_OVERLAP_MS = 30 * 86_400_000
USE_MS = 60_000  # how often it is noted that a key is used
UNKNOWN = Refusal(Reason.UNAUTHENTICATED, "The API key is not valid; make one with 'arcus keys create'.")
REVOKED = Refusal(Reason.UNAUTHENTICATED, "The API key was revoked; make another with 'arcus keys create'.")
EXPIRED = Refusal(Reason.UNAUTHENTICATED, "The API key has expired; make another with 'arcus keys create'.")
BLOCKED = Refusal(Reason.PERMISSION_DENIED, "The API key is blocked; 'arcus keys unblock' lets it in again.")
SUSPENDED = Refusal(
    Reason.PERMISSION_DENIED, "The tenant of this API key is suspended; 'arcus tenants resume' lets it in again."
)
DELETED = Refusal(Reason.UNAUTHENTICATED, "The tenant of this API key was deleted.")
_columns = (
    *(column for column in api_keys.c if column.name in ("id", "tenant_id", "name", "hint", "scopes", "limits")),
    *(column for column in api_keys.c if column.name.endswith("_at")),
)
_owners = (
    select(
        api_keys.c.hash,
        api_keys.c.tenant_id,
        api_keys.c.id,
        api_keys.c.scopes,
        api_keys.c.expires_at,
        api_keys.c.blocked_at,
        api_keys.c.revoked_at,
        tenants.c.suspended_at,
        tenants.c.deleted_at,
    )
    .join(tenants)
    .where(api_keys.c.hash.in_(bindparam("digests", expanding=True)))
)
_used = (
    update(api_keys)
    .where(
        api_keys.c.id == bindparam("key_id"),
        or_(api_keys.c.last_used_at.is_(None), api_keys.c.last_used_at <= bindparam("used_before")),
    )
    .values(last_used_at=bindparam("used_at"))
)

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Caller:
    """Who sent a request: a tenant, by one of its keys."""

    tenant_id: str
    key_id: str
    scopes: frozenset[Scope] = ALL_SCOPES
    expires_at: int | None = None

    def require(self, scope: Scope | None) -> None:
        """None: all of them. Raises PERMISSION_DENIED."""
        wanted = ALL_SCOPES if scope is None else {scope}
        if not wanted <= self.scopes:
            raise ArcusError(
                Reason.PERMISSION_DENIED,
                f"This needs a key with the scope {scope or scopes_text(ALL_SCOPES)}; this one has: "
                f"{scopes_text(self.scopes)}.",
            )


@dataclass(frozen=True)
class ApiKey:
    """Times in Unix milliseconds. `limits`: of its own, within its tenant's."""

    id: str
    tenant_id: str
    tenant: str
    name: str
    hint: str
    scopes: str
    limits: dict[str, Any] | None
    created_at: int
    expires_at: int | None
    last_used_at: int | None
    blocked_at: int | None
    revoked_at: int | None

    @classmethod
    def from_row(cls, row: RowMapping) -> ApiKey:
        return cls(**{name: row[name] for name in cls.__dataclass_fields__})

    def state(self, now: int) -> str:
        if self.revoked_at is not None:
            return "revoked"
        if self.expires_at is not None and self.expires_at <= now:
            return "expired"
        return "active" if self.blocked_at is None else "blocked"


class Keys:
    """What is changed here counts at once; elsewhere within CACHE_MS. Each change leaves a row in the audit."""

    def __init__(self, database: Database, *, clock: Callable[[], int] = now_ms) -> None:
        self._database = database
        self._clock = clock
        self._known: KnownKeys[Caller] = KnownKeys(self._find, UNKNOWN, name="keys")
        self._uses: dict[str, int] = {}  # of keys that are valid, when last used

    async def create(
        self,
        tenant: str,
        key: str | None = None,
        *,
        name: str = "",
        scopes: frozenset[Scope] = ALL_SCOPES,
        expires_at: int | None = None,
        actor: Actor = LOCAL,
    ) -> str:
        """Makes a key for a tenant, and the tenant if it is new. The key itself can't be read again. Idempotent by key."""
        async with self._database.write() as connection:
            await self._database.lock(connection)
            tenant_id = await ensure_tenant(connection, tenant, actor)
            known = await _of_hash(connection, hash_of(key)) if key else None
            if known is None:
                key, _ = await self._make(connection, tenant_id, key, name, scopes, expires_at, actor)
            elif known.tenant_id != tenant_id or known.revoked_at is not None:
                raise invalid("That API key was revoked or belongs to another tenant; choose another.", field="api_key")
        assert key is not None
        self._known.forget(hash_of(key))
        return key

    async def issue(
        self,
        tenant_id: str,
        *,
        name: str = "",
        scopes: frozenset[Scope] = ALL_SCOPES,
        expires_at: int | None = None,
        actor: Actor = LOCAL,
    ) -> tuple[str, ApiKey]:
        """A new key of a tenant that is there: itself, which can't be read again, and what is kept of it."""
        async with self._database.write() as connection:
            known = select(tenants.c.id).where(tenants.c.id == tenant_id, is_kept(tenants))
            if (await connection.execute(known)).first() is None:
                raise not_found("Tenant", tenant_id)
            return await self._make(connection, tenant_id, None, name, scopes, expires_at, actor)

    async def rotate(self, id: str, *, overlap_ms: int, actor: Actor = LOCAL) -> tuple[str, ApiKey]:
        """A new key like another, which expires once the overlap is over. The new one lasts as long as that one was to."""
        if not 0 <= overlap_ms <= MAX_OVERLAP_MS:
            raise invalid(f"The overlap is from 0 to {MAX_OVERLAP_MS // 86_400_000} days.", field="overlap")
        now = self._clock()
        async with self._database.write() as connection:
            old, digest = await _locked(connection, api_keys.c.id == id, id)
            if old.state(now) != "active":
                raise invalid(f"The key is {old.state(now)}; make a new one instead.", field="key_id")
            until = now + old.expires_at - old.created_at if old.expires_at else None
            scopes = scopes_of(old.scopes.split())
            made = await self._make(connection, old.tenant_id, None, old.name, scopes, until, actor, old.limits)
            ends = min(now + overlap_ms, old.expires_at or now + overlap_ms)
            await self._change(connection, old, Action.KEY_ROTATE, actor, expires_at=ends)
        self._known.forget(digest)
        return made

    async def authenticate(self, key: str) -> Caller:
        """Whose key it is. One that was revoked or blocked is refused within two seconds, one that has expired at once.

        Raises UNAUTHENTICATED, and PERMISSION_DENIED for keys and tenants that may come to be let in again.
        """
        caller = await self._known.owner(key)
        now = self._clock()
        if caller.expires_at is not None and caller.expires_at <= now:
            raise EXPIRED.error()
        self._uses[caller.key_id] = now
        return caller

    async def list(self, page: Page = Page(sort="asc"), *, tenant_id: str | None = None) -> Listing[ApiKey]:
        query = _described()
        if tenant_id is not None:
            query = query.where(api_keys.c.tenant_id == tenant_id)
        return await list_page(
            self._database,
            query,
            page,
            orders={"created_at": api_keys.c.created_at},
            tie=api_keys.c.id,
            build=ApiKey.from_row,
        )

    async def get(self, id: str) -> ApiKey:
        async with self._database.read() as connection:
            row = (await connection.execute(_described().where(api_keys.c.id == id))).mappings().first()
        if row is None:
            raise not_found("API key", id)
        return ApiKey.from_row(row)

    async def revoke(self, key_or_id: str, actor: Actor = LOCAL) -> ApiKey:
        """Revokes a key, given by its id or by itself. For ever."""
        given = or_(api_keys.c.id == key_or_id, api_keys.c.hash == hash_of(key_or_id))
        async with self._changing(given, key_or_id[:8]) as (connection, key):
            revoked_at = key.revoked_at or self._clock()
            return await self._change(connection, key, Action.KEY_REVOKE, actor, revoked_at=revoked_at)

    async def block(self, id: str, actor: Actor = LOCAL) -> ApiKey:
        async with self._changing(api_keys.c.id == id, id) as (connection, key):
            blocked_at = key.blocked_at or self._clock()
            return await self._change(connection, key, Action.KEY_BLOCK, actor, blocked_at=blocked_at)

    async def unblock(self, id: str, actor: Actor = LOCAL) -> ApiKey:
        async with self._changing(api_keys.c.id == id, id) as (connection, key):
            return await self._change(connection, key, Action.KEY_UNBLOCK, actor, blocked_at=None)

    async def limit(self, id: str, limits: Mapping[str, Any] | None, actor: Actor = LOCAL) -> ApiKey:
        """Sets its own limits, in place of those it had; requests follow within two seconds."""
        async with self._changing(api_keys.c.id == id, id) as (connection, key):
            check_limits(Rates, limits or {})
            return await self._change(connection, key, Action.KEY_UPDATE, actor, limits=limits)

    def forget(self) -> None:
        """After a change to a tenant, which all its keys must follow."""
        self._known.forget()

    async def run(self) -> None:
        """Until cancelled: notes now and then which keys were used, off the path of requests."""
        try:
            while True:
                await asyncio.sleep(USE_MS / 1000)
                with contextlib.suppress(ArcusError):  # the database is away: the next round tells of these uses too
                    await self.note_uses()
        finally:
            with contextlib.suppress(ArcusError):
                await asyncio.shield(self.note_uses())

    async def note_uses(self) -> None:
        uses, self._uses = self._uses, {}
        if not uses:
            return
        try:
            await self._database.store(
                _used, [{"key_id": id, "used_at": at, "used_before": at - USE_MS} for id, at in sorted(uses.items())]
            )
        except ArcusError:
            self._uses = uses | self._uses
            raise

    async def _find(self, digests: Sequence[str]) -> Mapping[str, Caller | Refusal]:
        return {row.hash: _verdict(row) for row in await self._database.fetch(_owners, {"digests": digests})}

    async def _make(
        self,
        connection: AsyncConnection,
        tenant_id: str,
        key: str | None,
        name: str,
        scopes: frozenset[Scope],
        expires_at: int | None,
        actor: Actor,
        limits: dict[str, Any] | None = None,
    ) -> tuple[str, ApiKey]:
        now = self._clock()
        if name:
            check_name(name, "A key", field="name")
        if expires_at is not None and expires_at <= now:
            raise invalid("expires_at is in the past; give a later time.", field="expires_at")
        if expires_at is not None and expires_at > now + MAX_LIFE_MS:
            raise invalid("expires_at is more than 100 years ahead; give Unix milliseconds.", field="expires_at")
        if key is not None:
            check_strength(key)
        key = key or f"cg-{secrets.token_urlsafe(32)}"
        id = str(uuid4())
        row = {
            "id": id,
            "tenant_id": tenant_id,
            "name": name,
            "hash": hash_of(key),
            "hint": key[:7] + "…",
            "scopes": scopes_text(scopes),
            "limits": limits,
            "created_at": now,
            "expires_at": expires_at,
        }
        await connection.execute(insert(api_keys).values(row))
        made, _ = await _locked(connection, api_keys.c.id == id, id)
        await record(connection, actor, Action.KEY_CREATE, made.id, after=asdict(made))
        return key, made

    @contextlib.asynccontextmanager
    async def _changing(self, which: Any, told: str) -> AsyncIterator[tuple[AsyncConnection, ApiKey]]:
        async with self._database.write() as connection:
            key, digest = await _locked(connection, which, told)
            yield connection, key
        self._known.forget(digest)

    async def _change(
        self, connection: AsyncConnection, key: ApiKey, action: Action, actor: Actor, **values: Any
    ) -> ApiKey:
        await connection.execute(update(api_keys).where(api_keys.c.id == key.id).values(values))
        changed = ApiKey(**{**asdict(key), **values})
        await record(connection, actor, action, key.id, before=asdict(key), after=asdict(changed))
        return changed


def _verdict(row: Row) -> Caller | Refusal:
    if row.deleted_at is not None:
        return DELETED
    if row.revoked_at is not None:
        return REVOKED
    if row.blocked_at is not None:
        return BLOCKED
    if row.suspended_at is not None:
        return SUSPENDED
    return Caller(row.tenant_id, row.id, scopes_of(row.scopes.split()), row.expires_at)


def _described() -> Select:
    return select(*_columns, tenants.c.name.label("tenant")).join(tenants)


async def _locked(connection: AsyncConnection, which: Any, told: str) -> tuple[ApiKey, str]:
    """A key and its hash, for who changes it. Raises NOT_FOUND."""
    query = _described().add_columns(api_keys.c.hash).where(which).with_for_update(of=api_keys)
    row = (await connection.execute(query)).mappings().first()
    if row is None:
        raise not_found("API key", told)
    return ApiKey.from_row({name: value for name, value in row.items() if name != "hash"}), row["hash"]  # type: ignore[arg-type]


async def _of_hash(connection: AsyncConnection, digest: str) -> Row | None:
    return (await connection.execute(select(api_keys).where(api_keys.c.hash == digest))).first()
