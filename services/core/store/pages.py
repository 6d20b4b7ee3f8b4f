"""Offset pagination, the same on every list of both transports."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from sqlalchemy import ColumnElement, RowMapping, Select, Text, cast, func, select, tuple_

from services.core.errors import ArcusError, Reason, invalid

if TYPE_CHECKING:
    from services.core.store.database import Database

T = TypeVar("T")
DEFAULT_LIMIT = 50
MAX_LIMIT = 100
MAX_PAGE_CHARACTERS = 4 * 1024**2  # of JSON as stored, of items whose size is their users'


@dataclass(frozen=True)
class CreatedRange:
    """Unix milliseconds: created at or after `after` and before `before`."""

    after: int | None = None
    before: int | None = None

    def apply(self, query, column):
        if self.after is not None:
            query = query.where(column >= self.after)
        if self.before is not None:
            query = query.where(column < self.before)
        return query


@dataclass(frozen=True)
class Page:
    """What to return of a list: `limit` items from `offset`, ordered by `order` in direction `sort`."""

    limit: int = DEFAULT_LIMIT
    offset: int = 0
    order: str = ""
    sort: str = "desc"
    after: str = ""  # an id: only what comes after it

    def __post_init__(self) -> None:
        if not 1 <= self.limit <= MAX_LIMIT:
            raise invalid(f"limit must be from 1 to {MAX_LIMIT}", field="limit")
        if not 0 <= self.offset < 2**31:
            raise invalid("offset must be 0 or more", field="offset")
        if self.sort not in ("asc", "desc"):
            raise invalid("sort must be asc or desc", field="sort")


@dataclass(frozen=True)
class Listing(Generic[T]):
    items: list[T]
    total: int
    limit: int
    offset: int
    has_more: bool = False


async def list_page(
    database: Database,
    query: Select,
    page: Page,
    *,
    orders: Mapping[str, Any],
    tie: Any,
    build: Callable[[RowMapping], T],
    tenant_id: str = "",
    weighed: ColumnElement[Any] | None = None,
) -> Listing[T]:
    """Runs a query as one page. `orders` maps names to columns, the first is the default; `tie` makes order total.

    A page ends before its items hold more than MAX_PAGE_CHARACTERS in the column `weighed`, though never before its first
    item; its `limit` is then how many items it goes over.

    With `page.after`, the item of that id must be the tenant's; what it comes after is told by the order, so that nothing
    is told twice or left out while the list grows. Raises NOT_FOUND for it.
    """
    order = page.order or next(iter(orders))
    if order not in orders:
        raise invalid(f"order must be one of: {', '.join(orders)}", field="order")
    columns = [orders[order], tie]
    directed = [column.asc() if page.sort == "asc" else column.desc() for column in columns]
    async with database.read() as connection:
        total = (
            await connection.execute(select(func.count()).select_from(query.order_by(None).subquery()))
        ).scalar_one()
        if page.after:
            anchor = select(*columns).where(tie == page.after, tie.table.c.tenant_id == tenant_id)
            place = (await connection.execute(anchor)).first()
            if place is None:
                raise ArcusError(Reason.NOT_FOUND, f"There is nothing to go on after: {page.after}", field="after")
            behind = tuple_(*columns) > tuple(place) if page.sort == "asc" else tuple_(*columns) < tuple(place)
            query = query.where(behind)
        query, limit, has_more = query.order_by(*directed).offset(page.offset), page.limit, False
        if weighed is not None:
            measured = query.with_only_columns(func.length(cast(weighed, Text))).limit(limit + 1)
            sizes = (await connection.execute(measured)).scalars().all()
            limit = _fitting(sizes[:limit], limit)
            has_more = len(sizes) > limit
        rows = await connection.execute(query.limit(limit if weighed is not None else limit + 1))
        items = [build(row) for row in rows.mappings()]
    return Listing(items[:limit], total, limit, page.offset, has_more=has_more or len(items) > limit)


def _fitting(sizes: Sequence[int], limit: int) -> int:
    room = MAX_PAGE_CHARACTERS
    for count, size in enumerate(sizes):
        room -= size
        if room < 0 and count:
            return count
    return limit
