"""Chats: chat completions as they are stored, listed and deleted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import RowMapping, delete, insert, select

from services.core.errors import not_found
from services.core.store.database import Database
from services.core.store.pages import CreatedRange, Listing, Page, list_page
from services.core.store.schema import chats


@dataclass(frozen=True)
class Chat:
    """`body` is the completion as clients see it."""

    id: str
    tenant_id: str
    body: dict[str, Any]
    created_at: int

    @classmethod
    def from_row(cls, row: RowMapping) -> Chat:
        return cls(**{name: row[name] for name in cls.__dataclass_fields__})


class Chats:
    def __init__(self, database: Database) -> None:
        self._database = database

    def check_space(self) -> None:
        """Raises STORAGE_FULL where no more may be kept."""
        self._database.check_space()

    async def create(self, tenant_id: str, body: dict[str, Any]) -> None:
        self.check_space()
        row = {"id": body["id"], "tenant_id": tenant_id, "body": body, "created_at": body["created_at"]}
        await self._database.store(insert(chats), [row])

    async def get(self, tenant_id: str, id: str) -> Chat:
        query = select(chats).where(chats.c.tenant_id == tenant_id, chats.c.id == id)
        async with self._database.read() as connection:
            row = (await connection.execute(query)).mappings().first()
        if row is None:
            raise not_found("Chat completion", id)
        return Chat.from_row(row)

    async def list(
        self,
        tenant_id: str,
        page: Page,
        *,
        created: CreatedRange = CreatedRange(),
    ) -> Listing[Chat]:
        """Raises NOT_FOUND where the page goes on after what is not there."""
        query = created.apply(select(chats).where(chats.c.tenant_id == tenant_id), chats.c.created_at)
        orders = {"created_at": chats.c.created_at}
        return await list_page(
            self._database,
            query,
            page,
            orders=orders,
            tie=chats.c.id,
            build=Chat.from_row,
            tenant_id=tenant_id,
            weighed=chats.c.body,
        )

    async def delete(self, tenant_id: str, id: str) -> None:
        """Deleting what is not there is not an error."""
        async with self._database.write() as connection:
            await connection.execute(delete(chats).where(chats.c.tenant_id == tenant_id, chats.c.id == id))
