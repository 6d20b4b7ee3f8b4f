"""The log of responses as it is stored: appended to by the front that holds a response, read by every front."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection, Row, and_, bindparam, func, insert, or_, select, update

from services.core.clock import now_ms
from services.core.store.database import Database
from services.core.store.schema import response_events, responses
from services.core.tenants.usage import of_response, response_values

LEASE_MS = 8_000  # a front that is silent this long has lost its responses
MAX_ATTEMPTS = 5
# Built once: making a statement costs more than running it.
one_response = select(responses).where(
    responses.c.tenant_id == bindparam("tenant_id"), responses.c.id == bindparam("response_id")
)
_progress = (
    select(responses.c.status, func.max(response_events.c.first_number).label("last_first_number"))
    .outerjoin(response_events, response_events.c.response_id == responses.c.id)
    .where(responses.c.tenant_id == bindparam("tenant_id"), responses.c.id == bindparam("response_id"))
    .group_by(responses.c.status)
)
_insert = insert(response_events)
_ended = (
    update(responses)
    .where(responses.c.id == bindparam("response_id"))
    .values(status=bindparam("ended_status"), body=bindparam("ended_body"), owner=None, lease_until=None, prompt=None)
)
_held_now = select(responses.c.id, responses.c.owner, responses.c.attempts).where(
    responses.c.id.in_(bindparam("ids", expanding=True)), responses.c.status == "in_progress"
)
_held_locked = _held_now.order_by(responses.c.id).with_for_update()


@dataclass(frozen=True)
class Lease:
    """The right to write a response: its owner and, since one front may hold it twice, which attempt this is."""

    response_id: str
    owner: str
    attempt: int


@dataclass(frozen=True)
class Batch:
    """Entries to append from `first_number` on. With `body` they are the last, and the response ends as it says."""

    lease: Lease
    first_number: int
    entries: list[Any]
    engine_text: str = ""
    output_tokens: int = 0
    body: dict[str, Any] | None = None


@dataclass(frozen=True)
class Stored:
    """A response and its log so far, or from a number on."""

    tenant_id: str
    status: str
    background: bool
    request: dict[str, Any]
    body: dict[str, Any]
    prompt: bytes | None
    entries: list[Any]
    engine_text: str
    output_tokens: int


class ResponseLog:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def append(self, batches: Sequence[Batch], *, again: bool = False) -> set[Lease]:
        """Writes all of them in one transaction, but none of a response that is no longer held or has ended.

        Returns the leases of those. `again`: it was tried before, and may have been committed as the connection broke.
        """
        return await self._database.writing(lambda connection: _append(connection, batches, again))

    async def set_prompt(self, lease: Lease, prompt: bytes) -> bool:
        """False means that the response is no longer held."""

        def work(connection: Connection) -> bool:
            if not _held(connection, [lease]):
                return False
            connection.execute(update(responses).where(responses.c.id == lease.response_id).values(prompt=prompt))
            return True

        return await self._database.writing(work)

    async def read(self, tenant_id: str, id: str, from_number: int = 0) -> Stored | None:
        """The state first, then the entries: a log that is read as ended is read whole."""

        def work(connection: Connection) -> Stored | None:
            row = connection.execute(one_response, {"tenant_id": tenant_id, "response_id": id}).first()
            return None if row is None else _load(connection, row, from_number)

        return await self._database.reading(work)

    async def has_news(self, tenant_id: str, id: str, next_number: int) -> bool:
        """Whether a response in progress has entries from `next_number` on, has ended or is gone; reads no wide column."""
        rows = await self._database.fetch(_progress, {"tenant_id": tenant_id, "response_id": id})
        if not rows or rows[0].status != "in_progress":
            return True
        last = rows[0].last_first_number
        return last is not None and last >= next_number

    async def claim(self, owner: str, *, skip: Iterable[str] = ()) -> tuple[Lease, Stored] | None:
        """Takes over a background response whose front is silent, other than those in `skip`."""
        due = and_(
            responses.c.status == "in_progress",
            responses.c.background,
            responses.c.attempts < MAX_ATTEMPTS,
            responses.c.lease_until < now_ms(),
            responses.c.id.not_in(list(skip)),
        )
        if not await self._database.fetch(select(responses.c.id).where(due).limit(1)):
            return None  # an idle front takes no write lock
        query = select(responses).where(due).order_by(responses.c.created_at).limit(1)

        def work(connection: Connection) -> tuple[Lease, Stored] | None:
            row = connection.execute(query.with_for_update(skip_locked=True)).first()
            if row is None:
                return None
            lease = Lease(row.id, owner, row.attempts + 1)
            connection.execute(
                update(responses)
                .where(responses.c.id == row.id)
                .values(owner=owner, attempts=lease.attempt, lease_until=now_ms() + LEASE_MS)
            )
            return lease, _load(connection, row, 0)

        return await self._database.writing(work)

    async def renew(self, leases: Iterable[Lease], *, milliseconds: int = LEASE_MS) -> None:
        """Extends the leases of those that are still held; with 0, any front may take them over at once."""

        def work(connection: Connection) -> None:
            ids = [lease.response_id for lease in _held(connection, leases)]
            until = now_ms() + milliseconds if milliseconds else 0
            connection.execute(update(responses).where(responses.c.id.in_(ids)).values(lease_until=until))

        await self._database.writing(work)

    async def still_held(self, leases: Iterable[Lease]) -> set[Lease]:
        """Those that are held and in progress; without a lock, to learn soon of a cancellation or a deletion."""
        return await self._database.reading(lambda connection: _held(connection, leases, lock=False))

    async def end(self, tenant_id: str, id: str, body_of: Callable[[Stored], dict[str, Any]]) -> Stored | None:
        """Ends a response in progress as `body_of(stored)` says; one that has ended stays as it is. None: no such thing."""

        def work(connection: Connection) -> Stored | None:
            row = connection.execute(
                one_response.with_for_update(), {"tenant_id": tenant_id, "response_id": id}
            ).first()
            if row is None:
                return None
            stored = _load(connection, row, 0)
            if stored.status != "in_progress":
                return stored
            body = body_of(stored)
            _end(connection, [(id, body)])
            return replace(stored, status=body["status"], body=body, prompt=None)

        return await self._database.writing(work)

    async def abandoned(self, limit: int = 100) -> list[tuple[str, str]]:
        """(tenant, id) of foreground responses whose front is gone: nobody can go on with them."""
        query = (
            select(responses.c.tenant_id, responses.c.id)
            .where(
                responses.c.status == "in_progress",
                or_(~responses.c.background, responses.c.attempts >= MAX_ATTEMPTS),
                or_(responses.c.lease_until.is_(None), responses.c.lease_until < now_ms()),
            )
            .limit(limit)
        )
        return [(row.tenant_id, row.id) for row in await self._database.fetch(query)]


def _append(connection: Connection, batches: Sequence[Batch], again: bool) -> set[Lease]:
    if again:
        batches = _unwritten(connection, batches)
    leases = {batch.lease for batch in batches}
    held = _held(connection, leases)
    kept = [batch for batch in batches if batch.lease in held]
    rows = [
        {
            "response_id": batch.lease.response_id,
            "first_number": batch.first_number,
            "entries": batch.entries,
            "engine_text": batch.engine_text,
            "output_tokens": batch.output_tokens,
        }
        for batch in kept
        if batch.entries
    ]
    if rows:
        connection.execute(_insert, rows)
    _end(connection, [(batch.lease.response_id, batch.body) for batch in kept if batch.body is not None])
    return leases - held


def _unwritten(connection: Connection, batches: Sequence[Batch]) -> list[Batch]:
    log = response_events.c
    ids = {batch.lease.response_id for batch in batches}
    rows = connection.execute(select(log.response_id, log.first_number).where(log.response_id.in_(ids)))
    written = {(row.response_id, row.first_number) for row in rows}
    return [batch for batch in batches if (batch.lease.response_id, batch.first_number) not in written]


def _load(connection: Connection, row: Row, from_number: int) -> Stored:
    log = response_events.c
    query = select(response_events).where(log.response_id == row.id).order_by(log.first_number)
    if from_number:
        # The row that holds the number may begin before it.
        first = select(func.max(log.first_number)).where(log.response_id == row.id, log.first_number <= from_number)
        query = query.where(log.first_number >= first.scalar_subquery())
    batches = connection.execute(query).all()
    entries = [entry for batch in batches for entry in batch.entries]
    if batches:
        entries = entries[max(0, from_number - batches[0].first_number) :]
    return Stored(
        tenant_id=row.tenant_id,
        status=row.status,
        background=row.background,
        request=row.request,
        body=row.body,
        prompt=row.prompt,
        entries=entries,
        engine_text="".join(batch.engine_text for batch in batches),
        output_tokens=sum(batch.output_tokens for batch in batches),
    )


def _end(connection: Connection, ended: Iterable[tuple[str, dict[str, Any]]]) -> None:
    rows = [{"response_id": id, "ended_status": body["status"], "ended_body": body} for id, body in ended]
    if rows:
        used = [response_values(row["response_id"], row["ended_body"].get("usage")) for row in rows]
        connection.execute(of_response, used)
        connection.execute(_ended, rows)


def _held(connection: Connection, leases: Iterable[Lease], *, lock: bool = True) -> set[Lease]:
    """Those still held, locked against whoever would take them until the transaction ends."""
    wanted = set(leases)
    ids = sorted({lease.response_id for lease in wanted})
    rows = connection.execute(_held_locked if lock else _held_now, {"ids": ids})
    return {Lease(row.id, row.owner, row.attempts) for row in rows} & wanted
