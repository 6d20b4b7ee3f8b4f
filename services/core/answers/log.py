"""The log of responses as it is stored: appended to by the front that holds a response, read by every front."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    ColumnElement,
    Connection,
    FromClause,
    Row,
    Select,
    String,
    and_,
    bindparam,
    case,
    cast,
    column,
    func,
    insert,
    or_,
    select,
    update,
)

from services.core.clock import now_ms
from services.core.store.database import Database
from services.core.store.notices import ENDED, RESPONSES
from services.core.store.schema import response_events, responses
from services.core.tenants.usage import of_response, response_values

LEASE_MS = 8_000  # a front that is silent this long has lost its responses
MAX_ATTEMPTS = 5
# Built once: making a statement costs more than running it.
one_response = select(responses).where(
    responses.c.tenant_id == bindparam("tenant_id"), responses.c.id == bindparam("response_id")
)


def _news_of(followed: FromClause, tenant_id: ColumnElement, id: ColumnElement, number: ColumnElement) -> Select:
    log = response_events.c
    in_progress = responses.c.status == "in_progress"
    start = case((responses.c.joined_events > number, 0), else_=number)  # the one row of a joined log begins before it
    return (
        select(
            id.label("followed_id"),
            responses.c.status,
            case((~in_progress, responses.c.body)).label("ended_body"),
            log.first_number,
            log.entries,
        )
        .select_from(followed)
        .outerjoin(responses, and_(responses.c.id == id, responses.c.tenant_id == tenant_id))
        .outerjoin(response_events, and_(log.response_id == responses.c.id, log.first_number >= start))
        .where(or_(responses.c.id.is_(None), ~in_progress, log.response_id.is_not(None)))
        .order_by(id, log.first_number)
    )


def _news_on_sqlite() -> Select:
    each = func.json_each(bindparam("followed")).table_valued("value")
    tenant_id, id, number = (func.json_extract(each.c.value, f"$[{place}]") for place in range(3))
    return _news_of(each, tenant_id, id, number)


def _news_on_postgres() -> Select:
    each = func.json_array_elements(cast(bindparam("followed", type_=String), JSON)).table_valued(column("value", JSON))
    tenant_id, id, number = (each.c.value[place].as_string() for place in range(3))
    return _news_of(each, tenant_id, id, cast(number, BigInteger))


_news = {True: _news_on_sqlite(), False: _news_on_postgres()}  # by whether it is SQLite
_insert = insert(response_events)
_ended = (
    update(responses)
    .where(responses.c.id == bindparam("response_id"))
    .values(status=bindparam("ended_status"), body=bindparam("ended_body"), owner=None, lease_until=None, prompt=None)
)
_left = (
    update(responses)
    .where(responses.c.id == bindparam("response_id"))
    .values(background=True, prompt=bindparam("prompt_left"), lease_until=0)
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
    """Entries to append from `first_number` on. With `body` they are the last, and the response ends as it says.

    With `prompt_left` this front goes on no more: any does with that prompt, as with a response in the background.
    """

    lease: Lease
    first_number: int
    entries: list[Any]
    engine_text: str = ""
    output_tokens: int = 0
    body: dict[str, Any] | None = None
    prompt_left: bytes | None = None


@dataclass(frozen=True)
class Followed:
    """A response that somebody reads the log of, up to the start of the row with `next_number`."""

    tenant_id: str
    response_id: str
    next_number: int


@dataclass(frozen=True)
class Ended:
    status: str
    error: dict[str, Any] | None


@dataclass(frozen=True)
class News:
    """What a log has from a number on, and how the response ended, if it did."""

    entries: list[Any]
    ended: Ended | None
    is_gone: bool


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
        lost = await self._database.writing(lambda connection: _append(connection, batches, again))
        self._database.notices.tell(
            RESPONSES, {batch.lease.response_id for batch in batches if batch.lease not in lost}
        )
        return lost

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

    async def news(self, followed: Sequence[Followed]) -> dict[str, News]:
        """Of those in which something is new, or that have ended or are gone, by id: one query for all, of narrow columns."""
        numbers = {each.response_id: each.next_number for each in followed}
        values = json.dumps([[each.tenant_id, each.response_id, each.next_number] for each in followed])
        rows = await self._database.fetch(_news[self._database.is_sqlite], {"followed": values})
        found: dict[str, News] = {}
        for row in rows:  # of one response by number
            news = found.get(row.followed_id)
            if news is None:
                is_gone = row.status is None
                ended = None if is_gone or row.status == "in_progress" else Ended(row.status, row.ended_body["error"])
                news = found[row.followed_id] = News([], ended, is_gone)
            if row.entries:
                news.entries.extend(row.entries[max(0, numbers[row.followed_id] - row.first_number) :])
        return found

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

        await self._database.renewing(work)

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

        stored = await self._database.writing(work)
        if stored is not None:
            self._database.notices.tell(ENDED, [id])
        return stored

    async def abandoned(self, *, skip: Iterable[str] = (), limit: int = 100) -> list[tuple[str, str]]:
        """(tenant, id) of foreground responses, other than those in `skip`, whose front is gone: nobody can go on with them."""
        query = (
            select(responses.c.tenant_id, responses.c.id)
            .where(
                responses.c.status == "in_progress",
                or_(~responses.c.background, responses.c.attempts >= MAX_ATTEMPTS),
                or_(responses.c.lease_until.is_(None), responses.c.lease_until < now_ms()),
                responses.c.id.not_in(list(skip)),
            )
            .order_by(responses.c.lease_until)  # as the index has them, which is then used for the few there are
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
    left = [
        {"response_id": batch.lease.response_id, "prompt_left": batch.prompt_left}
        for batch in kept
        if batch.prompt_left is not None
    ]
    if left:
        connection.execute(_left, left)
    _end(connection, [(batch.lease.response_id, batch.body) for batch in kept if batch.body is not None])
    return leases - held


def _unwritten(connection: Connection, batches: Sequence[Batch]) -> list[Batch]:
    log = response_events.c
    ids = {batch.lease.response_id for batch in batches}
    rows = connection.execute(select(log.response_id, log.first_number).where(log.response_id.in_(ids)))
    written = {(row.response_id, row.first_number) for row in rows}
    # Read after the rows: those that are not there because their log was joined meanwhile are counted here.
    query = select(responses.c.id, responses.c.joined_events).where(
        responses.c.id.in_(ids), responses.c.joined_events.is_not(None)
    )
    joined = {row.id: row.joined_events for row in connection.execute(query)}
    return [
        batch
        for batch in batches
        if (batch.lease.response_id, batch.first_number) not in written
        and batch.first_number >= joined.get(batch.lease.response_id, 0)
    ]


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
