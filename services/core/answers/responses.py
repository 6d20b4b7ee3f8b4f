"""Responses: answers as they are stored, listed and deleted."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, delete, insert, literal, select

from services.core.answers.log import LEASE_MS, Lease, one_response
from services.core.clock import now_ms
from services.core.errors import invalid, not_found
from services.core.store.database import Database
from services.core.store.notices import ENDED
from services.core.store.pages import CreatedRange, Listing, Page, list_page
from services.core.store.schema import responses
from services.core.tenants.usage import calling_key, of_response, response_values

CHAIN_ROWS = 20  # turns read at once
STATUSES = ("in_progress", "completed", "failed", "cancelled")
# Built once: making a statement costs more than running it.
_insert = insert(responses)
_listed = [column for column in responses.c if column.name not in ("request", "prompt")]


@dataclass(frozen=True)
class Response:
    """`body` is the response as clients see it."""

    id: str
    tenant_id: str
    status: str
    model: str
    instructions: str | None
    request: dict[str, Any]
    body: dict[str, Any]
    previous_response_id: str | None
    created_at: int

    @classmethod
    def from_row(cls, row: Mapping[Any, Any]) -> Response:
        return cls(**{name: row[name] for name in cls.__dataclass_fields__})


class Responses:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(
        self,
        tenant_id: str,
        body: dict[str, Any],
        request: dict[str, Any],
        lease: Lease,
        *,
        background: bool = False,
        previous_response_id: str | None = None,
    ) -> None:
        """Keeps a response in progress, held by whoever writes its log. Raises STORAGE_FULL."""
        self._database.check_space()
        row = {
            "id": lease.response_id,
            "tenant_id": tenant_id,
            "status": body["status"],
            "model": body["model"],
            "instructions": body["instructions"],
            "request": request,
            "body": body,
            "background": background,
            "key_id": calling_key.get(),
            "previous_response_id": previous_response_id,
            "owner": lease.owner,
            "attempts": lease.attempt,
            "created_at": now_ms(),
        }

        def work(connection: Connection) -> None:
            connection.execute(_insert, row | {"lease_until": now_ms() + LEASE_MS})  # from now: it may have waited long

        await self._database.writing(work)

    async def chain(self, response: Response, limit: int) -> AsyncIterator[Response]:
        """A response and those that it continues, newest first, at most `limit`; ends where one was deleted."""
        yield response
        previous = response.previous_response_id
        while previous is not None and limit > 1:
            query = (
                select(responses.c.id, responses.c.previous_response_id, literal(0).label("depth"))
                .where(responses.c.tenant_id == response.tenant_id, responses.c.id == previous)
                .cte("turns", recursive=True)
            )
            query = query.union_all(
                select(responses.c.id, responses.c.previous_response_id, query.c.depth + 1)
                .join(query, responses.c.id == query.c.previous_response_id)
                .where(responses.c.tenant_id == response.tenant_id, query.c.depth + 1 < min(CHAIN_ROWS, limit - 1))
            )
            turns = select(responses).join(query, query.c.id == responses.c.id).order_by(query.c.depth)
            async with self._database.read() as connection:
                rows = (await connection.execute(turns)).mappings().all()
            for row in rows:
                yield Response.from_row(row)
            previous = rows[-1]["previous_response_id"] if rows else None
            limit -= len(rows)

    async def get(self, tenant_id: str, id: str) -> Response:
        rows = await self._database.fetch(one_response, {"tenant_id": tenant_id, "response_id": id})
        if not rows:
            raise not_found("Response", id)
        return Response.from_row(rows[0]._mapping)

    async def of_ids(self, tenant_id: str, ids: Sequence[str]) -> Sequence[Response]:
        """Those of these that are there."""
        query = select(responses).where(responses.c.tenant_id == tenant_id, responses.c.id.in_(ids))
        async with self._database.read() as connection:
            return [Response.from_row(row) for row in (await connection.execute(query)).mappings()]

    async def list(
        self, tenant_id: str, page: Page, *, status: str | None = None, created: CreatedRange = CreatedRange()
    ) -> Listing[Response]:
        """Without their requests. Raises NOT_FOUND where the page goes on after what is not there."""
        if status is not None and status not in STATUSES:
            raise invalid(f"status must be one of: {', '.join(STATUSES)}", field="status")
        query = created.apply(select(*_listed).where(responses.c.tenant_id == tenant_id), responses.c.created_at)
        if status is not None:
            query = query.where(responses.c.status == status)
        orders = {"created_at": responses.c.created_at}
        return await list_page(
            self._database,
            query,
            page,
            orders=orders,
            tie=responses.c.id,
            build=lambda row: Response.from_row({**row, "request": {}}),
            tenant_id=tenant_id,
            weighed=responses.c.body,
        )

    async def delete(self, tenant_id: str, id: str) -> None:
        """Deleting what is not there is not an error."""
        owned = select(responses.c.id).where(responses.c.tenant_id == tenant_id, responses.c.id == id)
        async with self._database.write() as connection:
            found = (await connection.execute(owned.with_for_update())).first() is not None
            if found:
                await connection.execute(of_response, response_values(id, None))  # it may be in progress
            await connection.execute(delete(responses).where(responses.c.tenant_id == tenant_id, responses.c.id == id))
        if found:
            self._database.notices.tell(ENDED, [id])
