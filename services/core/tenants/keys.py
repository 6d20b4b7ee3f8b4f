"""Tenants and their API keys, which are stored only as hashes."""

from __future__ import annotations

import hashlib
import math
import secrets
from collections import Counter, OrderedDict
from dataclasses import dataclass
from typing import Generic, TypeVar
from uuid import uuid4

from sqlalchemy import bindparam, insert, select, update

from services.core.clock import now_ms
from services.core.errors import ArcusError, Reason, invalid, not_found
from services.core.store.database import Database
from services.core.store.schema import api_keys, tenants

Answer = TypeVar("Answer")
MIN_CHARACTERS = 16
MIN_BITS = 50.0  # that its characters tell, taken one by one: 16 random hexadecimal digits have a little more
CACHE_MS = 2_000
CACHE_KEYS = 10_000  # of each of the two memories: those that are valid, and those that are not
_caller_of = select(api_keys.c.tenant_id, api_keys.c.id).where(
    api_keys.c.hash == bindparam("digest"), api_keys.c.revoked_at.is_(None)
)


@dataclass(frozen=True)
class Caller:
    """Who sent a request: a tenant, by one of its keys."""

    tenant_id: str
    key_id: str


@dataclass(frozen=True)
class ApiKey:
    id: str
    tenant_id: str
    tenant: str
    hint: str
    created_at: int
    revoked_at: int | None


class RecentAnswers(Generic[Answer]):
    """What was found of the last keys, by their hashes, for CACHE_MS; where there are too many, the least recent goes."""

    def __init__(self) -> None:
        self._found: OrderedDict[str, tuple[Answer, int]] = OrderedDict()

    def get(self, digest: str, now: int) -> Answer | None:
        found = self._found.get(digest)
        if found is None or found[1] <= now:
            return None
        self._found.move_to_end(digest)
        return found[0]

    def put(self, digest: str, answer: Answer, now: int) -> None:
        self._found[digest] = (answer, now + CACHE_MS)
        self._found.move_to_end(digest)
        if len(self._found) > CACHE_KEYS:
            self._found.popitem(last=False)

    def forget(self, digest: str) -> None:
        self._found.pop(digest, None)


class Keys:
    """A key that was made or revoked here counts at once; elsewhere within CACHE_MS."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._valid, self._unknown = RecentAnswers[Caller](), RecentAnswers[bool]()

    async def create(self, tenant: str, key: str | None = None) -> str:
        """Makes a key for a tenant, and the tenant if it is new. The key itself can't be read again. Idempotent by key."""
        if not tenant.strip() or len(tenant) > 200:
            raise invalid("A tenant's name has 1 to 200 characters.", field="tenant")
        is_chosen = key is not None
        key = key or f"cg-{secrets.token_urlsafe(32)}"
        now = now_ms()
        async with self._database.write() as connection:
            await self._database.lock(connection)
            row = (await connection.execute(select(tenants.c.id).where(tenants.c.name == tenant))).first()
            tenant_id = row.id if row else str(uuid4())
            if row is None:
                await connection.execute(insert(tenants).values(id=tenant_id, name=tenant, created_at=now))
            known = (await connection.execute(select(api_keys).where(api_keys.c.hash == _hash(key)))).mappings().first()
            if known is None:
                if is_chosen:
                    check_strength(key)
                await connection.execute(
                    insert(api_keys).values(
                        id=str(uuid4()),
                        tenant_id=tenant_id,
                        hash=_hash(key),
                        hint=key[:7] + "…",
                        created_at=now,
                    )
                )
            elif known["tenant_id"] != tenant_id or known["revoked_at"] is not None:
                raise invalid("That API key was revoked or belongs to another tenant; choose another.", field="api_key")
        self._unknown.forget(_hash(key))
        return key

    async def authenticate(self, key: str) -> Caller:
        """Whose key it is. A revoked key is refused within two seconds. Raises UNAUTHENTICATED."""
        digest, now = _hash(key), now_ms()
        known = self._valid.get(digest, now)
        if known is not None:
            return known
        if self._unknown.get(digest, now) is None:
            rows = await self._database.fetch(_caller_of, {"digest": digest})
            if rows:
                caller = Caller(rows[0].tenant_id, rows[0].id)
                self._valid.put(digest, caller, now)
                return caller
            self._unknown.put(digest, True, now)
        raise ArcusError(Reason.UNAUTHENTICATED, "The API key is not valid; make one with 'arcus keys create'.")

    async def list(self) -> list[ApiKey]:
        query = select(api_keys, tenants.c.name).join(tenants).order_by(api_keys.c.created_at)
        async with self._database.read() as connection:
            return [
                ApiKey(
                    row["id"],
                    row["tenant_id"],
                    row["name"],
                    row["hint"],
                    row["created_at"],
                    row["revoked_at"],
                )
                for row in (await connection.execute(query)).mappings()
            ]

    async def revoke(self, key_or_id: str) -> None:
        """Revokes a key, given by its id or by itself."""
        async with self._database.write() as connection:
            revoked = await connection.execute(
                update(api_keys)
                .where((api_keys.c.id == key_or_id) | (api_keys.c.hash == _hash(key_or_id)))
                .values(revoked_at=now_ms())
                .returning(api_keys.c.hash)
            )
            digest = revoked.scalar()
        if digest is None:
            raise not_found("API key", key_or_id[:8])
        self._valid.forget(digest)


def check_strength(key: str) -> None:
    """Raises INVALID_ARGUMENT for a key that somebody chose and others may guess."""
    if len(key) < MIN_CHARACTERS:
        raise invalid(
            f"An API key has at least {MIN_CHARACTERS} characters; leave it out to have one made.", field="api_key"
        )
    counts = Counter(key)
    bits = sum(count * math.log2(len(key) / count) for count in counts.values())
    if bits < MIN_BITS:
        raise invalid(
            "The API key repeats too few characters to be safe; leave it out to have one made.", field="api_key"
        )


def _hash(key: str) -> str:
    # A key is 256 random bits: a plain hash can't be searched, and costs nothing on each request.
    return hashlib.sha256(key.encode()).hexdigest()
