"""Responses: answers as they are stored, listed and deleted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import RowMapping, delete, insert, select, update

from services.core.clock import now_ms
from services.core.database import Database
from services.core.errors import invalid, not_found
from services.core.files import CreatedRange
from services.core.pages import Listing, Page, list_page
from services.core.schema import responses

STATUSES = ("in_progress", "completed", "failed", "cancelled")


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
    created_at: int

    @classmethod
    def from_row(cls, row: RowMapping) -> Response:
        return cls(**{name: row[name] for name in cls.__dataclass_fields__})


class Responses:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(
        self, tenant_id: str, id: str, body: dict[str, Any], request: dict[str, Any], *, owner: str
    ) -> None:
        async with self._database.write() as connection:
            await connection.execute(
                insert(responses).values(
                    id=id,
                    tenant_id=tenant_id,
                    status=body["status"],
                    model=body["model"],
                    instructions=body["instructions"],
                    request=request,
                    body=body,
                    owner=owner,
                    created_at=now_ms(),
                )
            )

    async def finish(self, tenant_id: str, body: dict[str, Any]) -> None:
        """Keeps the final body, unless the response was deleted or ended otherwise meanwhile."""
        async with self._database.write() as connection:
            await connection.execute(
                update(responses)
                .where(
                    responses.c.tenant_id == tenant_id,
                    responses.c.id == body["id"],
                    responses.c.status == "in_progress",
                )
                .values(status=body["status"], body=body, owner=None)
            )

    async def get(self, tenant_id: str, id: str) -> Response:
        query = select(responses).where(responses.c.tenant_id == tenant_id, responses.c.id == id)
        async with self._database.read() as connection:
            row = (await connection.execute(query)).mappings().first()
        if row is None:
            raise not_found("Response", id)
        return Response.from_row(row)

    async def list(
        self, tenant_id: str, page: Page, *, status: str | None = None, created: CreatedRange = CreatedRange()
    ) -> Listing[Response]:
        if status is not None and status not in STATUSES:
            raise invalid(f"status must be one of: {', '.join(STATUSES)}", field="status")
        query = created.apply(select(responses).where(responses.c.tenant_id == tenant_id), responses.c.created_at)
        if status is not None:
            query = query.where(responses.c.status == status)
        orders = {"created_at": responses.c.created_at}
        return await list_page(self._database, query, page, orders=orders, tie=responses.c.id, build=Response.from_row)

    async def delete(self, tenant_id: str, id: str) -> None:
        """Deleting what is not there is not an error."""
        async with self._database.write() as connection:
            await connection.execute(delete(responses).where(responses.c.tenant_id == tenant_id, responses.c.id == id))

    async def fail_abandoned(self, *, owner: str, older_than_ms: int) -> int:
        """Ends responses whose front process is gone, so that nobody polls them for ever. Returns how many."""
        query = select(responses).where(
            responses.c.status == "in_progress",
            responses.c.owner != owner,
            responses.c.created_at < now_ms() - older_than_ms,
        )
        error = {
            "message": "The server restarted while it answered; ask again.",
            "type": "server_error",
            "code": "interrupted",
        }
        async with self._database.write() as connection:
            rows = (await connection.execute(query.limit(1000))).mappings().all()
            for row in rows:
                body = {**row["body"], "status": "failed", "error": error}
                await connection.execute(
                    update(responses).where(responses.c.id == row["id"]).values(status="failed", body=body, owner=None)
                )
        return len(rows)
