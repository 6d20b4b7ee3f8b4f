"""Usage: what tenants had done, by key. A record is written in the transaction that ends what it counts, and only once."""

from __future__ import annotations

from collections.abc import Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from sqlalchemy import BigInteger, Float, Select, String, Text, bindparam, cast, func, literal, select, tuple_
from sqlalchemy.dialects.postgresql import insert

from services.core.clock import now_ms
from services.core.errors import invalid
from services.core.store.database import Database
from services.core.store.pages import Page
from services.core.store.places import Place
from services.core.store.schema import response_events, responses
from services.core.store.tenant_schema import usage_records

UNITS = ("input_tokens", "output_tokens", "video_seconds", "bytes")
BUCKETS_MS = {"1m": 60_000, "1h": 3_600_000, "1d": 86_400_000}  # in UTC
GROUPS = {"tenant": "tenant_id", "key": "key_id", "model": "model", "kind": "kind"}
DAYS_MS = 30 * 86_400_000  # told of where no start is given
calling_key: ContextVar[str | None] = ContextVar("calling_key", default=None)  # of the request that is being handled
_columns = ("tenant_id", "key_id", "kind", "subject_id", "model", *UNITS, "at")


def _guarded(query: Select, *, unless_in_background: bool = False) -> Any:
    """One record of a subject, however often it is told."""
    source = query.subquery()
    known = select(usage_records.c.id).where(
        usage_records.c.kind == source.c.kind, usage_records.c.subject_id == source.c.subject_id
    )
    new = select(*source.c).where(~known.exists())
    if unless_in_background:
        follows = select(responses.c.id).where(responses.c.id == source.c.subject_id, responses.c.background)
        new = new.where(~follows.exists())
    # A front and an engine may tell at the same moment.
    return (
        insert(usage_records).from_select(_columns, new).on_conflict_do_nothing(index_elements=["kind", "subject_id"])
    )


_written = (
    select(func.sum(response_events.c.output_tokens))
    .where(response_events.c.response_id == responses.c.id)
    .scalar_subquery()
)
# Of a response that is about to end or to be deleted. What the engine did not tell at the end is what it wrote.
of_response = _guarded(
    select(
        responses.c.tenant_id,
        responses.c.key_id,
        literal("response").label("kind"),
        responses.c.id.label("subject_id"),
        responses.c.model,
        func.coalesce(cast(bindparam("input_tokens"), BigInteger), 0).label("input_tokens"),
        func.coalesce(cast(bindparam("output_tokens"), BigInteger), _written, 0).label("output_tokens"),
        cast(0, Float).label("video_seconds"),
        cast(0, BigInteger).label("bytes"),
        cast(bindparam("at"), BigInteger).label("at"),
    ).where(responses.c.id == bindparam("response_id"), responses.c.status == "in_progress")
)
_anything = select(
    *(cast(bindparam(name), String(36)).label(name) for name in ("tenant_id", "key_id", "kind", "subject_id")),
    cast(bindparam("model"), Text).label("model"),
    *(cast(bindparam(name), Float if name == "video_seconds" else BigInteger).label(name) for name in (*UNITS, "at")),
)
of_anything = _guarded(_anything)
_left = _guarded(_anything, unless_in_background=True)


def response_values(response_id: str, usage: dict[str, Any] | None) -> dict[str, Any]:
    """Of `of_response`. usage: that of the response's body; None where it did not come to its end."""
    tokens = {name: (usage or {}).get(name) for name in ("input_tokens", "output_tokens")}
    return {"response_id": response_id, "at": now_ms(), **tokens}


def usage_record(kind: str, tenant_id: str, subject_id: str, *, model: str = "", **units: float) -> dict[str, Any]:
    """Of `of_anything`, by the key of the request that is being handled, if there is one."""
    return {
        "tenant_id": tenant_id,
        "key_id": calling_key.get(),
        "kind": kind,
        "subject_id": subject_id,
        "model": model,
        **dict.fromkeys(UNITS, 0),
        **units,
        "at": now_ms(),
    }


@dataclass(frozen=True)
class UsageQuery:
    """Unix milliseconds, from `start` on and before `end`."""

    bucket: str = "1d"
    start: int | None = None
    end: int | None = None
    group_by: Sequence[str] = ()

    def __post_init__(self) -> None:
        if self.bucket not in BUCKETS_MS:
            raise invalid(f"bucket_width must be one of: {', '.join(BUCKETS_MS)}", field="bucket_width")
        unknown = [name for name in self.group_by if name not in GROUPS]
        if unknown:
            raise invalid(f"group_by must be of: {', '.join(GROUPS)}", field="group_by")


@dataclass(frozen=True)
class UsageBucket:
    """What one group used from `start` on, for the width of a bucket; its group names what was not grouped by as None."""

    start: int
    tenant_id: str | None
    key_id: str | None
    model: str | None
    kind: str | None
    records: int
    input_tokens: int
    output_tokens: int
    video_seconds: float
    bytes: int


class Usage:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def record(self, record: dict[str, Any]) -> None:
        await self._database.store(of_anything, [record])

    async def settle(self, records: Sequence[dict[str, Any]]) -> int:
        """Writes those of answers that nobody else counts, and returns how many: not where there is a record, and not of
        one in the background, which another front goes on with.
        """
        subjects = [record["subject_id"] for record in records]
        told = select(usage_records.c.subject_id).where(
            usage_records.c.kind == "response", usage_records.c.subject_id.in_(subjects)
        )
        known = {row.subject_id for row in await self._database.fetch(told)}
        if left := [record for record in records if record["subject_id"] not in known]:
            await self._database.store(_left, left)
        return len(left)

    async def buckets(
        self, query: UsageQuery, page: Page, *, tenant_id: str | None = None
    ) -> tuple[list[UsageBucket], str]:
        """The buckets in which something was used, oldest first, and the key of the next page; empty on the last."""
        table, width = usage_records.c, BUCKETS_MS[query.bucket]
        end = now_ms() + 1 if query.end is None else query.end
        start = end - DAYS_MS if query.start is None else query.start
        begins = (table.at - table.at % width).label("start")
        names = [name for name in GROUPS if name in query.group_by]
        groups = [table[GROUPS[name]] for name in names]
        placed = [
            begins,
            *(func.coalesce(group, "") for group in groups),
        ]  # null has a place, the same on each database
        order = ":".join([query.bucket, *names])
        asked = (
            select(
                begins,
                *groups,
                func.count().label("records"),
                *(func.sum(table[name]).label(name) for name in UNITS),
            )
            .where(table.at >= start, table.at < end)
            .group_by(begins, *groups)
            .order_by(*placed)
            .limit(page.limit + 1)
            .offset(page.offset)
        )
        if tenant_id is not None:
            asked = asked.where(table.tenant_id == tenant_id)
        if page.after:
            place = Place.read(page.after, order=order, sort="asc", types=[int, *(str for _ in groups)])
            asked = asked.where(table.at >= place.values[0], tuple_(*placed) > place.values)
        rows = await self._database.fetch(asked)
        none = dict.fromkeys(GROUPS.values())
        found = [UsageBucket(**{**none, **row._mapping}) for row in rows[: page.limit]]
        if len(rows) <= page.limit:
            return [_whole(bucket) for bucket in found], ""
        last = rows[page.limit - 1]._mapping
        place = Place(order, "asc", (last["start"], *(last[GROUPS[name]] or "" for name in names)), 0)
        return [_whole(bucket) for bucket in found], place.key()


def _whole(bucket: UsageBucket) -> UsageBucket:
    """PostgreSQL sums whole numbers to decimals."""
    counts = {name: int(getattr(bucket, name)) for name in UNITS if name != "video_seconds"}
    return UsageBucket(**{**bucket.__dict__, **counts})
