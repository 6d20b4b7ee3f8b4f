"""Pages by key or by offset, the same on every list of both transports."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from sqlalchemy import ColumnElement, RowMapping, Select, Text, cast, func, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from services.core.errors import ArcusError, Reason, invalid
from services.core.store.places import Place, is_key, no_place

if TYPE_CHECKING:
    from services.core.store.database import Database

T = TypeVar("T")
Shown = TypeVar("Shown")
DEFAULT_LIMIT = 50
MAX_LIMIT = 100
_PLACE = ("place_in_order", "place_among_equals")
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
    """What to return of a list: `limit` items from `offset`, or behind `after`, ordered by `order` in direction `sort`."""

    limit: int = DEFAULT_LIMIT
    offset: int = 0
    order: str = ""
    sort: str = "desc"
    after: str = ""  # next_after of the page before, or an id where the list takes one

    def __post_init__(self) -> None:
        if not 1 <= self.limit <= MAX_LIMIT:
            raise invalid(f"limit must be from 1 to {MAX_LIMIT}", field="limit")
        if not 0 <= self.offset < 2**31:
            raise invalid("offset must be 0 or more", field="offset")
        if self.sort not in ("asc", "desc"):
            raise invalid("sort must be asc or desc", field="sort")
        if self.after and self.offset:
            raise invalid("after goes on without an offset; give one of the two", field="after")


@dataclass(frozen=True)
class Listing(Generic[T]):
    items: list[T]
    total: int
    limit: int
    offset: int
    has_more: bool = False
    places: Sequence[Place] = ()  # behind each row of which the items are made

    @property
    def next_after(self) -> str:
        """What the next page is asked for with; empty at the end."""
        return self.places[-1].key() if self.has_more and self.places else ""

    def cut(self, count: int) -> Listing[T]:
        """Its first `count` items, as a page that ends there."""
        if count == len(self.items):
            return self
        return replace(self, items=self.items[:count], limit=count, has_more=True, places=self.places[:count])

    def shown(self, items: list[Shown]) -> Listing[Shown]:
        """The same page, with what is shown of its items."""
        return Listing(items, self.total, self.limit, self.offset, self.has_more, self.places)


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

    With `page.after` the page goes on behind a place in the order, so that nothing is told twice or left out while the list
    changes, and the database skips nothing. Of a list of one tenant (`tenant_id`) an id that is there is a place too; raises
    NOT_FOUND for another, INVALID_ARGUMENT for what is no place of a list in this order.
    """
    order = page.order or next(iter(orders))
    if order not in orders:
        raise invalid(f"order must be one of: {', '.join(orders)}", field="order")
    columns = [orders[order], tie]
    directed = [column.asc() if page.sort == "asc" else column.desc() for column in columns]
    async with database.read() as connection:
        before = None
        if is_key(page.after):
            types = [column.type.python_type for column in columns]
            before = Place.read(page.after, order=order, sort=page.sort, types=types)
            total = before.total
        else:
            counted = select(func.count()).select_from(query.order_by(None).subquery())
            total = (await connection.execute(counted)).scalar_one()
        if page.after:
            values = before.values if before else await _place_of(connection, page.after, columns, tenant_id)
            behind = tuple_(*columns) > values if page.sort == "asc" else tuple_(*columns) < values
            query = query.where(behind)
        query, limit, has_more = query.order_by(*directed).offset(page.offset), page.limit, False
        if weighed is not None:
            measured = query.with_only_columns(func.length(cast(weighed, Text))).limit(limit + 1)
            sizes = (await connection.execute(measured)).scalars().all()
            limit = fitting(sizes[:limit], limit)
            has_more = len(sizes) > limit
        placed = query.add_columns(*(column.label(name) for column, name in zip(columns, _PLACE, strict=True)))
        found = await connection.execute(placed.limit(limit if weighed is not None else limit + 1))
        rows = found.mappings().all()
    places = [Place(order, page.sort, tuple(row[name] for name in _PLACE), total) for row in rows[:limit]]
    items = [build(row) for row in rows[:limit]]
    return Listing(items, total, limit, page.offset, has_more or len(rows) > limit, places)


async def _place_of(connection: AsyncConnection, id: str, columns: Sequence[Any], tenant_id: str) -> tuple[Any, ...]:
    """That of an item of the tenant."""
    if not tenant_id:
        raise no_place()
    tie = columns[-1]
    place = (await connection.execute(select(*columns).where(tie == id, tie.table.c.tenant_id == tenant_id))).first()
    if place is None:
        raise ArcusError(Reason.NOT_FOUND, f"There is nothing to go on after: {id}", field="after")
    return tuple(place)


def fitting(sizes: Sequence[int], limit: int, room: int = MAX_PAGE_CHARACTERS) -> int:
    """How many items of these sizes a page has room for: the first, whatever its size, and at most `limit`."""
    for count, size in enumerate(sizes):
        room -= size
        if room < 0 and count:
            return count
    return limit
